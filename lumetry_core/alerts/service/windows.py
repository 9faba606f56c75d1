"""What people do with maintenance windows."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lumetry_core.access.service.audit import record_audit
from lumetry_core.activity.service import record
from lumetry_core.alerts.activity import describe_window
from lumetry_core.alerts.maintenance import (
    NODE_SCOPES,
    MaintenanceWindow,
    ScopeType,
    WindowEvent,
    advance,
    find_next_start,
    locate,
    next_change,
)
from lumetry_core.alerts.recurrence import LONGEST, YEARS, Recurrence, has_occurrence
from lumetry_core.alerts.recurrence_rule import UnreadableRule, parse_rule
from lumetry_core.alerts.service.upkeep import judge_alerts, refer_to_node
from lumetry_core.alerts.store import maintenance as store
from lumetry_core.baselines.time_zones import find_zone, time_zone_names
from lumetry_core.baselines.validation import MAX_REASON, check_text
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.rules import choices
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found
from lumetry_core.runtime.paging import MAX_LIMIT, read_limit
from lumetry_core.topology.model import NodeType
from lumetry_core.topology.service.nodes import find_all_node_names, find_nodes

KIND = "MaintenanceWindow"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowDraft:
    """A window as people send it, unchecked. None means absent."""

    scope_type: str = ""
    scope_node_id: int | None = None
    metric_key: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    reason: str = ""
    rrule: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class ShownWindow:
    """A window as people see it: with its node's name, whether it is active, and when it next starts."""

    window: MaintenanceWindow
    scope_node_name: str | None
    is_active: bool
    next_occurrence_start: datetime | None


async def list_windows(tx: Transaction, caller: Caller, active: bool | None, limit: int, now: datetime) -> list[ShownWindow]:  # noqa: FBT001 -- three-valued
    """The windows, newest first by their first start, then number. Fails with VALIDATION_FAILED (`limit`).

    Args:
        active: Only those that are, or are not, active now; None: all.
        limit: 0: 500.
    """
    faults = Faults()
    size = read_limit(limit, faults=faults)
    faults.raise_if_any()
    found = await store.list_newest(tx, caller.organization_id, active=active, now=now, limit=size)
    return await show(tx, caller.organization_id, found, now)


async def list_events(tx: Transaction, caller: Caller) -> list[WindowEvent]:
    """The newest windows as a calendar shows them."""
    found = await store.list_newest(tx, caller.organization_id, active=None, now=None, limit=MAX_LIMIT)
    names = await names_of_nodes(tx, caller.organization_id, found)
    return [WindowEvent(window, names.get(window.scope_node_id or 0)) for window in found]


async def create_window(tx: Transaction, caller: Caller, draft: WindowDraft, now: datetime) -> ShownWindow:
    """Adds a window; one that has begun covers active alerts at once.

    Fails with VALIDATION_FAILED (`scopeType`, `scopeNodeId`, `metricId`, `startTime`, `endTime`, `reason`, `rrule`, `timeZone`).
    """
    await store.lock_live(tx, caller.organization_id)  # before the graph is held: the upkeep of windows takes them in this order
    faults = Faults()
    scope_type = await check_scope(tx, caller.organization_id, draft, faults)
    reason = check_text(draft.reason, MAX_REASON, "reason", faults)
    check_period(draft, faults)
    faults.raise_if_any()
    if scope_type is None or draft.start_time is None or draft.end_time is None:
        raise TypeError("a window without a scope, a start or an end is a fault")
    window = MaintenanceWindow(
        id=0,
        organization_id=caller.organization_id,
        scope_type=scope_type,
        scope_node_id=draft.scope_node_id,
        metric_key=draft.metric_key,
        start_time=draft.start_time,
        end_time=draft.end_time,
        reason=reason,
        rrule=draft.rrule,
        time_zone=draft.time_zone,
        occurrence_start=draft.start_time,
        occurrence_end=draft.end_time,
        create_time=now,
        created_by=caller.user_id,
    )
    window = locate(window, now)
    number = await store.insert_window(tx, window, next_change(window, now, changed=window.is_active(now)))
    created = replace(window, id=number)
    await record_audit(tx, caller, f"{KIND}.Created", KIND, created.id, now, after=audited(created))
    if created.is_active(now):
        await record(tx, caller.organization_id, [describe_window(created, "started")], now)
        await refer_to_node(tx, created, now)
        await judge_alerts(tx, caller.organization_id, now)
    return (await show(tx, caller.organization_id, [created], now))[0]


async def delete_window(tx: Transaction, caller: Caller, window_id: int, now: datetime) -> None:
    """Removes a window with all its occurrences; alerts that it alone covers are released at once. Fails with NOT_FOUND."""
    await store.lock_live(tx, caller.organization_id)
    found = (await store.read_windows(tx, caller.organization_id, [window_id], lock=True))[:1]
    if not found or found[0].delete_time is not None:
        raise not_found("Maintenance window", window_id)
    after = replace(found[0], delete_time=now)
    await store.update_window(tx, after, next_change(after, now, changed=True))
    await refer_to_node(tx, after, now)
    await record_audit(tx, caller, f"{KIND}.Deleted", KIND, window_id, now, before=audited(after))
    await judge_alerts(tx, caller.organization_id, now)


