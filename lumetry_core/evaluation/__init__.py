"""Judges accepted points by the rules: finds violations, opens, escalates and closes alerts, and answers for its jobs.

Owns: the state machine of a rule on a member, its vectorised evaluation, evaluation runs, and jobs that must be tried again.
Words: a watch is a rule as the machine needs it; a state is what the past of a rule on a member means for its next point; a chunk holds
the points of consecutive jobs; a walked series is one that goes through the machine; a run is a committed chunk.
Tables: `evaluation_runs`, `evaluation_retries`.
Queues in: the inbox of metrics (channel `inbox`), `evaluation` (kind `rule_left_active`). Queues out: those of the alerts it moves.
"""
