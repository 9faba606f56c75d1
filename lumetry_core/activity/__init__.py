"""The activity feed: what happened in an organization, one item for each change (contract workspace 11.4).

Owns: items, never altered, and finding them again.
Words: an item has a *kind* (what it is about), an *action* (what happened) and an *actor* (who did it); its projects are those that what it
is about belonged to then, in order of their creation. Items are numbered from 1 in the order in which their transactions were committed;
512 numbers in a row are a *block*, which is *packed* once it is full: its filters tell what it cannot hold, its lines what it holds.
Tables: `activity_heads`, `activity_items`, `activity_blocks`.
Queues: none; the worker wakes on `activity`.
"""
