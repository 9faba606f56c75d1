"""Endpoints: HTTP and TCP addresses that are checked again and again, whether people enter them or labels of containers name them.

Owns: endpoints with their state, the results of their checks, when each is checked next, what becomes of a result.
Words: *check*, *result*, *standalone* and *label* endpoints, *planned* time of a check, *epoch* of an endpoint (whatever was begun in an
earlier one is void), *paused* (its container stands still), *inactive* (its label or container is gone), *ours* (a fault of this side,
which is no result).
Pure: `model`, `drafts`, `expectations`, `durations`, `labels`, `judging`, `schedule`, `windows`. Network: `checking`, `resolving`.
Tables: `endpoints`, `endpoint_checks`. Checks of endpoints that are deleted cannot be reached any more and go when they are old enough.
Queues: none; `endpoints` wakes the scheduler.
"""
