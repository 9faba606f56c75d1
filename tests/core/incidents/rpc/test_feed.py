from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from lumetry_core.incidents.rpc.feed import MAX_EVENTS_BEHIND, PAGE_EVENTS, RESET, is_falling_behind, read_feed, resume
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.events import KEPT_EVENTS, Event, channel, drop_old, publish
from lumetry_core.runtime.queue import Subscription, Wakeups

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
ALL = ["alerts", "incidents"]
Pages = AsyncGenerator[list[Event], None]
OpenFeed = Callable[..., Pages]


@pytest.mark.parametrize(
    ("after_id", "oldest_id", "last_id", "expected"),
    [
        (None, 1, 0, (0, False)),
        (None, 5, 9, (9, False)),
        (9, 5, 9, (9, False)),
        (6, 5, 9, (6, False)),
        (4, 5, 9, (4, False)),
        (3, 5, 9, (9, True)),
        (0, 1, 9, (0, False)),
        (0, 5, 9, (9, True)),
        (10, 5, 9, (9, True)),
        (-1, 1, 0, (0, True)),
        (1, 1, 0, (0, True)),
        (0, 1, 0, (0, False)),
        (9, 10, 9, (9, False)),
        (8, 10, 9, (9, True)),
    ],
)
def test_resume_after_an_event(after_id: int | None, oldest_id: int, last_id: int, expected: tuple[int, bool]) -> None:
    """A kept place is resumed; one before what is kept, or one that never was, is a gap from which the feed goes on at the end."""
    assert resume(after_id, oldest_id, last_id) == expected


@pytest.mark.parametrize(
    ("lag_before", "lag", "expected"),
    [
        (None, MAX_EVENTS_BEHIND * 2, False),
        (MAX_EVENTS_BEHIND - 1, MAX_EVENTS_BEHIND, False),
        (MAX_EVENTS_BEHIND, MAX_EVENTS_BEHIND + 1, True),
        (3, MAX_EVENTS_BEHIND + 1, True),
        (MAX_EVENTS_BEHIND * 2, MAX_EVENTS_BEHIND * 2 - 1, False),
    ],
)
def test_is_falling_behind_when_far_and_farther(lag_before: int | None, lag: int, expected: bool) -> None:
    """A reader who is far behind but catches up may go on; so may one who had read all before a burst."""
    assert is_falling_behind(lag_before, lag) is expected


async def write(database: Database, count: int, topic: str = "alerts", now: datetime = NOW) -> None:
    async with database.write() as tx:
        await publish(tx, 7, [(topic, f"{topic}.changed", number) for number in range(count)], now)


async def never_refuse() -> None:
    """A credential that stands."""


@pytest.fixture
async def open_feed(database: Database, wakeups: Wakeups) -> AsyncIterator[OpenFeed]:
    """Opens the feed of organization 7."""
    with wakeups.subscribe(channel(7)) as subscription:

        def build(
            after_id: int | None = None,
            topics: list[str] = ALL,
            check: Callable[[], Awaitable[None]] = never_refuse,
            on: Subscription = subscription,
        ) -> Pages:
            return read_feed(database, 7, topics, after_id, on, check)

        yield build


def ids(page: list[Event]) -> list[int]:
    return [event.id for event in page]


async def test_read_feed_follows_from_now_on(database: Database, open_feed: OpenFeed) -> None:
    """Earlier events are not repeated; later ones come at once, those of a transaction together."""
    await write(database, 3)
    async with aclosing(open_feed()) as pages:
        assert await anext(pages) == []
        await write(database, 2)
        assert ids(await anext(pages)) == [4, 5]
        await write(database, 1, "incidents")
        assert ids(await anext(pages)) == [6]


async def test_read_feed_resumes_then_follows(database: Database, open_feed: OpenFeed) -> None:
    """What was missed comes first, in pages, without a doubled or a lost event."""
    await write(database, 2 * PAGE_EVENTS + 5)
    async with aclosing(open_feed(4)) as pages:
        assert await anext(pages) == []
        received = ids(await anext(pages)) + ids(await anext(pages)) + ids(await anext(pages))
        await write(database, 1)
        received += ids(await anext(pages))
    assert received == list(range(5, 2 * PAGE_EVENTS + 7))


