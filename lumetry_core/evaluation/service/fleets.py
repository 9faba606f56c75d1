"""A tick of an organization's fleets: judged from a snapshot, and written in one transaction with the states that follow.

A metric's row names the newest tick that it has had. Whoever writes the next replaces exactly that row, so each tick happens once, wherever
a process dies and however many try.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lumetry_core.access.service.evaluation_version import read_evaluation_version
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.evaluation.service.fleet_reading import Observed, Plan, Snapshot
from lumetry_core.evaluation.service.fleet_recording import Left, Outcome, record_outcomes
from lumetry_core.evaluation.store import fleets as store
from lumetry_core.fleet.judging import find_fingerprint, find_patience, judge, run_tick
from lumetry_core.fleet.model import FleetState, MemberState
from lumetry_core.metrics.service.upkeep import list_organization_ids
from lumetry_core.runtime.database import Transaction

INLINE_BYTES = 64 * 1024
"""Stored bytes up to which judging is quicker than going to a thread."""


class FleetMoved(Exception):  # noqa: N818 -- an event, not a fault
    """Another process was quicker, or what the tick was judged by is no longer so. Nothing of the transaction may stay."""


@dataclass(frozen=True, slots=True, eq=False)
class JudgedTick:
    """A tick of some metrics that is ready to be written."""

    organization_id: int
    version: int
    tick_ms: int
    outcomes: Sequence[Outcome]
    left: Sequence[Left]


async def list_organizations(tx: Transaction) -> list[int]:
    """Organizations that have metrics, or something is remembered of."""
    return sorted({*await list_organization_ids(tx), *await store.list_organization_ids(tx)})


async def list_due(tx: Transaction, plan: Plan, partitions: Collection[int], newest_ms: int, step_ms: int, kept_ms: int) -> list[int]:
    """The ticks that metrics of an organization have not had yet, ascending.

    Args:
        newest_ms: The last one to be had.
        kept_ms: Ticks that are further back are left out.
    """
    states = await store.read_states(tx, plan.organization_id, partitions)
    due = {newest_ms} if states.keys() - plan.metrics.keys() else set[int]()
    for metric in plan.metrics.values():
        if metric.partition in partitions:
            state = states.get(metric.id)
            due.update(find_due(None if state is None else state.tick_ms, newest_ms, step_ms, kept_ms))
    return sorted(due)


def find_due(had_ms: int | None, newest_ms: int, step_ms: int, kept_ms: int) -> range:
    """The ticks after one that was had, as far back as they are kept; a metric without any starts with the newest."""
    if had_ms is None:
        return range(newest_ms, newest_ms + 1)
    oldest_ms = newest_ms - (kept_ms // step_ms - 1) * step_ms
    return range(max((had_ms // step_ms + 1) * step_ms, oldest_ms), newest_ms + 1, step_ms)


async def judge_snapshot(plan: Plan, snapshot: Snapshot, tick_ms: int, step_ms: int) -> JudgedTick:
    """Judges all metrics of a snapshot."""

    def judge_all() -> list[Outcome]:
        return [judge_metric(each, snapshot, plan.settings, tick_ms, step_ms) for each in snapshot.observed]

    is_small = sum(each.payload_bytes for each in snapshot.observed) <= INLINE_BYTES
    outcomes = judge_all() if is_small else await asyncio.to_thread(judge_all)
    left = [Left(metric_id, snapshot.states[metric_id], metric) for metric_id, metric in snapshot.left.items()]
    return JudgedTick(plan.organization_id, snapshot.version, tick_ms, outcomes, left)


def judge_metric(observed: Observed, snapshot: Snapshot, settings: OrganizationSettings, tick_ms: int, step_ms: int) -> Outcome:
    """Judges one metric and moves its members on.

    A changed contract, and a close by a person, make counting start from zero.
    """
    metric, roster = observed.metric, observed.roster
    before = snapshot.states.get(metric.id)
    fingerprint = find_fingerprint(metric.fleet, metric.dimension_keys)
    is_changed = before is not None and before.fingerprint != fingerprint
    members: Mapping[str | None, MemberState] = {}
    if before is not None and not is_changed:
        members = {key: state for key, state in before.members.items() if state.alert is None or state.alert.id in snapshot.active}
    since_ms = before.since_ms if before is not None and tick_ms - before.tick_ms <= step_ms else tick_ms
    fresh = observed.decode()
    learned = None if observed.recall is None else observed.recall(fresh)
    judgement = judge(roster, fresh, metric.fleet, learned)
    patience = find_patience(metric.fleet, settings.fleet_member_gone_minutes)
    ticked = run_tick(roster, judgement, members, patience, tick_ms, since_ms)
    after = FleetState(tick_ms, since_ms, fingerprint, roster.is_overflowing, ticked.states)
    return Outcome(metric, before, after, judgement, learned, patience, ticked, is_changed=is_changed)


async def write_tick(tx: Transaction, judged: JudgedTick, now: datetime) -> None:
    """Writes a tick with the states that follow. Raises `FleetMoved`."""
    organization_id = judged.organization_id
    # Whoever closes an alert or changes a definition moves the version first; holding it keeps them apart from this tick.
    if await read_evaluation_version(tx, organization_id, hold=True) != judged.version:
        raise FleetMoved
    opened = await record_outcomes(tx, organization_id, judged.tick_ms, judged.outcomes, judged.left, now)
    for outcome in judged.outcomes:
        after = replace(outcome.after, members={**outcome.after.members, **opened.get(outcome.metric.id, {})})
        if outcome.before is None:
            is_first = await store.insert_state(tx, organization_id, outcome.metric.id, outcome.metric.partition, after)
        else:
            is_first = await store.replace_state(tx, organization_id, outcome.metric.id, outcome.before.tick_ms, after)
        if not is_first:
            raise FleetMoved
    for left in judged.left:
        if not await store.delete_state(tx, organization_id, left.metric_id, left.state.tick_ms):
            raise FleetMoved
