"""External alerts: what other systems detect and push, from their bodies to alerts.

Owns: sources with their health, what bodies of each provider mean, the mapping of definitions to topology nodes, and the lifecycle of
occurrences.
Words: source, provider, definition, instance, occurrence, transition, accepted, duplicate, rejected, mapped, unmapped, set aside.
Tables: `external_sources`, `external_source_health`, `external_definitions`, `external_events`, `external_occurrences`,
`external_unmapped`, `external_set_aside`.
Queues: own `external` (`transitions`, `registered`).
"""
