from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lumetry_core.collectors.config import Config, Polling
from lumetry_core.collectors.model import CREDENTIAL_AGE, Status, reconfigured
from lumetry_core.collectors.service import watching, working
from lumetry_core.collectors.store import collectors as store
from lumetry_core.collectors.stream_worker import StreamKeeper
from lumetry_core.collectors.streams import STREAMS, Stream, Streams
from lumetry_core.collectors.work import WorkKind
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.runtime.queue import Subscription
from tests.conftest import FakeClock
from tests.core.collectors.labour import CALLER, CAPABILITIES, ORGANIZATION, OTHER, a_draft, add_collector, change_collector


def a_stream(**changes: Any) -> Stream:
    """A stream that was told everything."""
    return Stream(replace(CALLER, **changes), CAPABILITIES, 1, Subscription())


async def enqueue(database: Database, clock: FakeClock, kind: WorkKind = WorkKind.POLL, **changes: Any) -> None:
    """Work of which no wake-up tells."""
    async with database.write() as tx:
        await working.enqueue(tx, ORGANIZATION, [a_draft("s", clock.now(), kind, **changes)], clock.now())
        tx.wakes.clear()


async def test_tick_wakes_the_streams_that_lack_something(database: Database, clock: FakeClock) -> None:
    """A revision, work, and the end of a collector are found though nobody was woken; other streams are left alone."""
    keeper = StreamKeeper(database, streams := Streams())
    ids = [f"c0000000-0000-4000-8000-00000000000{number}" for number in range(4)]
    open_streams = [a_stream(collector_id=collector_id) for collector_id in ids]
    collectors = [await add_collector(database, clock.now(), collector_id) for collector_id in ids]
    with (
        streams.open(open_streams[0]),
        streams.open(open_streams[1]),
        streams.open(open_streams[2]),
        streams.open(open_streams[3]),
    ):
        assert await keeper.tick(clock.now()) is False
        assert [stream.is_woken for stream in open_streams] == [False] * 4
        async with database.write() as tx:
            await store.save(tx, reconfigured(collectors[0], Config()))
        await enqueue(database, clock, collector_id=ids[1])
        await change_collector(database, collectors[2], status=Status.REVOKED)
        await keeper.tick(clock.now())
        assert [stream.is_woken for stream in open_streams] == [True, True, True, False]


async def test_tick_wakes_for_a_credential_that_became_old(database: Database, clock: FakeClock) -> None:
    """Once; what is already told is not told again."""
    keeper = StreamKeeper(database, streams := Streams())
    await add_collector(database, clock.now(), credential_id=5, credential_time=clock.now())
    stream = a_stream(credential_id=5)
    with streams.open(stream):
        async with database.read() as tx:
            stream.credential_time = (await watching.look(tx, stream, set(), 1, clock.now())).credential_time
        woken = []
        for age in (CREDENTIAL_AGE - timedelta(seconds=1), CREDENTIAL_AGE):
            await keeper.tick(clock.now() + age)
            woken.append(stream.is_woken)
        stream.is_told_to_rotate = True
        await stream.wait()
        await keeper.tick(clock.now() + CREDENTIAL_AGE)
        assert [*woken, stream.is_woken] == [False, True, False]


@pytest.mark.parametrize(
    ("kind", "changes", "capabilities"),
    [
        (WorkKind.POLL, {"config": Config(polling=Polling(enabled=False))}, CAPABILITIES),
        (WorkKind.NOTIFICATION, {"config": Config()}, CAPABILITIES),
        (WorkKind.POLL, {"status": Status.DUPLICATE_SUSPECTED}, CAPABILITIES),
        (WorkKind.POLL, {}, ("source_test",)),
        (WorkKind.POLL, {}, ()),
    ],
)
async def test_tick_wakes_nobody_for_work_that_would_not_be_given(
    database: Database, clock: FakeClock, kind: WorkKind, changes: dict[str, Any], capabilities: tuple[str, ...]
) -> None:
    """What the configuration forbids, the stream cannot do, or a suspicion keeps back waits without a sound; so does what has expired."""
    keeper = StreamKeeper(database, streams := Streams())
    await add_collector(database, clock.now(), **changes)
    stream = Stream(CALLER, capabilities, 1, Subscription())
    await enqueue(database, clock, kind)
    with streams.open(stream):
        await keeper.tick(clock.now())
        assert not stream.is_woken
    able = a_stream()
    with streams.open(able):
        await keeper.tick(clock.now() + timedelta(hours=1))
        assert not able.is_woken


async def test_tick_keeps_organizations_apart(database: Database, clock: FakeClock) -> None:
    """The work of another organization's collector of the same id wakes nobody; one that the organization lacks ends."""
    keeper = StreamKeeper(database, streams := Streams())
    await add_collector(database, clock.now())
    await add_collector(database, clock.now(), organization_id=8)
    await enqueue(database, clock)
    foreign, unknown = a_stream(organization_id=8), a_stream(organization_id=8, collector_id=OTHER)
    with streams.open(foreign), streams.open(unknown):
        await keeper.tick(clock.now())
        assert (foreign.is_woken, unknown.is_woken) == (False, True)


async def test_open_more_than_allowed_displaces_the_oldest(database: Database, clock: FakeClock) -> None:
    """The others stay open."""
    streams = Streams()
    opened = [a_stream() for _ in range(STREAMS + 1)]
    with (
        streams.open(opened[0]),
        streams.open(opened[1]),
        streams.open(opened[2]),
        streams.open(opened[3]),
        streams.open(opened[4]),
    ):
        assert streams.list_open() == opened[1:]
        with pytest.raises(LumetryError, match="took the place"):
            await opened[0].wait()
    assert streams.list_open() == []