async def test_read_feed_skips_other_topics(database: Database, open_feed: OpenFeed) -> None:
    """Numbers of other topics are passed over, also when only they are new."""
    async with aclosing(open_feed(topics=["incidents"])) as pages:
        assert await anext(pages) == []
        await write(database, PAGE_EVENTS + 1)
        await write(database, 1, "incidents")
        assert ids(await anext(pages)) == [PAGE_EVENTS + 2]
        await write(database, 1)
        await write(database, 1, "incidents")
        assert ids(await anext(pages)) == [PAGE_EVENTS + 4]


async def test_read_feed_resets_after_a_gap(database: Database, open_feed: OpenFeed) -> None:
    """An unknown place gives the reset and goes on with what is new."""
    await write(database, 3)
    async with aclosing(open_feed(99)) as pages:
        assert await anext(pages) == [RESET]
        await write(database, 1)
        assert ids(await anext(pages)) == [4]


async def test_read_feed_resets_when_events_were_dropped(database: Database, open_feed: OpenFeed) -> None:
    """A place right before the oldest kept event is resumed, an older one is a gap."""
    await write(database, KEPT_EVENTS + 5)
    async with database.write() as tx:
        await drop_old(tx, NOW + timedelta(hours=1))
    async with aclosing(open_feed(5)) as kept, aclosing(open_feed(4)) as gone:
        assert (await anext(kept), await anext(gone)) == ([], [RESET])
        assert ids(await anext(kept))[0] == 6


async def test_read_feed_ends_when_the_reader_is_too_slow(database: Database, open_feed: OpenFeed) -> None:
    """More than 10,000 events came while the reader held a page."""
    async with aclosing(open_feed()) as pages:
        await anext(pages)
        await write(database, 1)
        assert ids(await anext(pages)) == [1]
        await write(database, MAX_EVENTS_BEHIND + 1)
        with pytest.raises(LumetryError) as caught:
            await anext(pages)
    assert (caught.value.reason, caught.value.metadata) == (Reason.RATE_LIMITED, {"retry_after_seconds": "1"})


async def test_read_feed_ends_when_events_were_dropped_beneath_it(database: Database, open_feed: OpenFeed) -> None:
    """A reader of a long replay loses nothing in silence."""
    await write(database, PAGE_EVENTS + 1)
    async with aclosing(open_feed(0)) as pages:
        await anext(pages)
        assert len(await anext(pages)) == PAGE_EVENTS
        await write(database, KEPT_EVENTS, now=NOW + timedelta(hours=1))
        async with database.write() as tx:
            await drop_old(tx, NOW + timedelta(hours=1))
        with pytest.raises(LumetryError) as caught:
            await anext(pages)
    assert caught.value.reason is Reason.RATE_LIMITED


async def test_read_feed_replays_more_than_the_limit(database: Database, open_feed: OpenFeed) -> None:
    """A long replay is no falling behind, though events go on coming."""
    await write(database, MAX_EVENTS_BEHIND + PAGE_EVENTS)
    received = 0
    async with aclosing(open_feed(0)) as pages:
        while received < MAX_EVENTS_BEHIND + PAGE_EVENTS:
            received += len(await anext(pages))
            if received == PAGE_EVENTS:
                await write(database, 1)


async def test_read_feed_checks_the_credential_before_every_page(database: Database, open_feed: OpenFeed) -> None:
    """Nothing is read for a credential that has ended."""
    refused = False

    async def check() -> None:
        if refused:
            raise LumetryError(Reason.UNAUTHENTICATED, "Over.")

    async with aclosing(open_feed(check=check)) as pages:
        await anext(pages)
        await write(database, 1)
        assert ids(await anext(pages)) == [1]
        refused = True
        await write(database, 1)
        with pytest.raises(LumetryError) as caught:
            await anext(pages)
    assert caught.value.reason is Reason.UNAUTHENTICATED
