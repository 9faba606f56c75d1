import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from lumetry_core.collectors.config import Config, Notifications, Polling
from lumetry_core.collectors.model import Status
from lumetry_core.collectors.service import working
from lumetry_core.collectors.store.work import work
from lumetry_core.collectors.work import (
    KEPT_FINISHED,
    LEASE,
    MAX_LEASES,
    ClaimedWork,
    Outcome,
    Sample,
    WorkDraft,
    WorkItem,
    WorkKind,
    work_channel,
)
from lumetry_core.collectors.work_worker import WorkKeeper
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.collectors.labour import (
    CALLER,
    CAPABILITIES,
    COLLECTOR,
    DONE,
    NOTIFICATION,
    ORGANIZATION,
    OTHER,
    SOURCE,
    NotingHandler,
    a_draft,
    add_collector,
    change_collector,
    handling,
)


@pytest.fixture
def handler() -> NotingHandler:
    return NotingHandler()


async def enqueue(database: Database, clock: FakeClock, *drafts: WorkDraft) -> None:
    async with database.write() as tx:
        await working.enqueue(tx, ORGANIZATION, drafts, clock.now())


async def claim(
    database: Database, clock: FakeClock, handler: NotingHandler, limit: int = 20, caller: Caller = CALLER, **changes: Any
) -> list[ClaimedWork]:
    capabilities = changes.get("capabilities", CAPABILITIES)
    async with database.write() as tx:
        return await working.claim(tx, caller, capabilities, limit, handling(handler), clock.now())


async def complete(
    database: Database, clock: FakeClock, handler: NotingHandler, claimed: ClaimedWork, outcome: Outcome = DONE, **changes: Any
) -> None:
    caller, token = changes.get("caller", CALLER), changes.get("token", claimed.token)
    async with database.write() as tx:
        await working.complete(tx, caller, claimed.item.claim_id, token, outcome, handling(handler), clock.now())


async def find(database: Database, subject: str, kind: WorkKind = WorkKind.POLL) -> WorkItem | None:
    async with database.read() as tx:
        return await working.find_work(tx, ORGANIZATION, kind, subject)


async def test_claim_gives_what_waits(database: Database, clock: FakeClock, handler: NotingHandler) -> None:
    """A claim carries the payload, a lease of a minute and a token of which only the digest is stored."""
    await add_collector(database, clock.now())
    await enqueue(database, clock, a_draft("source:4", clock.now()))
    [claimed] = await claim(database, clock, handler)
    assert claimed.payload == SOURCE
    assert claimed.item == WorkItem(
        id=claimed.item.id,
        organization_id=ORGANIZATION,
        claim_id=claimed.item.claim_id,
        collector_id=COLLECTOR,
        kind=WorkKind.POLL,
        capability="poll:prometheus",
        subject="source:4",
        budget_ms=10_000,
        create_time=clock.now(),
        expire_time=clock.now() + timedelta(minutes=10),
        leases=1,
        token_digest=claimed.item.token_digest,
        lease_expire_time=clock.now() + LEASE,
    )
    assert claimed.token.startswith("lmtw_")
    async with database.read() as tx:
        stored = repr((await tx.execute(select(work))).all())
    assert claimed.token not in stored
    assert SOURCE.source.secret not in stored
    assert await claim(database, clock, handler) == []


async def test_claim_gives_source_tests_first_then_the_oldest(database: Database, clock: FakeClock, handler: NotingHandler) -> None:
    """People who wait come before polls and notifications, however old."""
    await add_collector(database, clock.now())
    for subject, kind in (("a", WorkKind.POLL), ("b", WorkKind.NOTIFICATION), ("c", WorkKind.SOURCE_TEST), ("d", WorkKind.POLL)):
        await enqueue(database, clock, a_draft(subject, clock.now(), kind))
    first = await claim(database, clock, handler, 2)
    rest = await claim(database, clock, handler, 20)
    assert [[each.item.subject for each in given] for given in (first, rest)] == [["c", "a"], ["b", "d"]]


