"""Reads the scene of a preview (contract lumetry 19.3): the candidate is checked as if it were created, and stored points are read."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from lumetry_core.access.service.settings import read_settings
from lumetry_core.baselines.model import BaselineProfile
from lumetry_core.baselines.service.building import build
from lumetry_core.baselines.service.exclusions import exclusions_of
from lumetry_core.baselines.service.profiles import find_profile
from lumetry_core.baselines.statistics import of_rollup
from lumetry_core.evaluation.compile import matches
from lumetry_core.evaluation.held import HeldBaseline, learning_delay
from lumetry_core.evaluation.machine import MINUTE_MS
from lumetry_core.evaluation.state import StoredSeries
from lumetry_core.metrics.dimension import dimension_key_of
from lumetry_core.metrics.model import Floats, Integers, MetricInfo
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.metrics.service.members import list_metric_series
from lumetry_core.metrics.service.stored import read_stored, read_unsealed
from lumetry_core.notifications.service.profiles import knows_profile
from lumetry_core.replay.history import hold_history
from lumetry_core.replay.preview import Scene, Source, cycle_times, sight_start
from lumetry_core.replay.settings import Settings
from lumetry_core.rules import service as rules
from lumetry_core.rules.draft import RuleDraft
from lumetry_core.rules.model import Definition, Rule, RuleType, Strategy
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import from_ms, to_ms
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Fault, Faults, LumetryError, Reason
from lumetry_core.runtime.identifiers import new_uuid
from lumetry_core.violations import service as violations

DEFAULT_RANGE = timedelta(hours=24)
MAX_RANGE = timedelta(days=31)
MAX_POINTS = 50_000
FIRST_READ_MS = 3_600_000
"""Stored points are read from the newest on, at first so far back, then as far as few enough are to be expected."""


async def read_scene(
    tx: Transaction,
    caller: Caller,
    draft: RuleDraft,
    start_time: datetime | None,
    end_time: datetime | None,
    settings: Settings,
    now: datetime,
) -> Scene:
    """Checks a candidate and reads what it is replayed over. Fails with VALIDATION_FAILED.

    Args:
        draft: Its name may be empty.
        start_time: None: 24 hours before the end.
        end_time: None: now.
    """
    end = end_time or now
    start = start_time or end - DEFAULT_RANGE
    rule = await check(tx, caller, draft, start, end, now)
    in_force = await read_settings(tx, caller.organization_id, settings.defaults)
    profile = await find_profile(tx, caller.organization_id, rule.baseline_profile_id) if rule.dynamic_metric_keys else None
    grace_ms = in_force.evaluation_grace_seconds * 1000
    reader = Reader(tx, caller.organization_id, rule, to_ms(start), to_ms(end), grace_ms)
    metrics = await find_metrics(tx, caller.organization_id, rule.metric_keys)
    sources = [await reader.read(strategy, metrics[strategy.metric_key], profile) for strategy in rule.strategies]
    scene = Scene(
        rule=rule,
        profile=profile,
        sources=sources,
        start_ms=to_ms(start),
        end_ms=to_ms(end),
        grace_ms=grace_ms,
        cycle_ms=settings.cycle_seconds * 1000,
    )
    if rule.is_compound and len(cycle_times(scene)) > MAX_POINTS:
        raise too_many(f"{MAX_POINTS} cycles")
    return scene


async def check(tx: Transaction, caller: Caller, draft: RuleDraft, start: datetime, end: datetime, now: datetime) -> Rule:
    """The candidate as evaluation takes it, once it and the range have no fault."""
    faults = Faults()
    faults.check(start <= end, "from", "must not be after to")
    faults.check(end - start <= MAX_RANGE, "from", f"must be at most {MAX_RANGE.days} days before to")
    name = draft.name or new_uuid()
    try:
        definition = await rules.check(tx, caller, replace(draft, name=name), None, knows_profile)
    except LumetryError as error:
        if error.reason is not Reason.VALIDATION_FAILED:
            raise
        for fault in error.faults:
            faults.add(fault.path, fault.message)
    faults.raise_if_any()
    if not draft.name:
        definition = replace(definition, name="", alert_name=draft.alert_name or "")
    metrics = await find_metrics(tx, caller.organization_id, [definition.metric_key])
    return rules.with_resolved_levels(make_candidate(definition, caller.organization_id, metrics[definition.metric_key].display_name, now))


def make_candidate(definition: Definition, organization_id: int, metric_display_name: str, now: datetime) -> Rule:
    """A rule that is not stored: neither it nor its levels have a number."""
    fields = {name: getattr(definition, name) for name in Definition.__dataclass_fields__}
    return Rule(
        **fields,
        id=0,
        organization_id=organization_id,
        counting_epoch=0,
        create_time=now,
        update_time=now,
        created_by=None,
        metric_display_name=metric_display_name or definition.metric_key,
    )


@dataclass(slots=True)
class Reader:
    """Reads the sources of a candidate, which hold no more than so many points together."""

    tx: Transaction
    organization_id: int
    rule: Rule
    start_ms: int
    end_ms: int
    grace_ms: int
    points: int = 0

    async def read(self, strategy: Strategy, metric: MetricInfo, profile: BaselineProfile | None) -> Source:
        """What a strategy may see."""
        series = await self._list_series(strategy, metric)
        columns = await self._read_points(metric, np.array([one.id for one in series], np.int64))
        held = await self._learn(metric, profile) if strategy.type is RuleType.DYNAMIC and profile is not None else None
        return Source(metric, series, *columns, held)

    async def _list_series(self, strategy: Strategy, metric: MetricInfo) -> list[StoredSeries]:
        """The series in scope; of a metric with too many members those that came first.

        A plain rule's come with all others that feed the same members, as live, where only the first point of a member and time counts.
        """
        found, members = [], set[str | None]()
        for one in await list_metric_series(self.tx, self.organization_id, [metric.id]):
            key = dimension_key_of(one.labels, metric.dimension_keys, metric.multidimensional)
            if key in members or len(members) < metric.fleet.max_cardinality:
                members.add(key)
                found.append(StoredSeries(one.id, metric.id, one.labels, key))
        in_scope = [one for one in found if matches(strategy.scope, one.labels)]
        if self.rule.is_compound:
            return in_scope
        covered = {one.dimension_key for one in in_scope}
        return [one for one in found if one.dimension_key in covered]

    async def _read_points(self, metric: MetricInfo, series_ids: Integers) -> tuple[Integers, Integers, Floats]:
        """Stored points ascending by time, then series; means where only roll-ups are left. Fails when there are too many."""
        start, end = sight_start(self.rule, self.start_ms), self.end_ms
        if not len(series_ids):
            return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
        where = (self.tx, self.organization_id)
        unsealed = await read_unsealed(*where, metric.partition, series_ids, start, end, before_offset=None)
        parts, before, span = [], self.points, FIRST_READ_MS
        while end >= start:
            first = max(start, end - span + 1)
            stored = await read_stored(*where, metric.id, metric.partition, series_ids, first, end, unsealed=unsealed)
            part = await asyncio.to_thread(stored.decode)
            self.points += len(part.times_ms)
            if self.points > MAX_POINTS:
                raise too_many(f"{MAX_POINTS} points")
            parts.append(part)
            span = expected_span(self.points - before, self.end_ms - first + 1)
            end = first - 1
        ids, times = np.concatenate([part.series_ids for part in parts]), np.concatenate([part.times_ms for part in parts])
        values = np.concatenate([of_rollup(*part.columns).means for part in parts])
        order = np.lexsort((ids, times))
        return ids[order], times[order], values[order]

    async def _learn(self, metric: MetricInfo, profile: BaselineProfile) -> HeldBaseline:
        """What was normal in the look-back window before the range."""
        first = self.start_ms - profile.lookback_days * 1440 * MINUTE_MS
        exclusions = [
            (to_ms(period.start_time), to_ms(period.end_time))
            for period in await exclusions_of(self.tx, self.organization_id)
            if period.metric_key in (None, metric.metric_key)
        ]
        learned, pending = await build(
            self.tx,
            self.organization_id,
            metric,
            profile,
            from_ms=first,
            to_ms=self.start_ms,
            before_offset=None,
            exclusions=exclusions,
            breached=await violations.breached_times(self.tx, self.organization_id, metric.metric_key, from_ms(first)),
            boundaries=self.start_ms - self.grace_ms - learning_delay(self.grace_ms) * MINUTE_MS,
            max_members=metric.fleet.max_cardinality,
        )
        return hold_history(profile, metric.id, learned, pending, exclusions)


def expected_span(points: int, span_ms: int) -> int:
    """How far to read on, so that about as many points as are allowed are to be expected at the rate of `points` in a span."""
    return span_ms * max(1, MAX_POINTS // max(1, points))


def too_many(what: str) -> LumetryError:
    """The failure for a range that holds too much."""
    fault = Fault("from", f"the range holds more than {what}; ask for a shorter one")
    return LumetryError(Reason.VALIDATION_FAILED, "The request is not valid.", faults=(fault,))
