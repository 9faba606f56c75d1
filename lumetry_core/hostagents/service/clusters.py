"""Clusters that hosts are placed in. They are nodes of the topology, and nothing else."""

from datetime import datetime

from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.draft import NodeDraft
from lumetry_core.topology.model import Node, NodeType
from lumetry_core.topology.service.clusters import list_clusters as list_nodes
from lumetry_core.topology.service.editing import create_node


async def list_clusters(tx: Transaction, organization_id: int) -> list[tuple[Node, int]]:
    """All clusters by name, each with the number of hosts in it."""
    return await list_nodes(tx, organization_id)


async def create_cluster(tx: Transaction, caller: Caller, display_name: str, external_id: str | None, now: datetime) -> Node:
    """Adds a cluster. Fails with VALIDATION_FAILED (`displayName`, `externalId`).

    Args:
        external_id: None: the node gets one.
    """
    draft = NodeDraft(display_name=display_name, node_type=NodeType.CLUSTER.value, external_id=external_id)
    return await create_node(tx, caller, draft, now)
