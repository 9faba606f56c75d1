"""Sessions: threads in which people and agents investigate, attached to a project or an incident (contract workspace 5).

Owns: sessions, their messages, whom messages mention, and what the product writes about a session's incident.
Words: a session belongs to whoever opened it, its *owner*, and is seen as its project is; a message has a *role*: a user, an agent for
which a user's credential acts, or the system; *references* point to what a message is about and are kept as they were given.
Tables: `sessions`, `session_messages`.
Queues: own `sessions` (incident events of the feed).
"""
