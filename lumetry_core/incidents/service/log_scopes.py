"""What is known of an incident and of alerts to find the error groups that have to do with them (contract logs 7)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.service.reading import find_alerts
from lumetry_core.incidents.service.reading import find_incidents
from lumetry_core.incidents.store import members as member_store
from lumetry_core.logs.service.groups import IncidentScope
from lumetry_core.projects.links import MONITOR_TYPES
from lumetry_core.projects.service import links
from lumetry_core.runtime.database import Transaction

MAX_ALERTS = 1000
"""The newest members of an incident that are looked at."""


async def find_incident_ids(tx: Transaction, organization_id: int, alert_ids: Collection[int]) -> Mapping[int, int | None]:
    """The present incident of each alert, or the one in which it was resolved."""
    alerts = await find_alerts(tx, organization_id, alert_ids)
    return {alert.id: alert.last_resolved_incident_id if alert.incident_id is None else alert.incident_id for alert in alerts}


async def find_incident_scope(tx: Transaction, organization_id: int, incident_id: int, now: datetime) -> IncidentScope | None:
    """When an incident was, which alerts it had and which projects they touch; None when there is none."""
    incident = (await find_incidents(tx, organization_id, [incident_id])).get(incident_id)
    if incident is None:
        return None
    alert_ids = await member_store.list_member_ids(tx, organization_id, incident_id, MAX_ALERTS)
    alerts = await find_alerts(tx, organization_id, alert_ids)
    return IncidentScope(
        start_time=min([incident.start_time, *(alert.start_time for alert in alerts)]),
        end_time=now if incident.resolve_time is None else incident.resolve_time,
        alert_ids=alert_ids,
        project_ids=await find_projects(tx, organization_id, alerts),
    )


async def find_projects(tx: Transaction, organization_id: int, alerts: Sequence[Alert]) -> list[str]:
    """Projects that link what alerts are about."""
    nodes = {node for alert in alerts for node in (alert.topology_node_id, alert.related_service_id, alert.related_ci_id)}
    return await links.find_linked_projects(
        tx,
        organization_id,
        monitors=sorted(
            {(alert.entity_type, alert.entity_id) for alert in alerts if alert.entity_type in MONITOR_TYPES and alert.entity_id is not None}
        ),
        node_ids={node for node in nodes if node is not None},
        metric_keys={alert.metric_key for alert in alerts if alert.metric_key is not None},
    )
