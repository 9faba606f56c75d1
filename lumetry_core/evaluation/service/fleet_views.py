"""A fleet as people see it: the members of a metric at its newest tick (contract lumetry 5.5)."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lumetry_core.access.service.settings import read_settings
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.alerts.service.detections import active_detected
from lumetry_core.evaluation.service.fleet_reading import observe, read_series
from lumetry_core.evaluation.service.fleet_recording import number
from lumetry_core.evaluation.service.fleets import INLINE_BYTES
from lumetry_core.evaluation.store import fleets as store
from lumetry_core.fleet.judging import Judgement, judge
from lumetry_core.fleet.roster import Newest, Roster, enroll
from lumetry_core.metrics.fleet_contract import Analysis
from lumetry_core.metrics.model import MetricInfo
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import from_ms, to_ms
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import LumetryError, Reason, not_found

LOOK_BACK = timedelta(hours=1)
"""How far back the last value of a member is looked for."""


class MemberStatus(StrEnum):
    """How a member stands at a tick."""

    NORMAL = "Normal"
    OUTLIER = "Outlier"
    ALERTING = "Alerting"
    STALE = "Stale"


@dataclass(frozen=True, slots=True)
class GroupView:
    """A peer group; limits only where its members are compared."""

    group: str | None
    peer_count: int
    median: float | None
    mad: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member. A stale one has its last value, if that is not too old, and nothing is said of it."""

    dimension_key: str | None
    group: str | None
    value: float | None
    time: datetime | None
    deviation_percent: float | None
    score: float | None
    baseline_expected: float | None
    baseline_score: float | None
    status: MemberStatus


@dataclass(frozen=True, slots=True)
class FleetView:
    """All members of a metric at a tick, ascending by dimension key, as are the groups."""

    metric_key: str
    tick_time: datetime
    analyses: tuple[Analysis, ...]
    split_dimension: str | None
    groups: Sequence[GroupView]
    members: Sequence[MemberView]


async def get_fleet(
    tx: Transaction, caller: Caller, metric_key: str, tick_seconds: int, defaults: OrganizationSettings, now: datetime
) -> FleetView:
    """The newest tick of a metric, from what is stored now. Fails with NOT_FOUND, CONFLICT for a metric that has no members."""
    organization_id = caller.organization_id
    metric = (await find_metrics(tx, organization_id, [metric_key])).get(metric_key)
    if metric is None:
        raise not_found("Metric", metric_key)
    if not metric.multidimensional:
        raise LumetryError(Reason.CONFLICT, f"Metric {metric_key} is single: it has no members to compare.")
    settings = await read_settings(tx, organization_id, defaults)
    state = await store.read_state(tx, organization_id, metric.id)
    step_ms = tick_seconds * 1000
    tick_ms = to_ms(now) // step_ms * step_ms if state is None else state.tick_ms
    fresh_ms = tick_ms - settings.fleet_staleness_seconds * 1000
    first_ms = min(fresh_ms, tick_ms - min(to_span(LOOK_BACK), settings.fleet_member_gone_minutes * 60_000))
    roster = enroll((await read_series(tx, [metric]))[metric.id], metric.dimension_keys, metric.fleet)
    observed = await observe(tx, metric, roster, first_ms, tick_ms, settings.evaluation_grace_seconds * 1000)
    alerting = {alert.dimension_key for alert in await active_detected(tx, organization_id) if alert.metric_key == metric_key}

    def view() -> FleetView:
        newest = observed.decode()
        fresh = newest.since(fresh_ms)
        judgement = judge(observed.roster, fresh, metric.fleet, None if observed.recall is None else observed.recall(fresh))
        return describe(metric, tick_ms, observed.roster, newest, judgement, alerting)

    return view() if observed.payload_bytes <= INLINE_BYTES else await asyncio.to_thread(view)


def to_span(span: timedelta) -> int:
    """A span in ms."""
    return int(span / timedelta(milliseconds=1))


def describe(
    metric: MetricInfo, tick_ms: int, roster: Roster, newest: Newest, judgement: Judgement, alerting: Collection[str | None]
) -> FleetView:
    """What the detectors say, for people. Members that have been silent for long and have no alert are gone and left out."""
    row_of = {member: row for row, member in enumerate(judgement.fresh.members.tolist())}
    last_of = {member: place for place, member in enumerate(newest.members.tolist())}
    members = []
    shown_groups = set()
    for member, key in enumerate(roster.keys):
        if member not in last_of and key not in alerting:
            continue
        group = int(roster.groups[member])
        shown_groups.add(group)
        row, last = row_of.get(member), last_of.get(member)
        members.append(describe_member(key, roster.group_keys[group], newest, last, judgement, row, is_alerting=key in alerting))
    groups = [describe_group(roster.group_keys[group], judgement, group) for group in shown_groups]
    return FleetView(
        metric_key=metric.metric_key,
        tick_time=from_ms(tick_ms),
        analyses=metric.fleet.analyses,
        split_dimension=metric.split_dimension,
        groups=sorted(groups, key=lambda group: group.group or ""),
        members=sorted(members, key=lambda member: member.dimension_key or ""),
    )


def describe_group(key: str | None, judgement: Judgement, group: int) -> GroupView:
    """One peer group."""
    groups = judgement.groups
    return GroupView(
        group=key,
        peer_count=int(groups.counts[group]),
        median=number(groups.medians[group]),
        mad=number(groups.mads[group]),
        lower=number(groups.lower[group]),
        upper=number(groups.upper[group]),
    )


def describe_member(
    key: str | None, group: str | None, newest: Newest, last: int | None, judgement: Judgement, row: int | None, *, is_alerting: bool
) -> MemberView:
    """One member; `last` and `row` are its places among those with a value and with a fresh one."""
    value = None if last is None else number(newest.values[last])
    time = None if last is None else from_ms(int(newest.times_ms[last]))
    if row is None:
        return MemberView(key, group, value, time, None, None, None, None, MemberStatus.STALE)
    past = judgement.analyses.get(Analysis.BASELINE)
    is_outlier = any(judged.is_outlier[row] for judged in judgement.analyses.values())
    status = MemberStatus.ALERTING if is_alerting else MemberStatus.OUTLIER if is_outlier else MemberStatus.NORMAL
    return MemberView(
        dimension_key=key,
        group=group,
        value=value,
        time=time,
        deviation_percent=number(judgement.peers.deviations[row], decimals=2),
        score=number(judgement.peers.scores[row]),
        baseline_expected=None if past is None else number(past.expected[row]),
        baseline_score=None if past is None else number(past.scores[row]),
        status=status,
    )
