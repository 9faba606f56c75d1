from datetime import timedelta

from lumetry_core.notifications.service.retention import drop_old
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.incidents.building import ORGANIZATION, an_opening
from tests.core.notifications.pipeline import BROKEN, Pipeline


async def test_drop_old_keeps_what_waits(database: Database, clock: FakeClock) -> None:
    """Old deliveries go, at most so many at once; those that wait for another attempt and younger ones stay, as do other organizations'."""
    async with Pipeline(database, clock) as pipeline:
        await pipeline.add_profile(await pipeline.add_integration())
        old = await pipeline.open(*(an_opening(rule_id, metric_key=f"metric.{rule_id}") for rule_id in (1, 2)))
        await pipeline.settle()
        pipeline.sender.answer = lambda _integration, _message: BROKEN
        [waiting] = await pipeline.open(an_opening(3, metric_key="metric.3"))
        await pipeline.settle()
        clock.advance(minutes=1)
        [young] = await pipeline.open(an_opening(4, metric_key="metric.4"))
        await pipeline.settle()
        before = clock.now() - timedelta(seconds=30)
        more = []
        for organization_id in (ORGANIZATION + 1, ORGANIZATION, ORGANIZATION, ORGANIZATION):
            async with database.write() as tx:
                more.append(await drop_old(tx, organization_id, before, 1))
        assert len(old) == 2
        assert more == [False, True, True, False]
        assert [row.alert_id for row in await pipeline.deliveries()] == [waiting.id, young.id]