@pytest.mark.parametrize(
    ("changes", "capabilities", "subjects"),
    [
        ({}, CAPABILITIES, ["test", "poll", "note"]),
        ({}, ("poll:prometheus",), ["poll"]),
        ({}, ("poll:mysql", "relay"), []),
        ({}, (), []),
        ({"config": Config(polling=Polling(enabled=False), notifications=Notifications(enabled=True))}, CAPABILITIES, ["note"]),
        ({"config": Config()}, CAPABILITIES, ["test", "poll"]),
        ({"config": Config(polling=Polling(enabled=False))}, CAPABILITIES, []),
        ({"status": Status.DUPLICATE_SUSPECTED}, CAPABILITIES, []),
    ],
)
async def test_claim_gives_only_what_is_declared_and_enabled(
    database: Database,
    clock: FakeClock,
    handler: NotingHandler,
    changes: dict[str, Any],
    capabilities: tuple[str, ...],
    subjects: list[str],
) -> None:
    """Capability, configuration and suspicion gate each kind."""
    await add_collector(database, clock.now(), **changes)
    await enqueue(
        database,
        clock,
        a_draft("test", clock.now(), WorkKind.SOURCE_TEST),
        a_draft("poll", clock.now()),
        a_draft("note", clock.now(), WorkKind.NOTIFICATION),
    )
    given = await claim(database, clock, handler, capabilities=capabilities)
    assert sorted(each.item.subject for each in given) == sorted(subjects)


@pytest.mark.parametrize(
    ("capabilities", "limit", "paths"),
    [((), 0, ["max"]), ((), 21, ["max"]), (("", "x" * 65), 1, ["capabilities[0]", "capabilities[1]"]), (("x",) * 65, 1, ["capabilities"])],
)
async def test_claim_refuses_what_makes_no_sense(
    database: Database, clock: FakeClock, handler: NotingHandler, capabilities: tuple[str, ...], limit: int, paths: list[str]
) -> None:
    """Every fault is named by its path in the body."""
    await add_collector(database, clock.now())
    with pytest.raises(LumetryError) as caught:
        await claim(database, clock, handler, limit, capabilities=capabilities)
    assert (caught.value.reason, [fault.path for fault in caught.value.faults]) == (Reason.VALIDATION_FAILED, paths)


@pytest.mark.parametrize("caller", [CALLER, replace(CALLER, collector_id=OTHER), replace(CALLER, organization_id=8)])
async def test_claim_of_the_revoked_and_unknown_is_unauthenticated(
    database: Database, clock: FakeClock, handler: NotingHandler, caller: Caller
) -> None:
    """Both get the one answer for credentials that serve no more."""
    await add_collector(database, clock.now(), status=Status.REVOKED)
    with pytest.raises(LumetryError) as caught:
        await claim(database, clock, handler, caller=caller)
    assert caught.value.reason is Reason.UNAUTHENTICATED


async def test_claim_gives_nothing_of_others(database: Database, clock: FakeClock, handler: NotingHandler) -> None:
    """Work of another collector, or of another organization with the same id, is not given."""
    await add_collector(database, clock.now())
    await add_collector(database, clock.now(), OTHER)
    await enqueue(database, clock, a_draft("theirs", clock.now(), collector_id=OTHER))
    async with database.write() as tx:
        await working.enqueue(tx, 8, [a_draft("foreign", clock.now())], clock.now())
    assert await claim(database, clock, handler) == []


async def test_claim_drops_what_is_gone_and_ends_what_cannot_be_done(database: Database, clock: FakeClock, handler: NotingHandler) -> None:
    """A subject that is gone leaves nothing; one that cannot be described ends with what its handler says."""
    await add_collector(database, clock.now())
    await enqueue(database, clock, a_draft("gone", clock.now()))
    handler.payload = None
    assert await claim(database, clock, handler) == []
    assert (await find(database, "gone"), handler.finished) == (None, [])
    await enqueue(database, clock, a_draft("locked", clock.now()))
    handler.payload = Outcome(succeeded=False, error="the key is lost")
    assert await claim(database, clock, handler) == []
    assert handler.finished == [("locked", Outcome(succeeded=False, error="the key is lost"))]
    assert await find(database, "locked") is None


