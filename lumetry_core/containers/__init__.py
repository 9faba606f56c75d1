"""The container runtime of this host: which one there is, whether it can be reached, and why not. Read only.

Owns: the choice of the runtime (`model`), the Docker Engine API as a client (`engine`), clusters of Kubernetes as another
(`kubernetes*`, with the package extra), what was found last (`detection`).
Words: a *candidate* is a place where a runtime may be, an *engine* what answers there (Docker, Podman's compatible service, or a
cluster), a *workload* a controller of a cluster with its pods, which is one container here.
Tables: none.
Queues: none.
"""
