"""The poller at work, by the clock of the machine."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from lumetry_core.access.vault import Vault
from lumetry_core.metricsources.drafts import ConfigDraft, ItemDraft, SourceDraft
from lumetry_core.metricsources.judging import PollResult
from lumetry_core.metricsources.model import WAKE, PollStatus, Source, Standing
from lumetry_core.metricsources.sealing import Rules
from lumetry_core.metricsources.service import recording, scheduling
from lumetry_core.metricsources.worker import SourceKeeper, SourcePoller
from lumetry_core.runtime.clock import SystemClock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.outbound import OutboundAnswer, OutboundRequest
from lumetry_core.runtime.queue import Wakeups
from tests.conftest import FakeClock
from tests.core.metricsources.building import OTHER, RULES, FakeWeb, Inbox, World, changed, no_chance

WAIT_SECONDS = 30
DOCUMENT = json.dumps({"open": 3}).encode()
SHOP = SourceDraft(
    name="Shop",
    type="http",
    config=ConfigDraft(base_url="http://shop/"),
    secret="token",
    items=(ItemDraft(metric_key="shop.open", query="$.open"),),
)


class SlowWeb(FakeWeb):
    """Answers when it is told to, and notes how many wait at once."""

    def __init__(self) -> None:
        super().__init__(DOCUMENT)
        self.may_answer = asyncio.Event()
        self.is_asked = asyncio.Event()
        self.waiting: list[str] = []

    async def send(self, request: OutboundRequest) -> OutboundAnswer:
        """See `Fetch`."""
        self.waiting.append(request.url)
        self.is_asked.set()
        await self.may_answer.wait()
        return await super().send(request)


@asynccontextmanager
async def polling(
    world: World, wakeups: Wakeups, web: FakeWeb, inbox: Inbox, rules: Rules = RULES, *, slots: int = 32, share: int = 24
) -> AsyncIterator[None]:
    """The poller while the block runs."""
    world.clock = SystemClock()
    poller = SourcePoller(world.database, world.clock, wakeups, rules, web, inbox, no_chance, slots=slots, share=share)
    task = asyncio.ensure_future(poller.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(wakeups: Wakeups, holds: Callable[[], bool]) -> None:
    """Waits for polls to be over until something holds."""
    with wakeups.subscribe(WAKE) as over:
        async with asyncio.timeout(WAIT_SECONDS):
            while not holds():
                await over.wait(WAIT_SECONDS)


async def polled(world: World, wakeups: Wakeups, source: Source) -> Standing:
    """How a source fares once it was polled."""
    with wakeups.subscribe(WAKE) as over:
        async with asyncio.timeout(WAIT_SECONDS):
            while (found := (await world.read(source.id)).standing) == Standing():
                await over.wait(WAIT_SECONDS)
    return found


async def test_poller_polls_a_new_source_at_once(world: World, wakeups: Wakeups) -> None:
    """Its points are taken before its standing says so, and it is due again."""
    web, inbox = FakeWeb(DOCUMENT), Inbox()
    async with polling(world, wakeups, web, inbox):
        source = await world.create(SHOP)
        standing = await polled(world, wakeups, source)
    assert (standing.status, standing.error, standing.failures_in_row) == (PollStatus.SUCCESS, None, 0)
    assert inbox.points == [("shop.open", {}, "http", 3.0)]
    assert [each.headers["Authorization"] for each in web.asked] == ["Bearer token"]
    async with world.database.read() as tx:
        due = await scheduling.find_next_due(tx)
    assert due is not None
    assert timedelta(0) < due - world.clock.now() <= timedelta(seconds=60)


async def test_poller_records_a_failure(world: World, wakeups: Wakeups) -> None:
    """What the source answers is not what was asked for."""
    async with polling(world, wakeups, FakeWeb(b"", 500), inbox := Inbox()):
        source = await world.create(SHOP)
        standing = await polled(world, wakeups, source)
    assert (standing.status, standing.error) == (PollStatus.FAILED, "the answer has the status 500")
    assert inbox.points == []


async def test_poller_keeps_organizations_and_polls_within_bounds(world: World, wakeups: Wakeups) -> None:
    """One organization whose sources hang leaves room for another, and no more is asked at once than there is room for."""
    for position in range(6):
        await world.create(changed(SHOP, name=f"s{position}", config=ConfigDraft(base_url=f"http://slow/{position}")))
    web = SlowWeb()
    async with polling(world, wakeups, web, Inbox(), slots=3, share=2):
        async with asyncio.timeout(WAIT_SECONDS):
            await web.is_asked.wait()
            web.is_asked.clear()
            await world.create(changed(SHOP, config=ConfigDraft(base_url="http://other/")), OTHER)
            while "http://other/" not in web.waiting:
                await web.is_asked.wait()
                web.is_asked.clear()
        assert sorted(web.waiting) == ["http://other/", "http://slow/0", "http://slow/1"]
        web.may_answer.set()
        await until(wakeups, lambda: len(web.asked) == 7)


async def test_poller_that_ends_leaves_no_result(world: World, wakeups: Wakeups) -> None:
    """A poll under way at the end counts for nothing; on SQLite the next poller makes it at once."""
    source = await world.create(SHOP)
    web = SlowWeb()
    async with polling(world, wakeups, web, Inbox()):
        async with asyncio.timeout(WAIT_SECONDS):
            await web.is_asked.wait()
    assert (await world.read(source.id)).standing == Standing()
    if not world.database.is_postgresql:
        async with polling(world, wakeups, FakeWeb(DOCUMENT), Inbox()):
            assert (await polled(world, wakeups, source)).status is PollStatus.SUCCESS


@pytest.mark.parametrize("reason", [Reason.STORE_UNAVAILABLE, Reason.OVERLOADED, Reason.QUOTA_EXHAUSTED])
async def test_faults_of_ours_are_not_the_failure_of_a_source(world: World, wakeups: Wakeups, reason: Reason) -> None:
    """Points that cannot be stored now are asked for again; nothing is said of the source."""
    web, inbox = FakeWeb(DOCUMENT), Inbox(LumetryError(reason, "no"))
    async with polling(world, wakeups, web, inbox):
        source = await world.create(SHOP)
        await until(wakeups, lambda: bool(web.asked))
    assert (await world.read(source.id)).standing == Standing()
    assert await world.system_alerts() == []


async def test_secret_that_cannot_be_opened_is_a_fault_of_ours(world: World, wakeups: Wakeups) -> None:
    """A core with another key asks nobody."""
    web = FakeWeb(DOCUMENT)
    with wakeups.subscribe(WAKE) as over:
        async with polling(world, wakeups, web, Inbox(), replace(RULES, vault=Vault(bytes(range(32))))):
            source = await world.create(SHOP)
            await over.wait(WAIT_SECONDS)
            over.wake()
    assert (await world.read(source.id)).standing == Standing()
    assert web.asked == []


async def test_record_waits_for_the_store(world: World, wakeups: Wakeups, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a poll brought is recorded when the store is there again."""
    real, refusals = recording.record_poll, [1, 1]

    async def refuse(*given: object) -> bool:
        if refusals:
            refusals.pop()
            raise LumetryError(Reason.STORE_UNAVAILABLE, "no")
        return await real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(recording, "record_poll", refuse)
    async with polling(world, wakeups, FakeWeb(DOCUMENT), Inbox()):
        source = await world.create(SHOP)
        assert (await polled(world, wakeups, source)).status is PollStatus.SUCCESS
    assert refusals == []


async def test_keeper_looks_after_all_organizations(world: World, database: Database, clock: FakeClock) -> None:
    """Stale metrics at each round, old tests now and then."""
    await world.create()
    async with database.write() as tx:
        [claimed] = await scheduling.claim_polls(tx, {}, 1, 1, clock.now())
        await recording.record_poll(tx, claimed, PollResult(), clock.now())
    keeper = SourceKeeper(database)
    assert await keeper.tick(clock.advance(minutes=3)) is False
    assert (await world.metric("prom.up")).sync_status == "STALE"
