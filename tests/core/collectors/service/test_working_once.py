"""Work is finished exactly once, whatever collectors and keepers do in which order."""

import asyncio
import itertools
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lumetry_core.collectors.service import working
from lumetry_core.collectors.store import collectors as collector_store
from lumetry_core.collectors.work import ClaimedWork, Outcome, WorkKind
from lumetry_core.collectors.work_worker import WorkKeeper
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database, open_database
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.collectors.labour import CALLER, CAPABILITIES, NotingHandler, a_draft, add_collector, handling

ORGANIZATIONS = itertools.count(100)
SUBJECTS = ("a", "b")

STEPS = st.one_of(
    st.tuples(st.just("enqueue"), st.sampled_from(SUBJECTS)),
    st.tuples(st.just("claim"), st.integers(1, 2)),
    st.tuples(st.just("complete"), st.integers(0, 20)),
    st.tuples(st.just("keep"), st.just(0)),
    st.tuples(st.just("withdraw"), st.sampled_from(SUBJECTS)),
    st.tuples(st.just("wait"), st.sampled_from((1, 30, 59, 60, 90, 700))),
)


@dataclass
class Workshop:
    """One organization with a collector, a keeper, and a book of what should have become of each item."""

    database: Database
    clock: FakeClock
    caller: Caller
    handler: NotingHandler = field(default_factory=NotingHandler)
    given: list[ClaimedWork] = field(default_factory=list)
    """Every claim ever, the void ones included."""
    enqueued: int = 0
    withdrawn: int = 0

    async def enqueue(self, subject: str) -> None:
        """Work for half a minute."""
        organization_id = self.caller.organization_id
        draft = a_draft(subject, self.clock.now(), expire_time=self.clock.now() + timedelta(seconds=30))
        async with self.database.write() as tx:
            before = await working.find_work(tx, organization_id, WorkKind.POLL, subject)
            await working.enqueue(tx, organization_id, [draft], self.clock.now())
            after = await working.find_work(tx, organization_id, WorkKind.POLL, subject)
        assert after is not None
        assert before is None or after == before
        self.enqueued += before is None

    async def claim(self, limit: int) -> None:
        """Takes work."""
        async with self.database.write() as tx:
            self.given += await working.claim(tx, self.caller, CAPABILITIES, limit, handling(self.handler), self.clock.now())

    async def complete(self, place: int) -> bool:
        """Reports some claim, maybe one that is void or was reported before; True when it was taken."""
        if not self.given:
            return False
        claimed = self.given[place % len(self.given)]
        try:
            async with self.database.write() as tx:
                await working.complete(
                    tx, self.caller, claimed.item.claim_id, claimed.token, Outcome(succeeded=True), handling(self.handler), self.clock.now()
                )
        except LumetryError as error:
            if error.reason not in (Reason.CONFLICT, Reason.NOT_FOUND):
                raise
            return False
        return True

    async def keep(self) -> None:
        """The keeper's rounds until nothing is left to do."""
        while await WorkKeeper(self.database, handling(self.handler)).tick(self.clock.now()):
            pass

    async def withdraw(self, subject: str) -> None:
        """Takes work back."""
        organization_id = self.caller.organization_id
        async with self.database.write() as tx:
            self.withdrawn += await working.find_work(tx, organization_id, WorkKind.POLL, subject) is not None
            await working.withdraw(tx, organization_id, WorkKind.POLL, [subject])

    async def take(self, step: tuple[str, str | int]) -> None:
        """Does one thing."""
        match step:
            case ("enqueue", str(subject)):
                await self.enqueue(subject)
            case ("claim", int(limit)):
                await self.claim(limit)
            case ("complete", int(place)):
                before = len(self.handler.finished)
                taken = await self.complete(place)
                assert len(self.handler.finished) - before == taken
            case ("keep", _):
                await self.keep()
            case ("withdraw", str(subject)):
                await self.withdraw(subject)
            case ("wait", int(seconds)):
                self.clock.advance(seconds=seconds)


async def open_workshop(database: Database, clock: FakeClock) -> Workshop:
    """One in an organization of its own."""
    caller = replace(CALLER, organization_id=next(ORGANIZATIONS))
    await add_collector(database, clock.now(), organization_id=caller.organization_id)
    async with database.read() as tx:
        assert await collector_store.find(tx, caller.organization_id, caller.collector_id or "") is not None
    return Workshop(database, clock, caller)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(STEPS, max_size=30))
async def test_work_is_finished_exactly_once(database: Database, clock: FakeClock, steps: list[tuple[str, str | int]]) -> None:
    """Each item that was not withdrawn reaches its handler once; no void claim and no second report changes anything."""
    workshop = await open_workshop(database, clock)
    for step in steps:
        await workshop.take(step)
    for _ in range(10):
        clock.advance(minutes=2)
        await workshop.keep()
    assert len(workshop.handler.finished) == workshop.enqueued - workshop.withdrawn
    for place in range(len(workshop.given)):
        assert not await workshop.complete(place)


@pytest.mark.parametrize("round_number", range(5))
async def test_work_is_finished_exactly_once_side_by_side(database: Database, clock: FakeClock, round_number: int) -> None:
    """Claims, reports, double reports and keepers at the moment at which leases end: still once each."""
    workshop = await open_workshop(database, clock)
    count = 12
    organization_id = workshop.caller.organization_id
    async with database.write() as tx:
        await working.enqueue(tx, organization_id, [a_draft(f"s{number}", clock.now()) for number in range(count)], clock.now())

    async def collect() -> None:
        for _ in range(4):
            await workshop.claim(5)
            for place in range(len(workshop.given)):
                if (place + round_number) % 3:
                    await workshop.complete(place)

    async def keep() -> None:
        for _ in range(4):
            clock.advance(seconds=30)
            await workshop.keep()
            await asyncio.sleep(0)

    await asyncio.gather(collect(), collect(), keep(), keep())
    for _ in range(10):
        clock.advance(minutes=5)
        await workshop.keep()
    assert sorted(subject for subject, _ in workshop.handler.finished) == sorted(f"s{number}" for number in range(count))


async def test_work_is_finished_exactly_once_by_two_cores(database: Database, clock: FakeClock) -> None:
    """Two processes on one database give nothing twice and finish nothing twice."""
    first = await open_workshop(database, clock)
    other = open_database(database.url.replace("+asyncpg", "").replace("+aiosqlite", ""))
    second = replace(first, database=other)
    drafts = [a_draft(f"s{number:02}", clock.now()) for number in range(30)]
    async with database.write() as tx:
        await working.enqueue(tx, first.caller.organization_id, drafts, clock.now())

    async def work(workshop: Workshop) -> None:
        for _ in range(10):
            await workshop.claim(5)
            for place in range(len(workshop.given)):
                await workshop.complete(place)
            await workshop.keep()

    try:
        await asyncio.gather(work(first), work(second), work(first), work(second))
    finally:
        await other.close()
    assert sorted(claimed.item.subject for claimed in first.given) == [draft.subject for draft in drafts]
    assert sorted(subject for subject, _ in first.handler.finished) == [draft.subject for draft in drafts]
