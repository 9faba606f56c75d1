import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.collectors.v1 import collector_service_pb2 as pb
from lumetry.collectors.v1 import work_pb2
from lumetry.collectors.v1.collector_service_pb2_grpc import CollectorServiceStub, add_CollectorServiceServicer_to_server
from lumetry_core.collectors.model import Status
from lumetry_core.collectors.rpc.collectors import CollectorServicer
from lumetry_core.collectors.rpc.work import WorkDesk
from lumetry_core.collectors.service import working
from lumetry_core.collectors.service.appender import BeatAppender
from lumetry_core.collectors.stream_worker import StreamKeeper
from lumetry_core.collectors.streams import Streams
from lumetry_core.collectors.work import LEASE, Outcome, Sample, WorkKind, work_channel
from lumetry_core.collectors.work_worker import WorkKeeper
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.queue import Wakeups
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.conftest import FakeClock
from tests.core.collectors.labour import (
    CALLER,
    CAPABILITIES,
    COLLECTOR,
    NOTIFICATION,
    ORGANIZATION,
    SOURCE,
    NotingHandler,
    a_draft,
    add_collector,
    change_collector,
    handling,
)

SERVICE = "lumetry.collectors.v1.CollectorService"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def authenticate(origin: Origin) -> Caller:
    """Everybody is a collector, the one whose id is the secret."""
    return replace(CALLER, collector_id=origin.secret)


@pytest.fixture
def handler() -> NotingHandler:
    return NotingHandler()


@pytest.fixture
def streams() -> Streams:
    return Streams()


@pytest.fixture
async def stub(
    database: Database, clock: FakeClock, wakeups: Wakeups, handler: NotingHandler, streams: Streams
) -> AsyncIterator[CollectorServiceStub]:
    """A client of a running server."""
    servicer = CollectorServicer(
        database, clock, wakeups, BeatAppender(database, clock), WorkDesk(database, clock, handling(handler)), streams
    )
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_CollectorServiceServicer_to_server, servicer)},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield CollectorServiceStub(channel)
    await built.server.stop(None)


BEARER = (("authorization", f"Bearer {COLLECTOR}"),)


async def enqueue(database: Database, clock: FakeClock, wakeups: Wakeups, *subjects: str, kind: WorkKind = WorkKind.POLL) -> None:
    """Work, with the wake-up that a commit brings in a real process."""
    async with database.write() as tx:
        await working.enqueue(tx, ORGANIZATION, [a_draft(subject, clock.now(), kind) for subject in subjects], clock.now())
    wakeups.wake(work_channel(COLLECTOR))


async def read_work(call: "grpc.aio.UnaryStreamCall[pb.WatchCollectorRequest, pb.WatchCollectorResponse]") -> work_pb2.WorkItem:
    """The next item of a stream, after its configuration."""
    async with asyncio.timeout(20):
        while True:
            directive = await call.read()
            if directive.HasField("work"):
                return directive.work


async def complete(stub: CollectorServiceStub, item: work_pb2.WorkItem) -> None:
    request = pb.CompleteWorkRequest(claim_id=item.claim_id, claim_token=item.claim_token, outcome=work_pb2.WorkOutcome(succeeded=True))
    await stub.CompleteWork(request, metadata=BEARER)


