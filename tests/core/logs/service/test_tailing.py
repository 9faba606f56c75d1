import asyncio
from datetime import timedelta

import pytest

from lumetry_core.logs.columns import pack_entries
from lumetry_core.logs.entry_id import IdSource, from_text
from lumetry_core.logs.matching import Matcher
from lumetry_core.logs.model import Draft, StoredEntry
from lumetry_core.logs.query import Query, Request, read_query
from lumetry_core.logs.service import tailing
from lumetry_core.logs.service.append import build_block
from lumetry_core.logs.service.reading import prepare_matcher
from lumetry_core.logs.service.tail_resuming import REPLAYED_ENTRIES, Reset, catch_up
from lumetry_core.logs.service.tailing import Follower, Tail, Tails
from lumetry_core.logs.service.unread import list_unread, mark_read
from lumetry_core.logs.store.blocks import insert_blocks
from lumetry_core.projects.model import Project
from lumetry_core.runtime.clock import EPOCH
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.queue import Wakeups
from tests.conftest import FakeClock
from tests.core.logs.building import Send, make_entry, seal_all

EVERYTHING = read_query(Request(), Faults())


async def prepare(database: Database, organization_id: int, query: Query = EVERYTHING) -> Matcher:
    async with database.read() as tx:
        return await prepare_matcher(tx, organization_id, query)


class Watch:
    """A follower that looks when it is told to, and one reader."""

    def __init__(self, follower: Follower, tail: Tail) -> None:
        self.follower = follower
        self.tail = tail

    async def look(self) -> list[str]:
        """The messages that are new."""
        while await self.follower.poll():
            pass
        return [entry.message for entry in self.tail.take_entries()]


@pytest.fixture
async def watch(database: Database, clock: FakeClock, organization_id: int) -> Watch:
    follower = Follower(database, clock, organization_id, lambda: 0.0)
    await follower.start()
    tail = Tail(await prepare(database, organization_id), lambda: 0.0)
    follower.tails.add(tail)
    return Watch(follower, tail)


async def seal(database: Database, organization_id: int) -> None:
    """Has everything read and sealed, as the workers do."""
    async with database.write() as tx:
        blocks = await list_unread(tx, organization_id, 1 << 30)
        await mark_read(tx, organization_id, [block.id for block in blocks])
    await seal_all(database, organization_id)


async def test_poll_tells_each_entry_once_in_order_of_arrival(watch: Watch, send: Send) -> None:
    """What was there before is not told; the rest once, in the order in which it came."""
    assert await watch.look() == []
    await send(make_entry("b", seconds=5), make_entry("a"))
    await send(make_entry("c", seconds=-5))
    assert await watch.look() == ["b", "a", "c"]
    assert await watch.look() == []


async def test_poll_misses_nothing_that_was_sealed_meanwhile(
    watch: Watch, send: Send, database: Database, organization_id: int, clock: FakeClock
) -> None:
    """Entries whose blocks were replaced before they were looked at are told, and those that were told are not told again."""
    await send(make_entry("seen"))
    assert await watch.look() == ["seen"]
    await send(make_entry("late", seconds=5), make_entry("early", seconds=-5))
    await seal(database, organization_id)
    assert await watch.look() == ["late", "early"]
    await seal(database, organization_id)
    assert await watch.look() == []


async def test_start_counts_what_is_there_as_seen(database: Database, clock: FakeClock, organization_id: int, send: Send) -> None:
    """Nothing that had been committed before is told, even when it is sealed afterwards."""
    await send(make_entry("before"))
    follower = Follower(database, clock, organization_id, lambda: 0.0)
    await follower.start()
    tail = Tail(await prepare(database, organization_id), lambda: 0.0)
    follower.tails.add(tail)
    await seal(database, organization_id)
    await send(make_entry("after"))
    assert await Watch(follower, tail).look() == ["after"]


async def push(database: Database, project: Project, entry: Draft, clock: FakeClock, gate: asyncio.Event, inside: asyncio.Event) -> None:
    """One core's commit, which waits at the gate with its numbers taken."""
    part = pack_entries([entry], None, project.id)
    async with database.write() as tx:
        await insert_blocks(tx, [build_block(IdSource(), project.organization_id, project.id, [part], clock.now())])
        inside.set()
        await gate.wait()


async def test_poll_tells_what_commits_late(watch: Watch, database: Database, project: Project, clock: FakeClock) -> None:
    """Of two cores the one that took lower numbers commits later: its entry is told, and none twice."""
    if not database.is_postgresql:
        pytest.skip("SQLite has one writer")
    opened, held, inside = asyncio.Event(), asyncio.Event(), asyncio.Event()
    opened.set()
    slow = asyncio.create_task(push(database, project, make_entry("slow"), clock, held, inside))
    await inside.wait()
    await push(database, project, make_entry("fast"), clock, opened, asyncio.Event())
    assert await watch.look() == ["fast"]
    held.set()
    await slow
    assert await watch.look() == ["slow"]
    assert await watch.look() == []


