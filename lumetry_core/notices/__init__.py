"""Notices: the notifications in the inbox of each user (contract workspace 9). `notifications` is what leaves the house.

Owns: notices, whether they are read, and their end.
Words: a *notice* is written for each user whom it concerns, in the transaction of what it tells of; the contract calls it a notification.
A notice about a private project of somebody else is *hidden*: it is neither shown nor counted while that lasts.
Tables: `notices`.
Queues: none.
"""
