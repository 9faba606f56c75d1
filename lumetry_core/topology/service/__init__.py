"""Verbs of the area: nodes, edges, imports, bindings as they stand on nodes, and what others ask of the graph."""
