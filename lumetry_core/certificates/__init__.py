"""TLS certificates: what servers present, whether it can be trusted and how long it lasts, from chains to alerts.

Owns: monitors of a host and port, whoever asked for them (people, labels of containers, HTTPS checks of endpoints), fetching of chains,
their verification, and what a check means for status and alerts.
Words: monitor, source, check, chain (leaf first), presented, verdict, standing condition, threshold, observation, observer.
Tables: `certificate_monitors`, `certificate_checks`, `certificate_chain_entries`, `certificate_observers`.
Queues: none; the channel `certificates` wakes the worker.
"""
