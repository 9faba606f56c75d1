import asyncio
from contextlib import aclosing
from datetime import timedelta

from lumetry_core.runtime.database import Database
from lumetry_core.runtime.events import publish
from lumetry_core.runtime.queue import Wakeups
from lumetry_core.statuspages.model import TOPIC
from lumetry_core.statuspages.service.following import Kept, follow_page, read_kept
from tests.conftest import FakeClock
from tests.core.statuspages.building import NOW


async def tell(database: Database, number: int, topic: str = TOPIC, minutes: int = 0) -> None:
    async with database.write() as tx:
        changes = [(topic, "status.global_changed", {"status": "degraded", "message": "x"})] * number
        await publish(tx, 1, changes, NOW + timedelta(minutes=minutes))


async def test_read_kept_of_nothing(database: Database) -> None:
    """Without events everybody has seen everything."""
    async with database.read() as tx:
        assert await read_kept(tx, 1, NOW) == Kept(0, 0, ())


async def test_read_kept_within_limits(database: Database) -> None:
    """At most 1,000 events are kept, none older than an hour, and other topics do not count."""
    await tell(database, 5, "alerts")
    await tell(database, 3)
    async with database.read() as tx:
        first = await read_kept(tx, 1, NOW)
        later = await read_kept(tx, 1, NOW + timedelta(hours=1, seconds=1))
    assert (first.floor_id, first.latest_id, [event.id for event in first.events]) == (0, 8, [6, 7, 8])
    assert later == Kept(8, 8, ())
    await tell(database, 1001, minutes=30)
    async with database.read() as tx:
        many = await read_kept(tx, 1, NOW + timedelta(minutes=31))
    assert (many.floor_id, many.latest_id, len(many.events), many.events[0].id) == (9, 1009, 1000, 10)


async def test_follow_page_without_gap(database: Database, clock: FakeClock, wakeups: Wakeups) -> None:
    """What is kept comes first, then each event as it is committed, none twice."""
    await tell(database, 2)
    async with aclosing(follow_page(database, clock, wakeups, 1)) as pages:
        kept = await anext(pages)
        assert isinstance(kept, Kept)
        assert [event.id for event in kept.events] == [1, 2]
        await tell(database, 1)
        await tell(database, 1, "alerts")
        seen: list[int] = []
        async with asyncio.timeout(20):
            while len(seen) < 2:
                page = await anext(pages)
                assert isinstance(page, list)
                seen += [event.id for event in page]
                if seen == [3]:
                    await tell(database, 1)
    assert seen == [3, 5]
