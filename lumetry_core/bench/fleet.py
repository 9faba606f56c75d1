"""Many series with rules, appended to the inbox in process."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from lumetry_core.bench.payload import HIGHEST_VALUE, LOWEST_VALUE, SERIES_PER_METRIC, make_series
from lumetry_core.metrics.columns import Columns
from lumetry_core.metrics.definition import define
from lumetry_core.metrics.dictionary import Resolution, SeriesDictionary
from lumetry_core.metrics.senders import PLAIN
from lumetry_core.metrics.service.append import Submission
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.rules.draft import LevelDraft, RuleDraft, StrategyDraft
from lumetry_core.rules.service import create
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Database

BATCH_POINTS = 1000
RULES_PER_TRANSACTION = 500
UNREACHED_LIMIT = 1_000_000.0
UNREACHED_PERCENT = 100_000.0
TRIGGER_COUNT = 3
"""Violations within five minutes that open an alert."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The series of one organization; their numbers in the dictionary count from 0."""

    resolution: Resolution
    metric_keys: Sequence[str]
    series_count: int

    async def append(self, appender: Appender, moment: datetime, breaching: int = 0) -> None:
        """Appends one point of every series in batches, all at once.

        Args:
            breaching: Series, spread over the fleet, whose value breaches the limits of their rule.
        """
        values = np.random.default_rng(to_ms(moment)).uniform(LOWEST_VALUE, HIGHEST_VALUE, self.series_count)
        if breaching:
            values[self.breaching_series(breaching)] = 2 * UNREACHED_LIMIT
        submissions = []
        for first in range(0, self.series_count, BATCH_POINTS):
            indexes = np.arange(first, min(first + BATCH_POINTS, self.series_count))
            times = np.full(len(indexes), to_ms(moment), np.int64)
            columns = Columns(indexes, times, values[indexes], np.array([len(indexes)], np.int64))
            submissions.append(Submission(system_caller(self.resolution.organization_id), self.resolution, columns))
        await asyncio.gather(*(appender.append(submission) for submission in submissions))

    def breaching_series(self, count: int) -> NDArray[np.int64]:
        """Numbers of so many series, spread over the fleet."""
        return np.arange(count) * (self.series_count // max(count, 1))

    def alerts_due(self, breaching: int, rules: int) -> int:
        """Alerts that so many breaching series open when there are so many rules: one for each rule of their metric."""
        metrics = self.breaching_series(breaching) // SERIES_PER_METRIC
        everywhere, rest = divmod(rules, len(self.metric_keys))
        return everywhere * breaching + int((metrics < rest).sum())


def make_fleet(series_count: int, organization_id: int) -> Fleet:
    """Defines the series, ten to a metric."""
    series = make_series(series_count)
    dictionary = SeriesDictionary()
    for one in series:
        dictionary.add(define(one.metric_key, (("host", one.host), ("region", one.region)), "", ""))
    return Fleet(dictionary.resolution(organization_id, PLAIN), sorted({one.metric_key for one in series}), series_count)


async def create_rules(
    database: Database, organization_id: int, metric_keys: Sequence[str], count: int, now: datetime, dynamic_percent: float = 0.0
) -> None:
    """Creates rules, spread over the metrics, whose limits only breaching points reach.

    Args:
        dynamic_percent: Share of them that draw limits from baselines; the others are static.
    """
    for first in range(0, count, RULES_PER_TRANSACTION):
        async with database.write() as tx:
            for number in range(first, min(first + RULES_PER_TRANSACTION, count)):
                strategy = strategy_on(metric_keys[number % len(metric_keys)], is_dynamic=number % 1000 < 10 * dynamic_percent)
                level = LevelDraft(severity="Warning", trigger_count=TRIGGER_COUNT, trigger_window_minutes=5, recovery_minutes=5)
                draft = RuleDraft(name=f"bench rule {number}", flat=strategy, levels=(level,))
                await create(tx, system_caller(organization_id), draft, now)


def strategy_on(metric_key: str, *, is_dynamic: bool) -> StrategyDraft:
    """Limits far from ordinary values, fixed or drawn from what was learned."""
    if is_dynamic:
        return StrategyDraft(
            metric_key=metric_key, type="Dynamic", threshold_mode="Percentage", direction="Both", tolerance_percent=UNREACHED_PERCENT
        )
    return StrategyDraft(
        metric_key=metric_key, type="Static", direction="Both", static_upper=UNREACHED_LIMIT, static_lower=-UNREACHED_LIMIT
    )
