import asyncio
from datetime import UTC, datetime

import pytest

from lumetry_core.access.service.organizations import create_organization
from lumetry_core.bench.fleet import create_rules, make_fleet
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.metrics.service.inbox import ensure_partitions, queue_depth
from lumetry_core.metrics.service.recent import RecentEntries
from lumetry_core.metrics.settings import Settings
from lumetry_core.rules.model import RuleSummary
from lumetry_core.rules.service import summarize
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


async def test_append_brings_one_point_of_every_series(database: Database, clock: Clock) -> None:
    """All batches of a round wait for evaluation, and rules find the metrics."""
    async with database.write() as tx:
        organization = await create_organization(tx, "Bench", NOW)
        partitions = await ensure_partitions(tx)
    appender = Appender(database, clock, Settings(), partitions, RecentEntries())
    committing = asyncio.create_task(appender.run())
    fleet = make_fleet(1200, organization.id)
    await fleet.append(appender, NOW)
    committing.cancel()
    await asyncio.gather(committing, return_exceptions=True)
    await create_rules(database, organization.id, fleet.metric_keys, 3, NOW)
    async with database.read() as tx:
        assert (await queue_depth(tx)).points == 1200
        assert await summarize(tx, organization.id) == RuleSummary(3, 3)


@pytest.mark.parametrize(("breaching", "rules", "due"), [(0, 3, 0), (4, 10, 4), (4, 20, 8), (4, 5, 2), (4, 15, 6), (100, 1, 10)])
def test_alerts_due_follow_from_rules_and_breaching_series(breaching: int, rules: int, due: int) -> None:
    """A hundred series are ten metrics; rules go to metrics in turn."""
    assert make_fleet(100, 1).alerts_due(breaching, rules) == due
