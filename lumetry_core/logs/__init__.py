"""What programs wrote: accepting log entries, keeping them without their secrets, finding them again.

Owns: blocks of entries, receipts of pushes that must not be repeated.
Words: an entry belongs to the project that *decides* (which its log key names, or its label); a block holds many entries of one project,
packed; a *fresh* block is what one commit brought, a *sealed* one is sorted by time and knows its words; a *word* is what searches compare;
a receipt remembers the answer to a push.
Tables: `log_blocks`, `log_receipts`.
Queues out: none; a commit wakes the channel `logs`. Queues in: none.
"""