async def test_enqueue_keeps_the_unfinished_item_of_a_subject(database: Database, clock: FakeClock, handler: NotingHandler) -> None:
    """A poll that is not done yet is not doubled; after it is, another may come. Kinds and organizations do not meet."""
    await add_collector(database, clock.now())
    await enqueue(database, clock, a_draft("s", clock.now()), a_draft("s", clock.now(), WorkKind.SOURCE_TEST))
    before = await find(database, "s")
    await enqueue(database, clock, a_draft("s", clock.advance(seconds=5)), a_draft("t", clock.now()))
    assert before is not None
    assert await find(database, "s") == before
    given = await claim(database, clock, handler)
    assert [(each.item.subject, each.item.kind) for each in given] == [
        ("s", WorkKind.SOURCE_TEST),
        ("s", WorkKind.POLL),
        ("t", WorkKind.POLL),
    ]
    await complete(database, clock, handler, given[1])
    await enqueue(database, clock, a_draft("s", clock.now()))
    assert [each.item.subject for each in await claim(database, clock, handler)] == ["s"]


async def test_enqueue_wakes_the_collector(database: Database, clock: FakeClock) -> None:
    """Streams of the collector look at once, those of others do not."""
    async with database.write() as tx:
        await working.enqueue(tx, ORGANIZATION, [a_draft("s", clock.now())], clock.now())
        assert tx.wakes == {work_channel(COLLECTOR)}


async def test_withdraw_takes_back_also_what_is_held(database: Database, clock: FakeClock, handler: NotingHandler) -> None:
    """Nobody is told, and the holder's outcome finds nothing."""
    await add_collector(database, clock.now())
    await enqueue(database, clock, a_draft("a", clock.now()), a_draft("b", clock.now()), a_draft("c", clock.now()))
    [held] = await claim(database, clock, handler, 1)
    async with database.write() as tx:
        await working.withdraw(tx, ORGANIZATION, WorkKind.POLL, ["a", "b", "unknown"])
    assert [each.item.subject for each in await claim(database, clock, handler)] == ["c"]
    with pytest.raises(LumetryError) as caught:
        await complete(database, clock, handler, held)
    assert (caught.value.reason, handler.finished) == (Reason.NOT_FOUND, [])


async def test_complete_tells_the_handler_once(database: Database, clock: FakeClock, handler: NotingHandler) -> None:
    """The outcome reaches the handler, samples included; the row keeps the rest for a while."""
    await add_collector(database, clock.now())
    await enqueue(database, clock, a_draft("s", clock.now()))
    [claimed] = await claim(database, clock, handler)
    outcome = Outcome(succeeded=True, duration_ms=7, sample_count=1, samples=(Sample("db.up", clock.now(), 1.0, {"job": "db"}),))
    await complete(database, clock, handler, claimed, outcome)
    assert handler.finished == [("s", outcome)]
    async with database.read() as tx:
        stored = await working.read_work(tx, ORGANIZATION, claimed.item.claim_id)
    assert stored is not None
    assert (stored.finish_time, stored.outcome) == (clock.now(), Outcome(succeeded=True, duration_ms=7, sample_count=1))
    with pytest.raises(LumetryError) as caught:
        await complete(database, clock, handler, claimed, outcome)
    assert (caught.value.reason, len(handler.finished)) == (Reason.CONFLICT, 1)


