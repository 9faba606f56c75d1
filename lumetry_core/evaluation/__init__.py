"""Judges accepted points by the rules and fleets by their detectors: finds violations, moves alerts, and answers for its jobs.

Owns: the state machine of a rule on a member, its vectorised evaluation, evaluation runs, jobs that must be tried again, the cycles of
compound rules, and the ticks of fleets.
Words: a watch is a rule as the machine needs it; a state is what the past of a rule on a member means for its next point; a chunk holds
the points of consecutive jobs; a walked series is one that goes through the machine; a run is a committed chunk; a cycle is
a time at which compound rules are judged, a sight what a condition sees on it; a plan holds the fleets of an organization, a snapshot
what a tick of them is judged by.
Tables: `evaluation_runs`, `evaluation_retries`, `fleet_states`, `compound_cycles`.
Queues in: the inbox of metrics (channel `inbox`), `evaluation` (kind `rule_left_active`). Queues out: those of the alerts it moves.
"""