async def show(tx: Transaction, organization_id: int, windows: Collection[MaintenanceWindow], now: datetime) -> list[ShownWindow]:
    """Windows as people see them."""
    names = await names_of_nodes(tx, organization_id, windows)
    current = [advance(window, now) for window in windows]
    return [
        ShownWindow(window, names.get(window.scope_node_id or 0), window.is_active(now), find_next_start(window, now)) for window in current
    ]


async def names_of_nodes(tx: Transaction, organization_id: int, windows: Collection[MaintenanceWindow]) -> dict[int, str]:
    """The names of the nodes that windows are for."""
    node_ids = {window.scope_node_id for window in windows if window.scope_node_id is not None}
    return await find_all_node_names(tx, organization_id, node_ids) if node_ids else {}


async def check_scope(tx: Transaction, organization_id: int, draft: WindowDraft, faults: Faults) -> ScopeType | None:
    """Reads what a window covers; None when no type is given, or an unknown one."""
    if not draft.scope_type:
        faults.add("scopeType", f"must be one of {', '.join(ScopeType)}")
        return None
    scope_type = choices.find_choice(ScopeType, draft.scope_type, "scopeType", faults)
    if scope_type is None:
        return None
    if scope_type not in NODE_SCOPES:
        faults.check(draft.scope_node_id is None, "scopeNodeId", f"must be null for scope {scope_type}")
    elif draft.scope_node_id is None:
        faults.add("scopeNodeId", f"is required for scope {scope_type}")
    else:
        await check_node(tx, organization_id, scope_type, draft.scope_node_id, faults)
    if scope_type is not ScopeType.METRIC:
        faults.check(draft.metric_key is None, "metricId", f"must be null for scope {scope_type}")
    elif not draft.metric_key:
        faults.add("metricId", f"is required for scope {scope_type}")
    else:
        known = "\0" not in draft.metric_key and bool(await find_metrics(tx, organization_id, {draft.metric_key}))
        faults.check(known, "metricId", "must be a known metric")
    return scope_type


async def check_node(tx: Transaction, organization_id: int, scope_type: ScopeType, node_id: int, faults: Faults) -> None:
    """Notes a fault for a node that is unknown or of the wrong type."""
    node = (await find_nodes(tx, organization_id, {node_id}, hold=True)).get(node_id)
    if node is None:
        faults.add("scopeNodeId", "must be a known topology node")
    elif scope_type is ScopeType.SERVICE:
        faults.check(node.node_type is NodeType.BUSINESS_SERVICE, "scopeNodeId", f"must be a BusinessService, not a {node.node_type}")
    else:
        faults.check(node.node_type is not NodeType.BUSINESS_SERVICE, "scopeNodeId", "must not be a BusinessService")


def check_period(draft: WindowDraft, faults: Faults) -> None:
    """Notes what is wrong with when a window occurs."""
    faults.check(draft.start_time is not None, "startTime", "is required")
    faults.check(draft.end_time is not None, "endTime", "is required")
    duration = timedelta(0)
    if draft.start_time is not None and draft.end_time is not None:
        duration = draft.end_time - draft.start_time
        faults.check(duration > timedelta(0), "endTime", "must be after startTime")
    zone_is_known = draft.time_zone in time_zone_names()
    if draft.time_zone is not None:
        faults.check(zone_is_known, "timeZone", "must be the IANA name of a time zone, such as Europe/Berlin")
    if draft.rrule is None:
        return
    faults.check(draft.time_zone is not None, "timeZone", "is required with rrule")
    faults.check(duration <= LONGEST, "endTime", f"must be at most {LONGEST.days} days after startTime with rrule")
    try:
        rule = parse_rule(draft.rrule)
    except UnreadableRule as unreadable:
        faults.add("rrule", str(unreadable))
        return
    if draft.start_time is None:
        return
    if draft.start_time.year not in YEARS:
        faults.add("startTime", f"must lie between the years {YEARS.start} and {YEARS.stop - 1} with rrule")
    elif zone_is_known and draft.time_zone is not None:
        recurrence = Recurrence(rule, draft.start_time, duration, find_zone(draft.time_zone))
        faults.check(has_occurrence(recurrence), "rrule", "must have an occurrence at or after startTime")


def audited(window: MaintenanceWindow) -> dict[str, object]:
    """What the audit log keeps of a window, in the contract's words."""
    return {
        "scopeType": window.scope_type,
        "scopeNodeId": window.scope_node_id,
        "metricId": window.metric_key,
        "startTime": window.start_time,
        "endTime": window.end_time,
        "reason": window.reason,
        "rrule": window.rrule,
        "timeZone": window.time_zone,
        "createdBy": window.created_by,
    }
