"""Reads alerts and the recorded decisions about them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from lumetry_core.alerts.decisions import Explanation, Transition, not_occurred
from lumetry_core.alerts.model import Alert, AlertFilter, AlertState, SourceKind, SystemAlert, SystemAlertState
from lumetry_core.alerts.service import system_alerts
from lumetry_core.alerts.store import decisions as decision_store
from lumetry_core.alerts.store import paths as path_store
from lumetry_core.alerts.store import selection
from lumetry_core.rules.choices import check_text, find_choice
from lumetry_core.rules.model import SEVERITIES, Severity
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found
from lumetry_core.runtime.paging import read_limit
from lumetry_core.topology.model import PathNode
from lumetry_core.violations import service as violations
from lumetry_core.violations.model import Violation, ViolationFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertQuery:
    """What people ask for, unchecked. Empty texts and None keep all; limit 0 is the default."""

    metric_key: str = ""
    rule_id: int | None = None
    severity: str = ""
    status: str = ""
    incident_id: int | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    source_kind: str = ""
    dimension_key: str | None = None
    limit: int = 0


async def search_alerts(tx: Transaction, caller: Caller, query: AlertQuery) -> list[Alert]:
    """The newest alerts that match all filters. Fails with VALIDATION_FAILED."""
    faults = Faults()
    wanted = AlertFilter(
        metric_key=query.metric_key or None,
        rule_id=query.rule_id,
        severity=find_choice(SEVERITIES, query.severity, "severity", faults),
        state=find_choice(AlertState, query.status, "status", faults),
        incident_id=query.incident_id,
        start_time=query.start_time,
        end_time=query.end_time,
        source_kind=find_choice(SourceKind, query.source_kind, "sourceKind", faults),
        dimension_key=query.dimension_key,
        limit=read_limit(query.limit, faults=faults),
    )
    check_text(query.metric_key, "metricId", faults)
    check_text(query.dimension_key, "dimensionKey", faults)
    if query.start_time and query.end_time:
        faults.check(query.start_time <= query.end_time, "from", "must not be after to")
    faults.raise_if_any()
    return await list_alerts(tx, caller.organization_id, wanted)


async def list_alerts(tx: Transaction, organization_id: int, wanted: AlertFilter) -> list[Alert]:
    """The newest alerts that match, by start and then by number, both descending."""
    return await selection.select_alerts(tx, organization_id, wanted)


async def find_alerts(tx: Transaction, organization_id: int, ids: Collection[int]) -> list[Alert]:
    """Alerts by number, ascending; unknown ones are left out."""
    return await selection.read_alerts(tx, organization_id, ids)


async def get_alert(tx: Transaction, organization_id: int, alert_id: int, *, lock: bool = False) -> Alert:
    """One alert. Fails with NOT_FOUND.

    Args:
        lock: Keeps others from changing it until the transaction ends.
    """
    found = await selection.read_alerts(tx, organization_id, [alert_id], lock=lock)
    if not found:
        raise not_found("Alert", alert_id)
    return found[0]


async def get_listed_alert(tx: Transaction, organization_id: int, alert_id: int) -> Alert:
    """One alert as the `lumetry` family sees it, to which those of severity `Info` are unknown. Fails with NOT_FOUND."""
    found = await get_alert(tx, organization_id, alert_id)
    if found.severity is Severity.INFO:
        raise not_found("Alert", alert_id)
    return found


async def find_paths(tx: Transaction, organization_id: int, alert_ids: Collection[int]) -> dict[int, tuple[PathNode, ...]]:
    """The ways from what alerts affect to their services, as found when they opened; alerts without any are left out."""
    return await path_store.read_paths(tx, organization_id, alert_ids)


async def list_violations_of(tx: Transaction, caller: Caller, alert_id: int, limit: int) -> list[Violation]:
    """The violations of an alert, newest first; none for alerts that no metric made. Fails with NOT_FOUND, VALIDATION_FAILED."""
    await get_listed_alert(tx, caller.organization_id, alert_id)
    faults = Faults()
    wanted = ViolationFilter(alert_ids=(alert_id,), limit=read_limit(limit, faults=faults))
    faults.raise_if_any()
    return await violations.list_violations(tx, caller.organization_id, wanted)


async def explain(tx: Transaction, caller: Caller, alert_id: int, transition: str) -> Explanation:
    """Why people were (not) told of a transition, as recorded. Fails with NOT_FOUND, VALIDATION_FAILED.

    Args:
        transition: Empty: the opening.
    """
    await get_listed_alert(tx, caller.organization_id, alert_id)
    faults = Faults()
    wanted = find_choice(Transition, transition, "transition", faults) or Transition.OPEN
    faults.raise_if_any()
    recorded = await decision_store.read_explanation(tx, caller.organization_id, alert_id, wanted)
    return recorded or not_occurred(alert_id, wanted)


async def search_system_alerts(tx: Transaction, caller: Caller, status: str, limit: int) -> list[SystemAlert]:
    """The newest system alerts. Fails with VALIDATION_FAILED."""
    faults = Faults()
    state = find_choice(SystemAlertState, status, "status", faults)
    checked = read_limit(limit, faults=faults)
    faults.raise_if_any()
    return await system_alerts.list_system_alerts(tx, caller.organization_id, state, checked)
