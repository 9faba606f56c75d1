"""Rules: what is judged, and when judgements become alerts.

Owns: definitions of rules with their levels, their validation, and the organization's evaluation version.
Words: rule, condition, level, direction, scope, counting epoch, evaluation version.
Tables: `rules`, `rule_levels`.
Queues: out `evaluation` (`rule_left_active`).
"""
