"""Heartbeats: jobs that report by themselves, and what happens when they do not.

Owns: heartbeats, the state machine of their pings and deadlines (`machine`), which deadlines count while nobody could hear a ping
(`watching`), the record of pings and runs, and how often a heartbeat may be pinged (`rates`).
Words: a *ping* is one request of a job, a *run* is one execution of it as far as pings tell, a *deadline* is the time by which the next
ping must have come, a *miss* is a deadline that passed without; a *look* is the time at which a heartbeat that is down is looked at again.
Tables: `heartbeats`, `heartbeat_pings`, `heartbeat_runs`.
Queues: own `heartbeats` (`removed`).
"""
