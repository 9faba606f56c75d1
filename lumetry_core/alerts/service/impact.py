"""Tells what is wrong at a node and below it, and which services that concerns (contract lumetry 15.3)."""

from dataclasses import dataclass

from lumetry_core.alerts.impact import ClusterState, ImpactState, find_cause, judge_cluster, judge_state
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.store.impact import list_marks
from lumetry_core.alerts.store.selection import read_alerts
from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.model import Node, NodeType, PathNode
from lumetry_core.topology.service.graph import get_node
from lumetry_core.topology.service.reach import find_reach

MAX_ALERTS = 500
"""Alerts that are told with an impact; its state takes all into account."""


@dataclass(frozen=True, slots=True)
class Impact:
    """The impact of a node; services and paths belong together position by position."""

    node: Node
    state: ImpactState
    services: tuple[Node, ...]
    paths: tuple[tuple[PathNode, ...], ...]
    active_alerts: tuple[Alert, ...]
    cluster_state: ClusterState | None
    probable_cause: Node | None


async def read_impact(tx: Transaction, organization_id: int, node_id: int) -> Impact:
    """The impact of a node. Fails with NOT_FOUND."""
    reach = await find_reach(tx, organization_id, node_id)
    marks = [mark for mark in await list_marks(tx, organization_id) if mark.node_id in reach.depth_of]
    cause_id = find_cause(marks, reach.depth_of)
    cause = None if cause_id is None else await get_node(tx, organization_id, cause_id)
    shown = [mark.alert_id for mark in marks[:MAX_ALERTS]]
    alerts = {alert.id: alert for alert in await read_alerts(tx, organization_id, shown)}
    return Impact(
        node=reach.node,
        state=judge_state(marks),
        services=reach.services,
        paths=reach.paths,
        active_alerts=tuple(alerts[alert_id] for alert_id in shown),
        cluster_state=judge_cluster(reach.members, marks) if reach.node.node_type is NodeType.CLUSTER else None,
        probable_cause=cause,
    )
