"""Fires and resolves the alerts of containers, at changes and by the clock (contract monitoring 4.5)."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from lumetry_core.alerts.monitors import EntityType, MonitorReport, MonitorSource
from lumetry_core.alerts.service.monitors import find_active_monitored, find_last_person_close, report_firing, report_recovery
from lumetry_core.containers.alarms import (
    CLOSED_REST,
    CONTAINER_DOWN,
    HEALTH_UNHEALTHY,
    RESTART_LOOP,
    RESTART_WINDOW,
    recovery,
    report_down,
    report_restart_loop,
    report_unhealthy,
)
from lumetry_core.containers.model import DOWN, Container, ContainerState, Health, Transition
from lumetry_core.containers.service.attached import is_watched
from lumetry_core.containers.store import containers as store
from lumetry_core.containers.store import transitions as transition_store
from lumetry_core.containers.telling import tell_restart_alert, tell_restart_recovery
from lumetry_core.feed.service import tell
from lumetry_core.runtime.database import Transaction


async def judge_change(tx: Transaction, before: Container, after: Container, transition: Transition | None, now: datetime) -> None:
    """What a change of a container that is watched means for its alerts."""
    if transition is not None and transition.is_restart and not after.is_scheduled:
        await judge_restarts(tx, after, now)
    await judge_health(tx, after, before.health, now)
    if before.state is not after.state and after.state in (ContainerState.RUNNING, ContainerState.COMPLETED):
        ended = recovery(after.id, CONTAINER_DOWN, now, f"The container is {after.state}")
        await report_recovery(tx, after.organization_id, [ended], now)


async def judge_restarts(tx: Transaction, container: Container, now: datetime) -> None:
    """Fires, raises or resolves the alert of a container that just came back to running."""
    organization_id = container.organization_id
    counted = await transition_store.count_restarts(tx, organization_id, [container.id], now - RESTART_WINDOW)
    restarts = counted.get(container.id, 0)
    if restarts < container.restart_threshold:
        await end_restart_loops(tx, organization_id, [container], now)
        return
    alert = (await report_firing(tx, organization_id, [report_restart_loop(container, restarts, container.topology_node_id, now)], now))[0]
    if now in (alert.create_time, alert.escalate_time):
        await tell(tx, organization_id, [tell_restart_alert(container, restarts, alert.severity)], now)


async def end_restart_loops(tx: Transaction, organization_id: int, containers: Sequence[Container], now: datetime) -> None:
    """Resolves the alerts of containers that do not restart so often any more."""
    message = "The container restarts less often than its threshold"
    ended = await report_recovery(
        tx, organization_id, [recovery(container.id, RESTART_LOOP, now, message) for container in containers], now
    )
    closed = {alert.entity_id for alert in ended}
    await tell(tx, organization_id, [tell_restart_recovery(container) for container in containers if container.id in closed], now)


async def judge_health(tx: Transaction, container: Container, previous: Health | None, now: datetime) -> None:
    """Fires or resolves the alert of a container whose health changed or was looked at."""
    if not is_watched(container):
        return
    if container.health is Health.HEALTHY and previous is not Health.HEALTHY:
        await report_recovery(
            tx, container.organization_id, [recovery(container.id, HEALTH_UNHEALTHY, now, "The container is healthy")], now
        )
    elif container.health is Health.UNHEALTHY and previous is not Health.UNHEALTHY:
        rested = await find_rested(tx, container.organization_id, HEALTH_UNHEALTHY, [container.id], now)
        reports = [report_unhealthy(container, previous, container.topology_node_id, now) for _ in rested]
        await report_firing(tx, container.organization_id, reports, now)


async def judge_by_clock(tx: Transaction, organization_id: int, down_after: timedelta, now: datetime) -> None:
    """Fires for containers that have been down long enough, and again for what a person closed that still holds."""
    stopped = await store.list_containers(tx, organization_id, states=DOWN, changed_before=now - down_after)
    unhealthy = await store.list_containers(tx, organization_id, states=(ContainerState.RUNNING,), health=Health.UNHEALTHY)
    reports: list[MonitorReport] = []
    for container in await find_silent(tx, organization_id, CONTAINER_DOWN, stopped, now):
        snippet = await transition_store.read_last_snippet(tx, organization_id, container.id)
        reports.append(report_down(container, snippet, container.topology_node_id))
    reports += [
        report_unhealthy(container, None, container.topology_node_id, now)
        for container in await find_silent(tx, organization_id, HEALTH_UNHEALTHY, unhealthy, now)
    ]
    await report_firing(tx, organization_id, reports, now)


async def judge_recoveries(tx: Transaction, organization_id: int, now: datetime) -> None:
    """Resolves restart loops that are over because time went by."""
    watched = {container.id: container for container in await store.list_containers(tx, organization_id)}
    active = await find_active_monitored(tx, organization_id, EntityType.CONTAINER, set(watched))
    looping = [watched[alert.entity_id] for alert in active if alert.alert_type == RESTART_LOOP and alert.entity_id in watched]
    counted = await transition_store.count_restarts(tx, organization_id, {each.id for each in looping}, now - RESTART_WINDOW)
    await end_restart_loops(tx, organization_id, [each for each in looping if counted.get(each.id, 0) < each.restart_threshold], now)


async def find_silent(
    tx: Transaction, organization_id: int, alert_type: str, containers: Sequence[Container], now: datetime
) -> list[Container]:
    """Those of which no alert of a type is open, and none was closed by a person just now."""
    ids = {container.id for container in containers}
    if not ids:
        return []
    active = await find_active_monitored(tx, organization_id, EntityType.CONTAINER, ids)
    silent = ids - {alert.entity_id for alert in active if alert.alert_type == alert_type}
    rested = await find_rested(tx, organization_id, alert_type, silent, now)
    return [container for container in containers if container.id in rested]


async def find_rested(tx: Transaction, organization_id: int, alert_type: str, container_ids: Collection[int], now: datetime) -> set[int]:
    """Those whose last alert of a type was not closed by a person just now (9.5)."""
    closed = await find_last_person_close(tx, organization_id, MonitorSource.CONTAINER, alert_type, EntityType.CONTAINER, container_ids)
    return {number for number in container_ids if number not in closed or closed[number] + CLOSED_REST <= now}
