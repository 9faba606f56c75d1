from datetime import date, timedelta

from lumetry_core.runtime.database import Database
from lumetry_core.uptime.model import DayCount, MonitorType
from lumetry_core.uptime.service import count, sum_days
from lumetry_core.uptime.worker import UptimeKeeper
from tests.conftest import FakeClock


async def test_keeper_drops_days_past_their_time(database: Database, clock: FakeClock) -> None:
    """Hourly, of all organizations; the day at the border stays."""
    keeper = UptimeKeeper(database, timedelta(days=2))
    old = [DayCount(1, date(2026, 5, day), 1, 1) for day in (29, 30, 31)]
    for organization_id in (7, 8):
        async with database.write() as tx:
            await count(tx, organization_id, MonitorType.ENDPOINT, old)
    await keeper.tick(clock.now())
    async with database.read() as tx:
        for organization_id in (7, 8):
            assert await sum_days(tx, organization_id, MonitorType.ENDPOINT, [1], date(2026, 5, 1)) == {1: (2, 2)}
    async with database.write() as tx:
        await count(tx, 7, MonitorType.ENDPOINT, old[:1])
    await keeper.tick(clock.advance(minutes=59))
    async with database.read() as tx:
        assert await sum_days(tx, 7, MonitorType.ENDPOINT, [1], date(2026, 5, 1)) == {1: (3, 3)}
