from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from lumetry_core.runtime.database import Database
from lumetry_core.runtime.events import KEPT_EVENTS, Event, channel, drop_old, publish, read_after, read_range
from lumetry_core.runtime.queue import Wakeups

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
TOPICS = ["alerts", "incidents"]


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that changes."""

    id: int
    time: datetime


async def write(database: Database, organization_id: int, count: int, topic: str = "alerts", now: datetime = NOW) -> None:
    async with database.write() as tx:
        await publish(tx, organization_id, [(topic, "alert.opened", Subject(number, now)) for number in range(count)], now)


async def ids_after(database: Database, organization_id: int, after_id: int, topics: list[str] = TOPICS, limit: int = 100) -> list[int]:
    async with database.read() as tx:
        return [event.id for event in await read_after(tx, organization_id, after_id, topics, limit)]


async def read_ends(database: Database, organization_id: int) -> tuple[int, int]:
    async with database.read() as tx:
        return await read_range(tx, organization_id, TOPICS)


async def test_publish_numbers_each_organization_by_itself(database: Database) -> None:
    """Numbers rise by one from 1, over transactions, in each organization."""
    await write(database, 7, 2)
    await write(database, 8, 1)
    await write(database, 7, 1)
    assert (await ids_after(database, 7, 0), await ids_after(database, 8, 0)) == ([1, 2, 3], [1])


async def test_publish_keeps_the_subject(database: Database) -> None:
    """The subject comes back as its model, times included."""
    await write(database, 7, 1)
    async with database.read() as tx:
        (event,) = await read_after(tx, 7, 0, TOPICS, 10)
    assert event == Event(1, "alerts", "alert.opened", event.subject, NOW)
    assert msgspec.msgpack.decode(event.subject, type=Subject) == Subject(0, NOW)


async def test_publish_wakes_streams_of_the_organization(database: Database, wakeups: Wakeups) -> None:
    """Every stream of the organization is woken after the commit; without events none is."""
    with wakeups.subscribe(channel(7)) as first, wakeups.subscribe(channel(7)) as second, wakeups.subscribe(channel(8)) as other:
        await write(database, 7, 0)
        assert (first.is_woken, second.is_woken, other.is_woken) == (False, False, False)
        await write(database, 7, 1)
        assert (first.is_woken, second.is_woken, other.is_woken) == (True, True, False)


async def test_publish_rolls_back_with_its_transaction(database: Database, wakeups: Wakeups) -> None:
    """A failed transaction leaves no event and no gap, and wakes nobody."""

    async def fail() -> None:
        async with database.write() as tx:
            await publish(tx, 7, [("alerts", "alert.opened", Subject(1, NOW))], NOW)
            raise ZeroDivisionError

    with wakeups.subscribe(channel(7)) as subscription:
        with pytest.raises(ZeroDivisionError):
            await fail()
        assert not subscription.is_woken
    await write(database, 7, 1)
    assert await ids_after(database, 7, 0) == [1]


async def test_read_after_filters_topics_and_limits(database: Database) -> None:
    """Filtered reads skip numbers; the limit keeps the oldest."""
    for topic in ("alerts", "incidents", "alerts", "systemAlerts"):
        await write(database, 7, 1, topic)
    assert await ids_after(database, 7, 0, ["alerts"]) == [1, 3]
    assert await ids_after(database, 7, 1, ["incidents", "systemAlerts"]) == [2, 4]
    assert await ids_after(database, 7, 0, ["alerts", "incidents"], 2) == [1, 2]


async def test_read_range_tells_what_is_kept(database: Database) -> None:
    """An organization without events has an empty range that starts with its first number."""
    assert await read_ends(database, 7) == (1, 0)
    await write(database, 7, 3)
    assert await read_ends(database, 7) == (1, 3)


async def test_drop_old_keeps_the_young_and_the_newest(database: Database) -> None:
    """Only events that are older than ten minutes and beyond the newest 10,000 of their organization go."""
    await write(database, 7, 5)
    await write(database, 7, KEPT_EVENTS - 2, now=NOW + timedelta(minutes=1))
    await write(database, 8, 5)
    for minutes, expected in ((10, 1), (11, 4)):
        async with database.write() as tx:
            await drop_old(tx, NOW + timedelta(minutes=minutes, milliseconds=0 if minutes == 10 else 1))
        assert await read_ends(database, 7) == (expected, KEPT_EVENTS + 3)
    assert await read_ends(database, 8) == (1, 5)


async def test_read_range_starts_after_the_newest_when_none_is_kept(database: Database) -> None:
    """Numbers go on after everything was dropped: nothing kept is told apart from nothing missed."""
    await write(database, 7, KEPT_EVENTS + 1)
    async with database.write() as tx:
        await drop_old(tx, NOW + timedelta(hours=1))
    assert await read_ends(database, 7) == (2, KEPT_EVENTS + 1)
