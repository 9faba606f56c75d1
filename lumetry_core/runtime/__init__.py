"""What every area stands on: database, queue, events, clock, errors, callers and the gRPC server.

Owns: no noun of the domain. The files here are a closed list (docs/adr/0005): a new one needs a decision record.
Tables: `work_items`, `work_heads`, `events`, `event_heads`.
"""
