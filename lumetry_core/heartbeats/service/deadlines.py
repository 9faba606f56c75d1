"""Judges silences: deadlines that passed, and alerts of heartbeats that are still down after a person closed them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.alerts.monitors import EntityType, MonitorSource
from lumetry_core.alerts.service.monitors import find_active_monitored, find_last_person_close
from lumetry_core.feed.service import tell
from lumetry_core.heartbeats import machine
from lumetry_core.heartbeats.model import AlertType, Heartbeat, Status
from lumetry_core.heartbeats.service.recording import Step, build_report, fire, record_steps
from lumetry_core.heartbeats.store import heartbeats as store
from lumetry_core.heartbeats.watching import Watch
from lumetry_core.runtime.database import Transaction

MAX_DUE = 500


async def is_any_due(tx: Transaction, now: datetime) -> bool:
    """Whether there is something to judge."""
    return await store.is_any_due(tx, now)


async def judge_due(tx: Transaction, watch: Watch, now: datetime) -> bool:
    """Judges heartbeats that are due and that nobody else judges; True when there may be more.

    A silence that does not count yet is put off to the time from which it does.
    """
    due = await store.take_due(tx, now, MAX_DUE)
    put_off, steps, down = [], [], []
    for heartbeat in due:
        if heartbeat.status is Status.DOWN:
            down.append(heartbeat)
        elif (judgement := watch.find_judgement(heartbeat)) > now:
            put_off.append(replace(heartbeat, due_time=judgement))
        else:
            steps.append(Step(heartbeat, machine.miss(heartbeat, now)))
    await store.move_heartbeats(tx, put_off)
    await record_steps(tx, steps, now)
    for organization_id in sorted({heartbeat.organization_id for heartbeat in down}):
        of_organization = [heartbeat for heartbeat in down if heartbeat.organization_id == organization_id]
        await look_again(tx, organization_id, of_organization, now)
    return len(due) == MAX_DUE


async def look_again(tx: Transaction, organization_id: int, down: Sequence[Heartbeat], now: datetime) -> None:
    """Opens anew the alerts that a person closed too long ago, and says when to look at each next (contract 9.5)."""
    ids = [heartbeat.id for heartbeat in down]
    missed = AlertType.DEADLINE_MISSED
    active = {
        alert.entity_id
        for alert in await find_active_monitored(tx, organization_id, EntityType.HEARTBEAT, ids)
        if alert.alert_type == missed
    }
    closed = await find_last_person_close(tx, organization_id, MonitorSource.HEARTBEAT, missed, EntityType.HEARTBEAT, ids)
    reports, looked = [], []
    for heartbeat in down:
        is_back, look_time = machine.look_again(heartbeat, closed.get(heartbeat.id), now, is_active=heartbeat.id in active)
        looked.append(replace(heartbeat, due_time=look_time))
        if is_back:
            reports.append(build_report(heartbeat, missed, now, started=False))
    await store.move_heartbeats(tx, looked)
    if reports:
        await tell(tx, organization_id, await fire(tx, organization_id, reports, now), now)


async def pull_in(tx: Transaction, now: datetime) -> None:
    """Brings deadlines back that are farther away than a job may be silent, as they are when the clock was set back."""
    found = await store.take_too_far(tx, now)
    moved = []
    for heartbeat in found:
        limit = now + heartbeat.span
        watched = heartbeat.deadline is not None and heartbeat.status is not Status.DOWN
        moved.append(replace(heartbeat, due_time=limit, deadline=limit if watched else heartbeat.deadline))
    await store.move_heartbeats(tx, moved)
