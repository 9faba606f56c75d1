"""Runs stored points through the very functions that judge live ones, and writes nothing: what would a rule have done?

Owns: replaying points in memory, what follows of the alerts in the course of time (incidents, notifications), and previews of rules.
Words: a candidate is a rule that is not stored; a scene is all that a replay of points needs to know, surroundings are what decides about
its alerts, both read beforehand; findings are points, violations and alerts, the course is what follows of them; a ref, such as `A1` or
`I1`, names an alert or incident within one replay.
Tables, queues: none.
"""