async def test_tail_counts_what_it_leaves_out(watch: Watch, send: Send) -> None:
    """More than two hundred in a second are counted, not told; so is what a slow reader has no room for."""
    await send(*(make_entry(str(number)) for number in range(500)))
    assert await watch.look() == [str(number) for number in range(200)]
    assert (watch.tail.has_dropped, watch.tail.take_dropped(), watch.tail.has_dropped) == (True, 300, False)


async def test_tail_holds_a_bounded_amount(
    database: Database, clock: FakeClock, organization_id: int, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that takes nothing costs no more than its bounds in number and bytes."""
    monkeypatch.setattr(tailing, "WAITING_ENTRIES", 3)
    seconds = iter(range(1000))
    follower = Follower(database, clock, organization_id, lambda: 0.0)
    await follower.start()
    tail = Tail(await prepare(database, organization_id), lambda: float(next(seconds)))
    follower.tails.add(tail)
    for number in range(5):
        await send(make_entry(str(number)))
        await follower.poll()
    assert ([entry.message for entry in tail.take_entries()], tail.take_dropped()) == (["0", "1", "2"], 2)
    monkeypatch.setattr(tailing, "WAITING_BYTES", 10)
    await send(make_entry("x" * 20), make_entry("y"))
    await follower.poll()
    assert ([entry.message for entry in tail.take_entries()], tail.take_dropped()) == (["x" * 20], 1)


@pytest.fixture
def tails(database: Database, clock: FakeClock, wakeups: Wakeups) -> Tails:
    return Tails(database, clock, wakeups)


async def test_following_shares_one_follower(tails: Tails, database: Database, organization_id: int, send: Send, wakeups: Wakeups) -> None:
    """Two readers hear what passes their own filters, and nothing runs on when both have left."""
    errors = await prepare(database, organization_id, read_query(Request(min_level="error"), Faults()))
    async with (
        tails.following(organization_id, await prepare(database, organization_id)) as all_of_it,
        tails.following(organization_id, errors) as only_errors,
    ):
        await send(make_entry("fine"), make_entry("bad", level=4))
        wakeups.wake("logs")
        await all_of_it.wait(10)
        await only_errors.wait(10)
        assert [entry.message for entry in all_of_it.take_entries()] == ["fine", "bad"]
        assert [entry.message for entry in only_errors.take_entries()] == ["bad"]
        assert len(tails._followings) == 1
    assert tails._followings == {}


async def missed(database: Database, organization_id: int, clock: FakeClock, after: str, query: Query = EVERYTHING) -> list[str] | Reset:
    identity = from_text(after)
    assert identity is not None
    async with database.read() as tx:
        matcher = await prepare_matcher(tx, organization_id, query)
        found = await catch_up(tx, organization_id, query, matcher, identity, clock.now())
    return found if isinstance(found, Reset) else [entry.message for entry in found]


async def stored(database: Database, organization_id: int) -> list[StoredEntry]:
    """All entries in order of arrival."""
    async with database.read() as tx:
        matcher = await prepare_matcher(tx, organization_id, EVERYTHING)
        found = await catch_up(tx, organization_id, EVERYTHING, matcher, b"\0" * 16, EPOCH + timedelta(hours=1))
    assert not isinstance(found, Reset)
    return list(found)


async def test_catch_up_gives_what_arrived_after(database: Database, organization_id: int, send: Send, clock: FakeClock) -> None:
    """Matching entries in order of arrival, whether their blocks are sealed or not."""
    await send(make_entry("a", seconds=9), make_entry("b", level=4), make_entry("c"))
    await seal(database, organization_id)
    await send(make_entry("d", seconds=-9, level=4))
    first = (await stored(database, organization_id))[0]
    assert await missed(database, organization_id, clock, first.id) == ["b", "c", "d"]
    assert await missed(database, organization_id, clock, first.id, read_query(Request(levels=("error",)), Faults())) == ["b", "d"]


async def test_catch_up_resets_what_is_too_far_back(database: Database, organization_id: int, send: Send, clock: FakeClock) -> None:
    """After an hour, after a thousand entries, and for an identity that nobody has been given yet."""
    await send(make_entry("old"))
    [old] = await stored(database, organization_id)
    nobody = "ffffffff-ffff-7fff-bfff-ffffffffffff"
    assert await missed(database, organization_id, clock, nobody) == Reset("unknown_id", old.id, old.id)
    await send(*(make_entry() for _ in range(REPLAYED_ENTRIES)))
    assert len(await missed(database, organization_id, clock, old.id)) == REPLAYED_ENTRIES  # type: ignore[arg-type]
    await send(make_entry())
    reset = await missed(database, organization_id, clock, old.id)
    assert isinstance(reset, Reset)
    assert reset.reason == "replay_window_exceeded"
    assert len(await missed(database, organization_id, clock, reset.oldest_id)) == REPLAYED_ENTRIES - 1  # type: ignore[arg-type]
    clock.advance(hours=1, seconds=1)
    assert await missed(database, organization_id, clock, reset.latest_id) == Reset("replay_window_exceeded", "", reset.latest_id)
