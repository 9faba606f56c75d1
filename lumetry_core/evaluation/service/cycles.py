"""A cycle of an organization's compound rules: judged by stored facts alone, and written once (contract lumetry 8.4)."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from lumetry_core.access.service.evaluation_version import read_evaluation_version
from lumetry_core.access.service.settings import read_settings
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.alerts.service import transitions
from lumetry_core.baselines.service.profiles import find_profile
from lumetry_core.baselines.weeks import WeekClock
from lumetry_core.evaluation.compound import CompoundWatch, Cycle, Outcome, compile_compound, judge_cycles, take_cycle
from lumetry_core.evaluation.held import learning_delay
from lumetry_core.evaluation.machine import MINUTE_MS, START, State
from lumetry_core.evaluation.model import Settings
from lumetry_core.evaluation.restore import restore_alerts, restore_past
from lumetry_core.evaluation.service.cycle_effects import record_outcomes
from lumetry_core.evaluation.service.cycle_learned import NOTHING_LEARNED, LearningRules
from lumetry_core.evaluation.service.cycle_sights import Sights, look_at_all
from lumetry_core.evaluation.service.rules import CLOSINGS_KEPT, MILLISECOND, load_exclusions
from lumetry_core.evaluation.state import Past
from lumetry_core.evaluation.store import cycles as store
from lumetry_core.metrics.model import MetricInfo
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.rules import service as rules
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.clock import EPOCH, from_ms, to_ms
from lumetry_core.runtime.database import Transaction
from lumetry_core.violations import service as violations
from lumetry_core.violations.model import Violation, ViolationFilter

INLINE_RULES = 100
"""Rules up to which judging is quicker than going to a thread."""
ALL = 1 << 40
"""A limit that no list reaches."""


@dataclass(frozen=True, slots=True)
class CompoundRules:
    """Active compound rules of an organization, and what else their cycles need, as of a version.

    Args:
        has_rules: Whether there are any, paused ones included: their cycles pass, too.
        watches: Those that are not paused, by number.
        metrics: Of all conditions, by key.
        learning: How the metrics of dynamic conditions are learned.
        closings: When people last closed an alert.
    """

    organization_id: int
    version: int
    has_rules: bool
    watches: Mapping[int, CompoundWatch]
    metrics: Mapping[str, MetricInfo]
    learning: LearningRules
    closings: Mapping[Past, datetime]

    def detect_time(self, now: datetime) -> datetime:
        """The time at which violations found now are recorded: after every close by people that the rules know of."""
        return max(now, max(self.closings.values(), default=EPOCH) + MILLISECOND)


class Commit(Enum):
    """What became of a cycle that was to be written."""

    DONE = auto()
    RULES_MOVED = auto()
    """Nothing was written: the rules changed since the cycle was judged."""
    TAKEN = auto()
    """Nothing was written: another process did a cycle since."""


async def load_compound_rules(tx: Transaction, organization_id: int, settings: Settings, now: datetime) -> CompoundRules:
    """Reads what every change of an organization's version may have changed.

    A rule pauses while the metric of any of its conditions is switched off.
    """
    version = await read_evaluation_version(tx, organization_id)
    active = [rule for rule in await rules.active_rules(tx, organization_id) if rule.is_compound]
    metrics = await find_metrics(tx, organization_id, {key for rule in active for key in rule.metric_keys})
    watches, clocks = {}, {}
    for rule in active:
        found = [metrics.get(key) for key in rule.metric_keys]
        if not all(metric is not None and metric.is_active for metric in found):
            continue
        profile = await find_profile(tx, organization_id, rule.baseline_profile_id) if rule.dynamic_metric_keys else None
        watches[rule.id] = compile_compound(rule, profile)
        if profile is not None and profile.id not in clocks:
            clocks[profile.id] = WeekClock(profile.time_zone)
    if not watches:
        return CompoundRules(organization_id, version, bool(active), {}, {}, NOTHING_LEARNED, {})
    defaults = OrganizationSettings(evaluation_grace_seconds=settings.grace_seconds)
    own = await read_settings(tx, organization_id, defaults)
    exclusions = await load_exclusions(tx, organization_id, metrics, ()) if clocks else ()
    learning = LearningRules(clocks, exclusions, learning_delay(own.evaluation_grace_seconds * 1000) * MINUTE_MS)
    closings = await transitions.manual_closings(tx, organization_id, now - CLOSINGS_KEPT)
    return CompoundRules(organization_id, version, bool(active), watches, metrics, learning, closings)


async def read_cycle_time(tx: Transaction, organization_id: int) -> datetime | None:
    """The newest cycle that was done; None before the first one."""
    return await store.read_cycle_time(tx, organization_id)


async def judge(tx: Transaction, compiled: CompoundRules, time: datetime) -> list[Outcome]:
    """What a cycle does. Rules that changed after its time leave it to those before."""
    at = to_ms(time)
    watches = [watch for watch in compiled.watches.values() if watch.rule.update_time <= time]
    sights = await look_at_all(tx, compiled.organization_id, watches, compiled.metrics, compiled.learning, at)
    found = judge_all(watches, sights) if len(watches) <= INLINE_RULES else await asyncio.to_thread(judge_all, watches, sights)
    past = await restore(tx, compiled, found, at)
    outcomes = (take_cycle(watch, past.get((watch.rule.id, None), START), at, cycle) for watch, cycle in found)
    return [outcome for outcome in outcomes if outcome is not None]


def judge_all(watches: Iterable[CompoundWatch], sights: Sights) -> list[tuple[CompoundWatch, Cycle]]:
    """What each rule makes of the cycle."""
    return [(watch, judge_cycles(watch.rule.condition_operator, sights.readings_of(watch)).at(0)) for watch in watches]


async def restore(tx: Transaction, compiled: CompoundRules, found: Sequence[tuple[CompoundWatch, Cycle]], at: int) -> dict[Past, State]:
    """The states of rules, made of recorded alerts and violations; of violations only where this cycle needs them."""
    watches = {watch.rule.id: watch.watch for watch, _ in found}
    if not watches:
        return {}
    alerting = restore_alerts(await transitions.active_rule_alerts(tx, compiled.organization_id), watches)
    counting = [watch for watch, cycle in found if cycle.holds and watch.watch.levels[0].trigger_count > 1]
    if not counting:
        return alerting
    since = from_ms(at - max(watch.watch.memory_ms for watch in counting))
    loose = await violations.recent_unattached(tx, compiled.organization_id, since)
    own = await read_own(tx, compiled.organization_id, counting, alerting, since)
    return restore_past(alerting, [*loose, *own], watches, compiled.closings)


async def read_own(
    tx: Transaction, organization_id: int, counting: Iterable[CompoundWatch], alerting: Mapping[Past, State], since: datetime
) -> list[Violation]:
    """The violations of alerts that may yet rise, which they do only after their rule was made more severe."""
    rising = []
    for watch in counting:
        state = alerting.get((watch.rule.id, None))
        if state is not None and state.alert is not None and state.alert.rank < watch.watch.levels[0].rank:
            rising.append(state.alert.handle)
    if not rising:
        return []
    wanted = ViolationFilter(alert_ids=tuple(rising), severity=Severity.CRITICAL, start_time=since, limit=ALL)
    return await violations.list_violations(tx, organization_id, wanted)


async def write(
    tx: Transaction, compiled: CompoundRules, previous: datetime | None, time: datetime, outcomes: Sequence[Outcome], now: datetime
) -> Commit:
    """Writes a cycle with all it does, unless the rules or the organization's cycle moved on since it was judged.

    Args:
        previous: The cycle that was the newest one then.
    """
    if await read_evaluation_version(tx, compiled.organization_id, hold=True) != compiled.version:
        return Commit.RULES_MOVED
    if not await store.move_cycle_time(tx, compiled.organization_id, previous, time):
        return Commit.TAKEN
    await record_outcomes(tx, compiled.organization_id, outcomes, compiled.metrics, compiled.detect_time(now), now)
    return Commit.DONE
