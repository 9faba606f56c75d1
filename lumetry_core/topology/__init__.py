"""Topology: what depends on what, from hosts up to business services (contract lumetry 15).

Owns: nodes and edges of the graph with their imports, who refers to nodes, and the walks over the graph that others ask for.
Words: an edge leads from its source to its target; a service is a node of type `BusinessService`, a CI any other node; a retired node
has left the graph and keeps its number and name; the source of a node is who pushed it (`manual`: a person; `agent`: a host agent); a
snapshot is an import that retires what its source no longer names; the context of a signal is its CI, the nearest service above it and the
path between them.
Tables: `topology_nodes`, `topology_edges`, `topology_imports`, `topology_references`, `topology_versions`.
Queues: none.
"""
