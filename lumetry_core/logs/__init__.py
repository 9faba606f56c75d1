"""What programs wrote: accepting log entries, keeping them without their secrets, finding them again, grouping their errors.

Owns: blocks of entries and their filters, receipts of pushes that must not be repeated, error groups, live tails, usage by pushes.
Words: an entry belongs to the project that *decides* (which its log key names, or its label); a block holds many entries of one project,
packed in *frames*; a *new* block is what one commit brought and nobody has read for groups and rules yet, a *fresh* one has been read, a
*sealed* one is sorted by time and has filters of its words; a *word* is what searches compare; a *fingerprint* is what errors are grouped
by, a *sighting* what one reading found of a group; a receipt remembers the answer to a push.
Tables: `log_blocks`, `log_filters`, `log_receipts`, `log_groups`, `log_group_hours`, `log_group_alerts`, `log_usage_hours`.
Queues out: none; a commit wakes the channel `logs`. Queues in: none.
"""
