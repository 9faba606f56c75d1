"""Connections: everything that is configured to send signals here or to be told from here, in one view (contract workspace 7).

Owns: nothing but the view; integrations, channels, webhooks, external alert sources, metric sources, the container runtime and log keys
belong to their areas, which also tell how each of them fares.
Words: the *connector* of a connection is what is spoken over it; its *resource* is what it is to the family that manages it.
Tables: none.
Queues: none.
"""
