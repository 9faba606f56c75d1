"""Runs stored points through the very functions that judge live ones, and writes nothing: what would a rule have done?

Owns: replaying points in memory, and previews of rules.
Words: a candidate is a rule that is not stored; a scene is all that a replay needs to know, read beforehand; a ref, such as `A1` or `I1`,
names an alert or incident within one replay.
Tables, queues: none.
"""