async def test_complete_refuses_what_is_not_the_claims(database: Database, clock: FakeClock, handler: NotingHandler) -> None:
    """A wrong token and an ended lease conflict; claims of others are as unknown as those that never were."""
    await add_collector(database, clock.now())
    await add_collector(database, clock.now(), OTHER)
    await enqueue(database, clock, a_draft("s", clock.now()))
    [claimed] = await claim(database, clock, handler)

    async def reason_of(**changes: Any) -> Reason:
        with pytest.raises(LumetryError) as caught:
            await complete(database, clock, handler, changes.pop("claimed", claimed), **changes)
        return caught.value.reason

    unknown = replace(claimed, item=replace(claimed.item, claim_id="00000000-0000-4000-8000-000000000000"))
    assert [
        await reason_of(token="lmtw_wrong"),
        await reason_of(caller=replace(CALLER, collector_id=OTHER)),
        await reason_of(caller=replace(CALLER, organization_id=8)),
        await reason_of(caller=Caller(ORGANIZATION, CredentialKind.COLLECTOR)),
        await reason_of(claimed=unknown),
    ] == [Reason.CONFLICT, Reason.NOT_FOUND, Reason.NOT_FOUND, Reason.NOT_FOUND, Reason.NOT_FOUND]
    clock.moment += LEASE
    assert await reason_of() is Reason.CONFLICT
    [again] = await claim(database, clock, handler)
    assert again.item.claim_id == claimed.item.claim_id
    assert await reason_of() is Reason.CONFLICT
    await complete(database, clock, handler, again)
    assert handler.finished == [("s", DONE)]


@pytest.mark.parametrize(
    ("outcome", "paths"),
    [
        (Outcome(succeeded=False, error="x" * 1001, duration_ms=-1), ["error", "result.durationMs"]),
        (Outcome(succeeded=False, error="a\0b", sample_count=-1), ["error", "result.sampleCount"]),
        (Outcome(succeeded=True, status_code=99), ["result.statusCode"]),
        (Outcome(succeeded=True, status_code=600), ["result.statusCode"]),
    ],
)
async def test_complete_names_every_fault_and_changes_nothing(
    database: Database, clock: FakeClock, handler: NotingHandler, outcome: Outcome, paths: list[str]
) -> None:
    """An outcome that cannot be is refused; the claim stands."""
    await add_collector(database, clock.now())
    await enqueue(database, clock, a_draft("s", clock.now()))
    [claimed] = await claim(database, clock, handler)
    with pytest.raises(LumetryError) as caught:
        await complete(database, clock, handler, claimed, outcome)
    assert [fault.path for fault in caught.value.faults] == paths
    assert handler.finished == []
    await complete(database, clock, handler, claimed)


async def test_complete_checks_samples(database: Database, clock: FakeClock, handler: NotingHandler) -> None:
    """There are at most five samples, with finite values and bounded labels."""
    await add_collector(database, clock.now())
    await enqueue(database, clock, a_draft("s", clock.now()))
    [claimed] = await claim(database, clock, handler)
    fine = Sample("m", clock.now(), 1.0, {})
    samples = (
        replace(fine, value=float("nan")),
        replace(fine, labels={f"l{number}": "" for number in range(65)}),
        replace(fine, labels={"a": "\0"}),
        fine,
        fine,
        fine,
    )
    with pytest.raises(LumetryError) as caught:
        await complete(database, clock, handler, claimed, Outcome(succeeded=True, samples=samples))
    paths = [fault.path for fault in caught.value.faults]
    assert paths == ["result.sample", "result.sample[0].value", "result.sample[1].labels", "result.sample[2]"]


async def test_tick_ends_what_nobody_takes(database: Database, clock: FakeClock, handler: NotingHandler) -> None:
    """An item that expires unclaimed ends with a failure that says why, once."""
    await add_collector(database, clock.now(), capabilities=("source_test",))
    await enqueue(database, clock, a_draft("s", clock.now(), expire_time=clock.now() + timedelta(seconds=60)))
    keeper = WorkKeeper(database, handling(handler))
    clock.advance(seconds=59)
    assert await keeper.tick(clock.now()) is False
    assert handler.finished == []
    clock.advance(seconds=1)
    await keeper.tick(clock.now())
    await keeper.tick(clock.now())
    assert handler.finished == [("s", Outcome(succeeded=False, error="Collector Collector 1 cannot poll prometheus."))]


