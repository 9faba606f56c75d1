"""Log alert rules: which entries of logs open an alert, and when it is over (contract logs 8).

Owns: rules, what they have counted (`windows`), and the reading of new blocks, in which error groups are noted as well.
Words: an entry that a rule counts is a *match*; the *width* of a rule is its time window, which ends with the match counted last; a rule is
*quiet* when nothing has matched for so long that its alert ends; *marks* are the last matches, which its alert shows.
Tables: `log_alert_rules`, `log_rule_states`.
Queues: none; woken by the channel `logs`.
"""
