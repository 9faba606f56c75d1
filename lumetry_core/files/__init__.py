"""Attachments of sessions, incidents and projects.

Owns: files with their bytes, folders, links, the trash.
Words: a *kept* file is one that is not in the *trash*; to *purge* is to drop something from the trash for good. An *upload* becomes a file
only when all of it is on the disk and hashed. A file is *hidden* from whoever does not see its project, its session, or a folder above.
Tables: `files`. The bytes lie in the files directory under the UUID of their file below `<organization>/<2 hex>`, uploads below `incoming`.
Queues: none.
"""