async def test_claim_work_and_complete_it(
    stub: CollectorServiceStub, database: Database, clock: FakeClock, wakeups: Wakeups, handler: NotingHandler
) -> None:
    """The item carries everything that the poll needs, and the outcome reaches the handler whole."""
    await add_collector(database, clock.now())
    await enqueue(database, clock, wakeups, "source:4", kind=WorkKind.SOURCE_TEST)
    claim = pb.ClaimWorkRequest(capabilities=CAPABILITIES, max_items=20)
    [item] = (await stub.ClaimWork(claim, metadata=BEARER)).items
    assert item == work_pb2.WorkItem(
        claim_id=item.claim_id,
        claim_token=item.claim_token,
        lease_expire_time=encode_time(clock.now() + LEASE),
        budget_ms=10_000,
        source_test=work_pb2.SourceWork(
            source_id=4,
            type="prometheus",
            target=work_pb2.SourceTarget(base_url="http://prometheus:9090", username="reader"),
            secret=SOURCE.source.secret,
            items=[work_pb2.SourceItem(metric_key="db.up", query="up", label_columns=["job"])],
            timeout_ms=10_000,
        ),
    )
    assert (await stub.ClaimWork(claim, metadata=BEARER)).items == []
    sample = work_pb2.WorkSample(metric_key="db.up", time=encode_time(clock.now()), value=1, labels={"job": "db"})
    outcome = work_pb2.WorkOutcome(succeeded=True, duration_ms=9, sample_count=1, samples=[sample])
    await stub.CompleteWork(pb.CompleteWorkRequest(claim_id=item.claim_id, claim_token=item.claim_token, outcome=outcome), metadata=BEARER)
    samples = (Sample("db.up", clock.now(), 1.0, {"job": "db"}),)
    assert handler.finished == [("source:4", Outcome(succeeded=True, duration_ms=9, sample_count=1, samples=samples))]


async def test_claim_work_carries_notifications(
    stub: CollectorServiceStub, database: Database, clock: FakeClock, wakeups: Wakeups, handler: NotingHandler
) -> None:
    """With headers and body as they are to be sent."""
    await add_collector(database, clock.now())
    handler.payload = NOTIFICATION
    await enqueue(database, clock, wakeups, "delivery:1", kind=WorkKind.NOTIFICATION)
    [item] = (await stub.ClaimWork(pb.ClaimWorkRequest(capabilities=CAPABILITIES, max_items=1), metadata=BEARER)).items
    assert item.notification == work_pb2.NotificationWork(
        delivery_id="12:open", url="http://10.0.0.8/hook", method="POST", headers={"Content-Type": "application/json"}, body=b"{}"
    )


