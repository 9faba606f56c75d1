"""What is normal at each minute of the week: how it is learned, from what, and from what not.

Owns: baseline profiles, the periods that are not learned from (incident windows, public holidays), requests to learn again, and the learned
statistics.
Words: a profile says how a baseline is learned; a use is a rule or definition that refers to a profile; an exclusion is a period of one or
all metrics that nothing is learned from; a rebuild is a request to learn stored points again, which every partition does for itself; a
bucket is a minute of the week in the time zone of a profile; a baseline is the buckets of one member under one profile.
Tables: `baseline_profiles`, `baseline_profile_uses`, `baseline_exclusions`, `baseline_rebuilds`, `baseline_rebuild_progress`,
`baselines`, `baseline_members`, `baseline_blocks`, `baseline_journal`.
Queues: none; a change moves the organization's evaluation version.
"""
