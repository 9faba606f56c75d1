"""What active alerts mean for a node of the topology, and where their cause probably lies (contract lumetry 15.3)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lumetry_core.rules.model import Severity


class ImpactState(StrEnum):
    """How a node stands, by the worst alert on it or below."""

    HEALTHY = "Healthy"
    WARNING = "Warning"
    CRITICAL = "Critical"


class ClusterHealth(StrEnum):
    """How a redundancy group stands: as long as one member is up, the others' failure is a degradation."""

    HEALTHY = "Healthy"
    DEGRADED = "Degraded"
    OUTAGE = "Outage"


@dataclass(frozen=True, slots=True)
class Mark:
    """An active alert on a node: its CI, or its service when it has no CI."""

    alert_id: int
    node_id: int
    severity: Severity
    start_time: datetime


@dataclass(frozen=True, slots=True)
class ClusterState:
    """Members of a cluster, how many of them are down, and what that makes of it."""

    total: int
    down: int
    health: ClusterHealth


def judge_state(marks: Iterable[Mark]) -> ImpactState:
    """The worst of alerts."""
    severities = {mark.severity for mark in marks}
    if Severity.CRITICAL in severities:
        return ImpactState.CRITICAL
    return ImpactState.WARNING if severities else ImpactState.HEALTHY


def judge_cluster(members: Collection[int], marks: Iterable[Mark]) -> ClusterState:
    """How a cluster stands; a member is down when it has a critical alert itself."""
    down = len({mark.node_id for mark in marks if mark.severity is Severity.CRITICAL} & set(members))
    if not down:
        return ClusterState(len(members), 0, ClusterHealth.HEALTHY)
    return ClusterState(len(members), down, ClusterHealth.OUTAGE if down == len(members) else ClusterHealth.DEGRADED)


def find_cause(marks: Sequence[Mark], depth_of: Mapping[int, int]) -> int | None:
    """The node with an alert that lies deepest below a node; of several the one whose alert is the earliest.

    Args:
        depth_of: Edges on a shortest path downwards to each node that is reached.
    """
    reached = [mark for mark in marks if mark.node_id in depth_of]
    if not reached:
        return None
    return min(reached, key=lambda mark: (-depth_of[mark.node_id], mark.start_time, mark.alert_id)).node_id