async def test_complete_work_fails_as_documented(
    stub: CollectorServiceStub, database: Database, clock: FakeClock, wakeups: Wakeups
) -> None:
    """Unknown claims come before missing outcomes, and those before tokens."""
    await add_collector(database, clock.now())
    await enqueue(database, clock, wakeups, "s")
    [item] = (await stub.ClaimWork(pb.ClaimWorkRequest(capabilities=CAPABILITIES, max_items=1), metadata=BEARER)).items
    wrong_time = work_pb2.WorkOutcome(samples=[work_pb2.WorkSample(time=Timestamp(seconds=2**40))])
    for request, code in (
        (pb.CompleteWorkRequest(claim_id=UNKNOWN), grpc.StatusCode.NOT_FOUND),
        (pb.CompleteWorkRequest(claim_id="\0"), grpc.StatusCode.NOT_FOUND),
        (pb.CompleteWorkRequest(claim_id=item.claim_id), grpc.StatusCode.INVALID_ARGUMENT),
        (pb.CompleteWorkRequest(claim_id=item.claim_id, outcome=wrong_time), grpc.StatusCode.INVALID_ARGUMENT),
        (
            pb.CompleteWorkRequest(claim_id=item.claim_id, claim_token="x", outcome=work_pb2.WorkOutcome()),
            grpc.StatusCode.FAILED_PRECONDITION,
        ),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.CompleteWork(request, metadata=BEARER)
        assert caught.value.code() is code
    await complete(stub, item)


async def test_watch_collector_pushes_work_at_once(
    stub: CollectorServiceStub, database: Database, clock: FakeClock, wakeups: Wakeups
) -> None:
    """What waits and what comes is sent, as much as may be outstanding; each completion makes room."""
    await add_collector(database, clock.now())
    await enqueue(database, clock, wakeups, "a")
    call = stub.WatchCollector(pb.WatchCollectorRequest(capabilities=CAPABILITIES, max_outstanding=2), metadata=BEARER)
    first = await read_work(call)
    await enqueue(database, clock, wakeups, "b", "c", "d")
    second = await read_work(call)
    async with database.read() as tx:
        third = await working.find_work(tx, ORGANIZATION, WorkKind.POLL, "c")
    assert third is not None
    assert third.leases == 0
    await complete(stub, first)
    wakeups.wake(work_channel(COLLECTOR))
    assert (await read_work(call)).claim_id == third.claim_id
    await complete(stub, second)
    wakeups.wake(work_channel(COLLECTOR))
    assert (await read_work(call)).claim_id not in {first.claim_id, second.claim_id, third.claim_id}
    call.cancel()


async def test_watch_collector_that_breaks_loses_nothing(
    stub: CollectorServiceStub, database: Database, clock: FakeClock, wakeups: Wakeups, handler: NotingHandler
) -> None:
    """The lease of what a broken stream was given ends, and the next stream gets it under another token."""
    await add_collector(database, clock.now(), last_seen_time=clock.now() + timedelta(minutes=5))
    await enqueue(database, clock, wakeups, "s")
    request = pb.WatchCollectorRequest(capabilities=CAPABILITIES, max_outstanding=1)
    call = stub.WatchCollector(request, metadata=BEARER)
    lost = await read_work(call)
    call.cancel()
    call = stub.WatchCollector(request, metadata=BEARER)
    assert (await call.read()).HasField("config")
    clock.moment += LEASE
    await WorkKeeper(database, handling(handler)).tick(clock.now())
    wakeups.wake(work_channel(COLLECTOR))
    again = await read_work(call)
    assert (again.claim_id, again.claim_token != lost.claim_token) == (lost.claim_id, True)
    call.cancel()


async def test_watch_collector_gives_the_suspected_nothing_until_it_is_cleared(
    stub: CollectorServiceStub, database: Database, clock: FakeClock, wakeups: Wakeups
) -> None:
    """The stream stays; work comes when the suspicion ends."""
    collector = await add_collector(database, clock.now(), status=Status.DUPLICATE_SUSPECTED)
    await enqueue(database, clock, wakeups, "s")
    call = stub.WatchCollector(pb.WatchCollectorRequest(capabilities=CAPABILITIES, max_outstanding=1), metadata=BEARER)
    assert (await call.read()).HasField("config")
    async with database.read() as tx:
        waiting = await working.find_work(tx, ORGANIZATION, WorkKind.POLL, "s")
    assert waiting is not None
    assert waiting.leases == 0
    await change_collector(database, collector, status=Status.ACTIVE)
    wakeups.wake(work_channel(COLLECTOR))
    assert (await read_work(call)).claim_id == waiting.claim_id
    call.cancel()


@pytest.mark.parametrize(("capabilities", "most"), [(["poll:mysql"], 0), (["poll:mysql"], 21), ([""], 1)])
async def test_watch_collector_refuses_what_makes_no_sense(
    stub: CollectorServiceStub, database: Database, clock: FakeClock, capabilities: list[str], most: int
) -> None:
    """As a claim does."""
    await add_collector(database, clock.now())
    call = stub.WatchCollector(pb.WatchCollectorRequest(capabilities=capabilities, max_outstanding=most), metadata=BEARER)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_watch_collector_sends_what_it_was_not_woken_for(
    stub: CollectorServiceStub, database: Database, clock: FakeClock, streams: Streams
) -> None:
    """The look at all streams finds what another process told nobody of."""
    await add_collector(database, clock.now())
    call = stub.WatchCollector(pb.WatchCollectorRequest(capabilities=CAPABILITIES, max_outstanding=1), metadata=BEARER)
    assert (await call.read()).HasField("config")
    async with database.write() as tx:
        await working.enqueue(tx, ORGANIZATION, [a_draft("s", clock.now())], clock.now())
        tx.wakes.clear()
    await StreamKeeper(database, streams).tick(clock.now())
    assert (await read_work(call)).HasField("poll")
    call.cancel()
