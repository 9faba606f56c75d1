"""What `make run` shows: a server, a collector of this host, starter rules on what it measures, and on request an incident.

Seeding uses the same verbs and the same RPCs as everybody else.
"""
