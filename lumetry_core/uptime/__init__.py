"""How much of each UTC day a monitor was up: rollups that outlive the results they were made of.

Owns: the counts of a day (`model`), adding to them and reading shares of days (`service`).
Words: a *count* is what one day had of a monitor: *good* of *total* in the unit of its type (an endpoint's checks, a heartbeat's finished
runs, a container's seconds), and its *incidents*, each an edge from good to bad.
Tables: `uptime_days`.
Queues: none.
"""
