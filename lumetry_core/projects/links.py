"""Links of projects: the monitors, topology nodes and metrics that belong to a project."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class LinkType(StrEnum):
    """What can be linked."""

    CONTAINER = "container"
    ENDPOINT = "endpoint"
    HEARTBEAT = "heartbeat"
    CERTIFICATE = "certificate"
    TOPOLOGY_NODE = "topology_node"
    METRIC = "metric"


MONITOR_TYPES = (LinkType.CONTAINER, LinkType.ENDPOINT, LinkType.HEARTBEAT, LinkType.CERTIFICATE)

Ref = tuple[LinkType, str]
"""What is linked: its number, or a metric's key."""

Links = Mapping[LinkType, Sequence[str]]
"""What is linked, by type. What it names may be gone in the meantime."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What something tells of, for the search of its projects."""

    monitor: tuple[str, int] | None = None
    """Type and number."""
    node_ids: frozenset[int] = frozenset()
    """Nodes, with all that are above them."""
    metric_key: str | None = None

    def refs(self) -> set[Ref]:
        """What a project links that has the subject."""
        found = {(LinkType.TOPOLOGY_NODE, str(node_id)) for node_id in self.node_ids}
        if self.monitor is not None:
            found.add((LinkType(self.monitor[0]), str(self.monitor[1])))
        if self.metric_key is not None:
            found.add((LinkType.METRIC, self.metric_key))
        return found
