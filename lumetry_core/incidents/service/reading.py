"""Reads incidents and what belongs to them (contract lumetry 11.1, 11.2)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.service.reading import find_alerts
from lumetry_core.incidents.model import Incident, IncidentFilter, IncidentMetric, IncidentState, TimelineEntry
from lumetry_core.incidents.store import incidents as incident_store
from lumetry_core.incidents.store import members as member_store
from lumetry_core.incidents.store import timeline as timeline_store
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.rules.choices import find_choice
from lumetry_core.rules.model import SEVERITIES
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found
from lumetry_core.runtime.paging import read_limit
from lumetry_core.violations import service as violations
from lumetry_core.violations.model import Violation, ViolationFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentQuery:
    """What people ask for, unchecked. Empty texts and None keep all; limit 0 is the default."""

    status: str = ""
    severity: str = ""
    service_node_id: int | None = None
    ci_node_id: int | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    limit: int = 0


async def search_incidents(tx: Transaction, caller: Caller, query: IncidentQuery) -> list[Incident]:
    """The newest incidents that match all filters, by start, then by id. Fails with VALIDATION_FAILED."""
    faults = Faults()
    wanted = IncidentFilter(
        state=find_choice(IncidentState, query.status, "status", faults),
        severity=find_choice(SEVERITIES, query.severity, "severity", faults),
        service_node_id=query.service_node_id,
        ci_node_id=query.ci_node_id,
        start_time=query.start_time,
        end_time=query.end_time,
        limit=read_limit(query.limit, faults=faults),
    )
    if query.start_time and query.end_time:
        faults.check(query.start_time <= query.end_time, "from", "must not be after to")
    faults.raise_if_any()
    return await incident_store.list_incidents(tx, caller.organization_id, wanted)


async def get_incident(tx: Transaction, caller: Caller, incident_id: int) -> Incident:
    """One incident. Fails with NOT_FOUND."""
    found = await find_incidents(tx, caller.organization_id, [incident_id])
    if incident_id not in found:
        raise not_found("Incident", incident_id)
    return found[incident_id]


async def find_incidents(tx: Transaction, organization_id: int, ids: Collection[int]) -> dict[int, Incident]:
    """Incidents by id; unknown ones are left out."""
    return {incident.id: incident for incident in await incident_store.find_incidents(tx, organization_id, ids)}


async def list_incident_alerts(tx: Transaction, caller: Caller, incident_id: int, limit: int) -> list[Alert]:
    """The alerts that are or were members, newest first by start, then by id. Fails with NOT_FOUND, VALIDATION_FAILED (`limit`)."""
    await get_incident(tx, caller, incident_id)
    checked = check_limit(limit)
    ids = await member_store.list_member_ids(tx, caller.organization_id, incident_id, checked)
    found = await find_alerts(tx, caller.organization_id, ids)
    return sorted(found, key=lambda alert: (alert.start_time, alert.id), reverse=True)


async def list_incident_violations(tx: Transaction, caller: Caller, incident_id: int, limit: int) -> list[Violation]:
    """The violations of its present and past members, newest first. Fails with NOT_FOUND, VALIDATION_FAILED (`limit`)."""
    await get_incident(tx, caller, incident_id)
    checked = check_limit(limit)
    ids = await member_store.list_member_ids(tx, caller.organization_id, incident_id)
    return await violations.list_violations(tx, caller.organization_id, ViolationFilter(alert_ids=tuple(ids), limit=checked))


async def list_incident_metrics(tx: Transaction, caller: Caller, incident_id: int) -> list[IncidentMetric]:
    """The metrics of its present and past members, ascending by display name, then by key. Fails with NOT_FOUND."""
    await get_incident(tx, caller, incident_id)
    keys = await member_store.list_metric_keys(tx, caller.organization_id, incident_id)
    known = await find_metrics(tx, caller.organization_id, keys)
    described = [IncidentMetric(key, known[key].display_name, known[key].unit) for key in keys if key in known]
    described += [IncidentMetric(key, key, "") for key in keys if key not in known]
    return sorted(described, key=lambda metric: (metric.display_name.casefold(), metric.metric_key))


async def list_incident_timeline(tx: Transaction, caller: Caller, incident_id: int, limit: int = 0) -> list[TimelineEntry]:
    """What happened last, ascending in time. Fails with NOT_FOUND, VALIDATION_FAILED (`limit`)."""
    await get_incident(tx, caller, incident_id)
    return await timeline_store.list_entries(tx, caller.organization_id, incident_id, check_limit(limit))


def check_limit(limit: int) -> int:
    """The limit of a list, 0 being the default. Fails with VALIDATION_FAILED."""
    faults = Faults()
    checked = read_limit(limit, faults=faults)
    faults.raise_if_any()
    return checked
