"""Nodes and edges as the audit log shows them: in the contract's words (15.3)."""

from lumetry_core.topology.model import Edge, Node


def audit_node(node: Node) -> dict[str, object]:
    """The fields of a node that people decide, and whether it retired."""
    return {
        "externalId": node.external_id,
        "nodeType": node.node_type.value,
        "displayName": node.display_name,
        "environment": node.environment,
        "ownerTeam": node.owner_team,
        "metadata": dict(node.metadata),
        "source": node.source,
        "isRetired": node.is_retired,
    }


def audit_edge(edge: Edge) -> dict[str, object]:
    """The fields of an edge."""
    return {
        "sourceNodeId": edge.source_id,
        "targetNodeId": edge.target_id,
        "edgeType": edge.edge_type.value,
        "metadata": dict(edge.metadata),
    }
