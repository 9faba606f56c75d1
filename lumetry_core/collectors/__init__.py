"""Small processes near what is monitored: who they are, what they are wanted to do, and whether they still live.

Owns: collectors, their enrollment, desired configuration, heartbeats, credentials' rotation, and the work they are given; `agent/` is the
collector itself, a client that shares nothing with the rest.
Words: an *installation* is a state directory that enrolled once, an *instance* one run of its process; a *revision* is a desired
configuration, which a collector *applies* or *rejects*; a *directive* is what a stream tells it; *work* is leased to it and completed once.
Tables: `collectors`, `collector_work`.
Queues: none.
"""
