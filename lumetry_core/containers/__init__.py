"""The container runtime of this host: which one there is, whether it can be reached, and why not. Read only.

Owns: the choice of the runtime (`model`), the Docker Engine API as a client (`engine`), what was found last (`detection`).
Words: a *candidate* is a place where a runtime may be, an *engine* what answers there (Docker, or Podman's compatible service).
Tables: none.
Queues: none.
"""
