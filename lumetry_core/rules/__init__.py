"""Rules: what is judged, and when judgements become alerts.

Owns: definitions of rules with their conditions and levels, and their validation.
Words: a strategy says what is compared with what; a plain rule has one, a compound rule has several, called its conditions; a level says
when violations become an alert; a paused rule is active and has a metric that is not evaluable; the counting epoch rises when counting for
triggers starts anew.
Tables: `rules`, `rule_levels`.
Queues: out `evaluation` (`rule_left_active`).
"""
