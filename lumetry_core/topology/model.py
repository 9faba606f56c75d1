"""Nodes and edges of the topology (contract lumetry 15.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class NodeType(StrEnum):
    """What a node is."""

    BUSINESS_SERVICE = "BusinessService"
    APPLICATION = "Application"
    COMPONENT = "Component"
    HOST = "Host"
    DATABASE = "Database"
    CLUSTER = "Cluster"


class EdgeType(StrEnum):
    """How the source of an edge relates to its target."""

    CONTAINS = "contains"
    DEPENDS_ON = "depends_on"
    RUNS_ON = "runs_on"
    ROUTES_TO = "routes_to"


EDGE_ORDER = {edge_type: position for position, edge_type in enumerate(EdgeType)}
"""Which of several edges between two nodes a path names: the first."""

MANUAL = "manual"
"""The source of nodes that people make one by one."""
AGENT = "agent"
"""The source of nodes that the product makes of what host agents tell."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node. A retired one has left the graph; its number and name stay."""

    id: int
    organization_id: int
    external_id: str
    node_type: NodeType
    display_name: str
    environment: str | None
    owner_team: str | None
    metadata: Mapping[str, Any]
    source: str
    is_retired: bool
    create_time: datetime
    update_time: datetime

    @property
    def host_id(self) -> str | None:
        """What else the label `host.id` may say of a host, besides its external id."""
        return host_id_of(self.node_type, self.metadata)


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge; its source, target and type tell it from every other."""

    id: int
    organization_id: int
    source_id: int
    target_id: int
    edge_type: EdgeType
    metadata: Mapping[str, Any]
    create_time: datetime


@dataclass(frozen=True, slots=True)
class PathNode:
    """A step of a path over the graph; `via` is the type of the edge by which it was reached, None at the start."""

    node_id: int
    display_name: str
    node_type: NodeType
    via: EdgeType | None


MAX_HOST_ID = 255


def host_id_of(node_type: NodeType, metadata: Mapping[str, Any]) -> str | None:
    """The `hostId` in a host's metadata, as far as a label may equal it."""
    host_id = metadata.get("hostId") if node_type is NodeType.HOST else None
    return host_id if isinstance(host_id, str) and 0 < len(host_id) <= MAX_HOST_ID else None
