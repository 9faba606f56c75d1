"""What rules and people's decisions mean for evaluation, as of one version of an organization."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from lumetry_core.access.service.evaluation_version import read_evaluation_version
from lumetry_core.access.service.settings import read_settings
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.alerts.service import transitions
from lumetry_core.baselines.model import BaselineProfile
from lumetry_core.baselines.service.exclusions import exclusions_of
from lumetry_core.baselines.service.profiles import find_profile
from lumetry_core.evaluation.compile import compile_rules
from lumetry_core.evaluation.machine import State, Watch
from lumetry_core.evaluation.model import Settings
from lumetry_core.evaluation.restore import restore_alerts
from lumetry_core.evaluation.state import Past
from lumetry_core.metrics.fleet_contract import Analysis
from lumetry_core.metrics.model import MetricInfo
from lumetry_core.metrics.service.catalog import find_metrics, list_fleet_metrics
from lumetry_core.rules import service as rules
from lumetry_core.rules.model import Rule
from lumetry_core.runtime.clock import EPOCH, to_ms
from lumetry_core.runtime.database import Transaction

CLOSINGS_KEPT = timedelta(days=31)
"""How far back closes by people are looked at: no violation from before them still counts."""
MILLISECOND = timedelta(milliseconds=1)

BaselineKey = tuple[int, int]
"""A profile's and a metric's number."""


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """Rules of an organization, and closes by people.

    Args:
        watches: Plain rules by number.
        by_partition: For each partition, the plain rules of each of its metrics by the metric's number.
        closings: When people last closed an alert.
        last_closing: The newest of these.
        profiles: Baseline profiles by number.
        learned: For each partition, the baselines to keep.
        metrics: All metrics named by rules and fleets, by number.
        grace_ms: A point further behind the newest one of its series is late.
        exclusions: Periods [start, end) in ms that are not learned, with the metric's number; None: of all metrics.
    """

    version: int
    watches: Mapping[int, Watch]
    by_partition: Mapping[int, Mapping[int, list[Watch]]]
    closings: Mapping[Past, datetime]
    last_closing: datetime
    profiles: Mapping[int, BaselineProfile]
    learned: Mapping[int, Collection[BaselineKey]]
    metrics: Mapping[int, MetricInfo]
    grace_ms: int
    exclusions: tuple[tuple[int | None, int, int], ...]

    def detect_time(self, now: datetime) -> datetime:
        """The time at which violations found now are recorded: after every close by people that the rules know of."""
        return max(now, self.last_closing + MILLISECOND)

    def exclusions_of(self, metric_id: int) -> list[tuple[int, int]]:
        """The periods that a metric's baselines do not learn."""
        return [(start, end) for of_metric, start, end in self.exclusions if of_metric in (None, metric_id)]


async def load_rules(tx: Transaction, organization_id: int, settings: Settings, now: datetime) -> CompiledRules:
    """Reads what every change of an organization's version may have changed.

    A rule pauses while its metric is switched off.
    """
    version = await read_evaluation_version(tx, organization_id)
    grace_ms = await read_grace_ms(tx, organization_id, settings)
    active = await rules.active_rules(tx, organization_id)
    fleets = [metric for metric in await list_fleet_metrics(tx, organization_id) if Analysis.BASELINE in metric.fleet.analyses]
    by_key = await find_metrics(tx, organization_id, {key for rule in active for key in rule.metric_keys})
    profiles = await find_profiles(tx, organization_id, active, fleets)
    watches: dict[int, Watch] = {}
    by_partition: dict[int, dict[int, list[Watch]]] = {}
    for watch in compile_rules(active, profiles, grace_ms):
        metric = by_key.get(watch.rule.metric_key)
        if metric is not None and metric.is_active:
            watches[watch.rule.id] = watch
            by_partition.setdefault(metric.partition, {}).setdefault(metric.id, []).append(watch)
    closings = await transitions.manual_closings(tx, organization_id, now - CLOSINGS_KEPT)
    return CompiledRules(
        version,
        watches,
        by_partition,
        closings,
        max(closings.values(), default=EPOCH),
        {profile.id: profile for profile in profiles.values()},
        learned_baselines(active, by_key, fleets, profiles),
        {metric.id: metric for metric in (*by_key.values(), *fleets)},
        grace_ms,
        await load_exclusions(tx, organization_id, by_key, fleets),
    )


async def read_grace_ms(tx: Transaction, organization_id: int, settings: Settings) -> int:
    """The organization's grace period."""
    own = await read_settings(tx, organization_id, OrganizationSettings(evaluation_grace_seconds=settings.grace_seconds))
    return own.evaluation_grace_seconds * 1000


async def find_profiles(
    tx: Transaction, organization_id: int, active: Iterable[Rule], fleets: Iterable[MetricInfo]
) -> dict[int | None, BaselineProfile]:
    """The profiles that dynamic rules and fleets name; None stands for the default one."""
    named = {rule.baseline_profile_id for rule in active if rule.dynamic_metric_keys}
    named |= {metric.fleet.baseline.baseline_profile_id for metric in fleets}
    found = {profile_id: await find_profile(tx, organization_id, profile_id) for profile_id in named}
    return {profile_id: profile for profile_id, profile in found.items() if profile is not None}


def learned_baselines(
    active: Iterable[Rule],
    by_key: Mapping[str, MetricInfo],
    fleets: Iterable[MetricInfo],
    profiles: Mapping[int | None, BaselineProfile],
) -> dict[int, set[BaselineKey]]:
    """The baselines that active rules and fleets need, by partition."""
    needed = [(by_key.get(key), rule.baseline_profile_id) for rule in active for key in rule.dynamic_metric_keys]
    needed += [(metric, metric.fleet.baseline.baseline_profile_id) for metric in fleets]
    found: dict[int, set[BaselineKey]] = {}
    for metric, profile_id in needed:
        profile = profiles.get(profile_id)
        if metric is not None and metric.is_active and profile is not None:
            found.setdefault(metric.partition, set()).add((profile.id, metric.id))
    return found


async def load_exclusions(
    tx: Transaction, organization_id: int, by_key: Mapping[str, MetricInfo], fleets: Iterable[MetricInfo]
) -> tuple[tuple[int | None, int, int], ...]:
    """The periods that are not learned, of all metrics and of those named."""
    numbers = {metric.metric_key: metric.id for metric in (*by_key.values(), *fleets)}
    return tuple(
        (None if period.metric_key is None else numbers[period.metric_key], to_ms(period.start_time), to_ms(period.end_time))
        for period in await exclusions_of(tx, organization_id)
        if period.metric_key is None or period.metric_key in numbers
    )


async def load_alerting(tx: Transaction, organization_id: int, compiled: CompiledRules, partition: int) -> dict[Past, State]:
    """Reads the states that hold nothing but an active alert, of the rules on metrics of a partition."""
    of_partition = {watch.rule.id: watch for watches in compiled.by_partition.get(partition, {}).values() for watch in watches}
    return restore_alerts(await transitions.active_rule_alerts(tx, organization_id), of_partition) if of_partition else {}
