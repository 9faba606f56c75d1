"""Small processes near what is monitored: who they are, and whether they still live.

Owns: collectors, their enrollment and their heartbeats; `agent/` is the collector itself, a client that shares nothing with the rest.
Words: an *installation* is a state directory that enrolled once, an *instance* one run of its process.
Tables: `collectors`.
Queues: none.
"""
