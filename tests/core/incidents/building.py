"""Alerts as the tests of incidents need them: plain values, and rows with their work items made by the alerts' own verbs."""

from datetime import UTC, datetime
from typing import Any

from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.alerts.model import Alert, AlertState, Opening, SourceKind, Trigger
from lumetry_core.alerts.service.transitions import open_alerts
from lumetry_core.incidents.model import Incident
from lumetry_core.incidents.worker import Correlator
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.topology.model import Node, NodeType
from lumetry_core.topology.store import nodes as node_store

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
ORGANIZATION = 7


def an_alert(number: int = 1, **changes: Any) -> Alert:
    """An alert that waits for correlation."""
    values: dict[str, Any] = {
        "id": number,
        "organization_id": ORGANIZATION,
        "rule_id": 17,
        "rule_epoch": 1,
        "metric_key": "cpu.usage",
        "metric_display_name": "CPU usage",
        "dimension_key": None,
        "alert_name": "CPU is high",
        "source_kind": SourceKind.METRIC_RULE,
        "state": AlertState.OPEN,
        "severity": Severity.WARNING,
        "alert_level_id": 3,
        "trigger_reason": "1 violation within 1 minute",
        "violation_count": 1,
        "start_time": NOW,
        "end_time": None,
        "acknowledge_time": None,
        "incident_id": None,
        "incident_eligibility": None,
        "watch_start_time": None,
        "last_resolved_incident_id": None,
        "first_violation_time": NOW,
        "last_not_clear_time": NOW,
        "close_cause": None,
        "create_time": NOW,
        "update_time": NOW,
    }
    return Alert(**(values | changes))


def an_incident(number: int = 1, **changes: Any) -> Incident:
    """An open incident with one active member, alert 100 + number."""
    values: dict[str, Any] = {
        "id": number,
        "organization_id": ORGANIZATION,
        "number": number,
        "correlation_key": "metric:cpu.usage",
        "primary_metric_key": "cpu.usage",
        "severity": Severity.WARNING,
        "start_time": NOW,
        "newest_alert_id": 100 + number,
        "newest_alert_time": NOW,
        "alert_count": 1,
        "active_alert_count": 1,
        "violation_count": 1,
        "create_time": NOW,
        "update_time": NOW,
    }
    return Incident(**(values | changes))


def an_opening(rule_id: int = 17, host: str | None = None, **changes: Any) -> Opening:
    """What evaluation says of a trigger. The rule and the host decide which alert it is."""
    values: dict[str, Any] = {
        "rule_id": rule_id,
        "rule_name": f"Rule {rule_id}",
        "rule_epoch": 1,
        "alert_name": f"Alert of rule {rule_id}",
        "metric_key": "cpu.usage",
        "metric_display_name": "CPU usage",
        "dimension_key": None if host is None else f"host.id={host}",
        "start_time": NOW,
        "severity": Severity.WARNING,
        "alert_level_id": 3,
        "trigger": Trigger(2, 2, 5),
        "first_violation_time": NOW,
        "last_not_clear_time": NOW,
    }
    return Opening(**(values | changes))


async def open_some(database: Database, *openings: Opening, organization_id: int = ORGANIZATION, now: datetime = NOW) -> list[Alert]:
    """Opens alerts, which enqueues their correlation. Their hosts are made nodes of the topology when they are not yet."""
    hosts = (str(opening.dimension_key).removeprefix("host.id=") for opening in openings if "host.id=" in str(opening.dimension_key))
    async with database.write() as tx:
        await add_nodes(tx, organization_id, *((NodeType.HOST, host) for host in dict.fromkeys(hosts)))
        return await open_alerts(tx, organization_id, openings, now)


async def add_nodes(tx: Transaction, organization_id: int, *named: tuple[NodeType, str]) -> dict[str, int]:
    """The numbers of nodes by external id, which is also their name; those that are not in the topology are added, in order."""
    names = [name for _, name in named]
    known = {name: node.id for name, node in (await node_store.find_by_external_id(tx, organization_id, names)).items()}
    for node_type, name in named:
        if name not in known:
            known |= await node_store.insert_nodes(
                tx, [Node(0, organization_id, name, node_type, name, None, None, {}, "manual", False, NOW, NOW)]
            )
    return known


async def correlate_all(database: Database, now: datetime = NOW) -> None:
    """Runs a correlator until nothing waits."""
    correlator = Correlator(database, OrganizationSettings())
    while await correlator.tick(now):
        pass
