from contextlib import aclosing

from lumetry_core.feed.streaming import Reset, ResetReason, find_start, follow
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.events import channel, drop_old, publish
from lumetry_core.runtime.queue import Wakeups
from tests.conftest import FakeClock

TOPICS = ("monitoring",)


async def write(database: Database, clock: FakeClock, count: int, topic: str = "monitoring", kind: str = "alert.fired") -> None:
    """Publishes events."""
    async with database.write() as tx:
        await publish(tx, 7, [(topic, kind, {"number": number}) for number in range(count)], clock.now())


async def start(database: Database, clock: FakeClock, after_id: int | None) -> tuple[int, Reset | None, list[int]]:
    """Where a stream begins: its position, the reset, and the numbers that it makes up for."""
    async with database.read() as tx:
        found = await find_start(tx, 7, TOPICS, after_id, ("resource.snapshot",), clock.now())
    return found.position, found.reset, [event.id for event in found.replay]


async def test_start_from_now_on(database: Database, clock: FakeClock) -> None:
    """Without a number nothing is made up for."""
    await write(database, clock, 3)
    assert await start(database, clock, None) == (3, None, [])


async def test_start_makes_up_for_what_was_missed(database: Database, clock: FakeClock) -> None:
    """Events of other topics, and those that the next one replaces, are passed over."""
    await write(database, clock, 2)
    await write(database, clock, 1, topic="alerts")
    await write(database, clock, 1, kind="resource.snapshot")
    await write(database, clock, 1)
    assert await start(database, clock, 1) == (5, None, [2, 5])
    assert await start(database, clock, 5) == (5, None, [])


async def test_start_after_an_unknown_number_resets(database: Database, clock: FakeClock) -> None:
    """It is greater than the latest: the client has to load its data."""
    await write(database, clock, 2)
    assert await start(database, clock, 9) == (2, Reset(ResetReason.UNKNOWN_ID, 1, 2), [])


async def test_start_beyond_a_thousand_events_resets(database: Database, clock: FakeClock) -> None:
    """A thousand are made up for, one more are not."""
    await write(database, clock, 1002)
    position, reset, replay = await start(database, clock, 2)
    assert (position, reset, len(replay)) == (1002, None, 1000)
    assert await start(database, clock, 1) == (1002, Reset(ResetReason.WINDOW_EXCEEDED, 3, 1002), [])


async def test_start_beyond_an_hour_resets(database: Database, clock: FakeClock) -> None:
    """Only what was really missed counts: after a quiet hour nothing was."""
    await write(database, clock, 1)
    clock.advance(hours=2)
    assert await start(database, clock, 1) == (1, None, [])
    assert await start(database, clock, 0) == (1, Reset(ResetReason.WINDOW_EXCEEDED, 2, 1), [])
    await write(database, clock, 1, kind="resource.snapshot")
    await write(database, clock, 1, topic="alerts")
    await write(database, clock, 2)
    assert await start(database, clock, 0) == (5, Reset(ResetReason.WINDOW_EXCEEDED, 4, 5), [])
    assert await start(database, clock, 9) == (5, Reset(ResetReason.UNKNOWN_ID, 4, 5), [])


async def test_start_before_what_is_kept_resets(database: Database, clock: FakeClock) -> None:
    """Nobody knows what the dropped events were."""
    await write(database, clock, 10_003)
    clock.advance(hours=2)
    async with database.write() as tx:
        await drop_old(tx, clock.now())
    await write(database, clock, 1)
    assert await start(database, clock, 2) == (10_004, Reset(ResetReason.WINDOW_EXCEEDED, 10_004, 10_004), [])


async def test_long_topics_are_kept_for_an_hour(database: Database, clock: FakeClock) -> None:
    """Whatever others publish meanwhile."""
    await write(database, clock, 1)
    await write(database, clock, 10_001, topic="alerts")
    clock.advance(minutes=30)
    async with database.write() as tx:
        await drop_old(tx, clock.now())
    assert await start(database, clock, 0) == (10_002, None, [1])


async def test_follow_goes_on_where_the_replay_ends(database: Database, clock: FakeClock, wakeups: Wakeups) -> None:
    """Nothing is lost or doubled between what is made up for and what happens."""
    await write(database, clock, 2)
    with wakeups.subscribe(channel(7)) as subscription:
        async with aclosing(follow(database, clock, 7, TOPICS, 1, subscription)) as pages:
            first = await anext(pages)
            await write(database, clock, 2)
            second = await anext(pages)
    assert not isinstance(first, Reset)
    assert not isinstance(second, Reset)
    assert ([event.id for event in first], [event.id for event in second]) == ([2], [3, 4])
