from datetime import date, timedelta

from lumetry_core.runtime.database import Database
from lumetry_core.uptime.model import DayCount, DayUptime, MonitorType
from lumetry_core.uptime.service import count, drop_old, forget, list_days, sum_days
from tests.conftest import FakeClock

TODAY = date(2026, 6, 1)
YESTERDAY = TODAY - timedelta(days=1)


async def test_days_add_up_and_those_without_data_are_null(database: Database, clock: FakeClock) -> None:
    """Newest first, exactly as many as asked for; percentages are floored, so that 100 means all."""
    for counts in (
        [DayCount(1, TODAY, 2, 2), DayCount(1, TODAY, 0, 1, 1), DayCount(1, YESTERDAY, 9_999_999, 10_000_000, 1)],
        [DayCount(1, TODAY, 0, 0), DayCount(2, TODAY, 0, 5, 1)],
    ):
        async with database.write() as tx:
            await count(tx, 7, MonitorType.ENDPOINT, counts)
    async with database.read() as tx:
        days = await list_days(tx, 7, MonitorType.ENDPOINT, 1, 3, clock.now())
        assert days == [DayUptime(TODAY, 66.66, 1), DayUptime(YESTERDAY, 99.99, 1), DayUptime(YESTERDAY - timedelta(days=1), None, 0)]
        assert await list_days(tx, 8, MonitorType.ENDPOINT, 1, 1, clock.now()) == [DayUptime(TODAY, None, 0)]
        assert await list_days(tx, 7, MonitorType.HEARTBEAT, 1, 1, clock.now()) == [DayUptime(TODAY, None, 0)]


async def test_sums_leave_out_monitors_without_data(database: Database) -> None:
    """From one day on, and before another."""
    async with database.write() as tx:
        await count(tx, 7, MonitorType.CONTAINER, [DayCount(1, TODAY, 1, 2), DayCount(1, YESTERDAY, 3, 4), DayCount(2, TODAY, 5, 6)])
    async with database.read() as tx:
        assert await sum_days(tx, 7, MonitorType.CONTAINER, [1, 2, 3], YESTERDAY) == {1: (4, 6), 2: (5, 6)}
        assert await sum_days(tx, 7, MonitorType.CONTAINER, [1, 2, 3], YESTERDAY, TODAY) == {1: (3, 4)}
        assert await sum_days(tx, 7, MonitorType.CONTAINER, [], YESTERDAY) == {}


async def test_days_end_with_their_monitor_and_their_time(database: Database) -> None:
    """A monitor that is gone leaves nothing, others stay; what is old goes for all."""
    async with database.write() as tx:
        await count(tx, 7, MonitorType.ENDPOINT, [DayCount(1, TODAY, 1, 1), DayCount(2, TODAY, 1, 1), DayCount(2, YESTERDAY, 1, 1)])
        await forget(tx, 7, MonitorType.ENDPOINT, [1])
        assert await sum_days(tx, 7, MonitorType.ENDPOINT, [1, 2], YESTERDAY) == {2: (2, 2)}
        assert await drop_old(tx, TODAY) == 1
        assert await sum_days(tx, 7, MonitorType.ENDPOINT, [1, 2], YESTERDAY) == {2: (1, 1)}