async def test_tick_gives_work_out_again_until_its_leases_run_out(database: Database, clock: FakeClock, handler: NotingHandler) -> None:
    """A collector that keeps silent gets an item three times; then it has failed."""
    await add_collector(database, clock.now(), last_seen_time=clock.now() + timedelta(minutes=5))
    await enqueue(database, clock, a_draft("s", clock.now()))
    keeper = WorkKeeper(database, handling(handler))
    tokens = set()
    for _ in range(MAX_LEASES):
        [claimed] = await claim(database, clock, handler)
        tokens.add(claimed.token)
        clock.moment += LEASE
        assert handler.finished == []
        await keeper.tick(clock.now())
    assert len(tokens) == MAX_LEASES
    assert await claim(database, clock, handler) == []
    assert handler.finished == [("s", Outcome(succeeded=False, error="Collector Collector 1 took it and did not report what came of it."))]


async def test_tick_forgets_finished_work(database: Database, clock: FakeClock, handler: NotingHandler) -> None:
    """Ten minutes after its end nothing is left of an item."""
    await add_collector(database, clock.now())
    await enqueue(database, clock, a_draft("s", clock.now()))
    [claimed] = await claim(database, clock, handler)
    await complete(database, clock, handler, claimed)
    keeper = WorkKeeper(database, handling(handler))
    clock.moment += KEPT_FINISHED - timedelta(milliseconds=1)
    await keeper.tick(clock.now())
    async with database.read() as tx:
        assert await working.read_work(tx, ORGANIZATION, claimed.item.claim_id) is not None
    clock.advance(milliseconds=1)
    await keeper.tick(clock.now())
    async with database.read() as tx:
        assert await working.read_work(tx, ORGANIZATION, claimed.item.claim_id) is None


async def test_give_up_ends_the_work_of_a_revoked_collector(database: Database, clock: FakeClock, handler: NotingHandler) -> None:
    """What waits and what is held ends with the next round, and says that the collector is revoked."""
    collector = await add_collector(database, clock.now())
    await enqueue(database, clock, a_draft("a", clock.now()), a_draft("b", clock.now()))
    await claim(database, clock, handler, 1)
    await change_collector(database, collector, status=Status.REVOKED)
    async with database.write() as tx:
        await working.give_up(tx, ORGANIZATION, COLLECTOR, clock.now())
    await WorkKeeper(database, handling(handler)).tick(clock.now())
    revoked = Outcome(succeeded=False, error="Collector Collector 1 is revoked.")
    assert handler.finished == [("a", revoked), ("b", revoked)]


async def test_claim_by_two_at_once_gives_every_item_to_one(database: Database, clock: FakeClock, handler: NotingHandler) -> None:
    """Claims side by side share what waits, and give nothing twice."""
    await add_collector(database, clock.now())
    await enqueue(database, clock, *(a_draft(f"s{number:03}", clock.now()) for number in range(100)))
    given: list[ClaimedWork] = []

    async def take() -> None:
        while taken := await claim(database, clock, handler, 7):
            given.extend(taken)

    await asyncio.gather(take(), take(), take())
    assert sorted(each.item.subject for each in given) == [f"s{number:03}" for number in range(100)]
    assert {each.item.leases for each in given} == {1}


async def test_complete_by_two_at_once_finishes_once(database: Database, clock: FakeClock, handler: NotingHandler) -> None:
    """Of completions side by side one wins, the others conflict."""
    await add_collector(database, clock.now())
    await enqueue(database, clock, a_draft("s", clock.now()))
    [claimed] = await claim(database, clock, handler)
    results = await asyncio.gather(*(complete(database, clock, handler, claimed) for _ in range(4)), return_exceptions=True)
    assert sorted(result.reason.value if isinstance(result, LumetryError) else "done" for result in results) == [
        "CONFLICT",
        "CONFLICT",
        "CONFLICT",
        "done",
    ]
    assert handler.finished == [("s", DONE)]


async def test_claim_describes_notifications(database: Database, clock: FakeClock, handler: NotingHandler) -> None:
    """A notification carries the whole request."""
    await add_collector(database, clock.now())
    handler.payload = NOTIFICATION
    await enqueue(database, clock, a_draft("delivery:1", clock.now(), WorkKind.NOTIFICATION))
    [claimed] = await claim(database, clock, handler)
    assert claimed.payload == NOTIFICATION
