"""Which edges there may be between nodes of which types (contract lumetry 15.1)."""

from collections.abc import Collection, Mapping

from lumetry_core.topology.model import EdgeType, NodeType

SERVICE, APPLICATION, COMPONENT = NodeType.BUSINESS_SERVICE, NodeType.APPLICATION, NodeType.COMPONENT
HOST, DATABASE, CLUSTER = NodeType.HOST, NodeType.DATABASE, NodeType.CLUSTER

CONTAINED: Mapping[NodeType, Collection[NodeType]] = {
    SERVICE: (SERVICE, APPLICATION),
    APPLICATION: (COMPONENT, DATABASE),
    COMPONENT: (COMPONENT,),
    CLUSTER: (HOST, COMPONENT, DATABASE),
}
DEPENDENT = (SERVICE, APPLICATION, COMPONENT, DATABASE)

ALLOWED: Mapping[EdgeType, Mapping[NodeType, Collection[NodeType]]] = {
    EdgeType.CONTAINS: CONTAINED,
    EdgeType.DEPENDS_ON: dict.fromkeys(DEPENDENT, (*DEPENDENT, CLUSTER)),
    EdgeType.RUNS_ON: dict.fromkeys((APPLICATION, COMPONENT, DATABASE), (HOST, CLUSTER)) | {CLUSTER: (HOST,)},
    EdgeType.ROUTES_TO: dict.fromkeys((APPLICATION, COMPONENT, CLUSTER), (COMPONENT, CLUSTER, HOST)),
}
"""By type of edge and of its source: the types that its target may have."""


def is_allowed(source: NodeType, edge_type: EdgeType, target: NodeType) -> bool:
    """Whether such an edge may exist."""
    return target in ALLOWED[edge_type].get(source, ())


def refusal_of(source: NodeType, edge_type: EdgeType, target: NodeType) -> str:
    """What is said of an edge that must not exist."""
    return f"Edge not allowed: a '{source}' cannot '{edge_type}' a '{target}'."
