"""The service on the wire."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import grpc
import pytest

from lumetry.metricsources.v1 import metric_source_service_pb2 as pb
from lumetry.metricsources.v1.metric_source_service_pb2_grpc import (
    MetricSourceServiceStub,
    add_MetricSourceServiceServicer_to_server,
)
from lumetry_core.metricsources.rpc import TESTS_AT_ONCE, MetricSourceServicer
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.outbound import OutboundAnswer, OutboundRequest
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.conftest import FakeClock
from tests.core.metricsources.building import ORGANIZATION, RULES, FakeWeb, World, no_chance

ADMIN = (("authorization", "Bearer admin"),)
VIEWER = (("authorization", "Bearer viewer"),)
WAIT_SECONDS = 20
DRAFT = pb.MetricSourceDraft(
    name="Shop",
    type="http",
    config=pb.MetricSourceConfig(base_url="http://shop/", username="reader"),
    secret="token",
    items=[pb.MetricSourceItem(metric_key="shop.open", query="$.shops[*]", value_column="open", label_columns=["name"], unit="1")],
    poll_interval_seconds=30,
)


class Web(FakeWeb):
    """Answers at once, or when it is told to."""

    def __init__(self) -> None:
        super().__init__(json.dumps({"shops": [{"name": "north", "open": 3}]}).encode())
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def send(self, request: OutboundRequest) -> OutboundAnswer:
        """See `Fetch`."""
        answer = await super().send(request)
        await self.may_answer.wait()
        return answer


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
async def stub(world: World, web: Web) -> AsyncIterator[Any]:
    """A client of a running server whose users are an administrator and a viewer."""

    async def authenticate(origin: Origin) -> Caller:
        permissions = {Permission.VIEW_ALERTS} | ({Permission.MANAGE_RULES} if origin.secret == "admin" else set())
        return Caller(ORGANIZATION, CredentialKind.INTERACTIVE, user_id=42, permissions=frozenset(permissions))

    name = "lumetry.metricsources.v1.MetricSourceService"
    servicer = MetricSourceServicer(world.database, world.clock, RULES, web, no_chance)
    services = {name: (add_MetricSourceServiceServicer_to_server, servicer)}
    built = build_server("127.0.0.1:0", services, read_accesses(services), authenticate, reflect=False)
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield MetricSourceServiceStub(channel)
    await built.server.stop(None)


async def code_of(call: Awaitable[Any]) -> str:
    """The code of a failure."""
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await call
    return failure.value.code().name


async def test_source_is_created_read_changed_and_deleted(stub: Any, clock: FakeClock) -> None:
    """Everything but the secret is answered, and only those who may change sources do."""
    created = (await stub.CreateMetricSource(pb.CreateMetricSourceRequest(source=DRAFT), metadata=ADMIN)).source
    assert created == pb.MetricSource(
        id=created.id,
        name="Shop",
        type="http",
        config=DRAFT.config,
        has_secret=True,
        items=DRAFT.items,
        poll_interval_seconds=30,
        timeout_seconds=10,
        is_enabled=True,
        create_time=encode_time(clock.now()),
        update_time=encode_time(clock.now()),
    )
    assert (await stub.ListMetricSources(pb.ListMetricSourcesRequest(), metadata=VIEWER)).sources == [created]
    changed = pb.MetricSourceDraft()
    changed.CopyFrom(DRAFT)
    changed.ClearField("secret")
    changed.is_enabled = False
    request = pb.UpdateMetricSourceRequest(id=created.id, source=changed)
    assert await code_of(stub.UpdateMetricSource(request, metadata=VIEWER)) == "PERMISSION_DENIED"
    updated = (await stub.UpdateMetricSource(request, metadata=ADMIN)).source
    assert (updated.is_enabled, updated.has_secret) == (False, True)
    assert (await stub.GetMetricSource(pb.GetMetricSourceRequest(id=created.id), metadata=VIEWER)).source == updated
    await stub.DeleteMetricSource(pb.DeleteMetricSourceRequest(id=created.id), metadata=ADMIN)
    assert await code_of(stub.GetMetricSource(pb.GetMetricSourceRequest(id=created.id), metadata=VIEWER)) == "NOT_FOUND"


async def test_database_is_answered_as_one(stub: Any) -> None:
    """It has a host and a port, and no address."""
    draft = pb.MetricSourceDraft()
    draft.CopyFrom(DRAFT)
    draft.type = "mysql"
    draft.config.CopyFrom(pb.MetricSourceConfig(base_url="http://ignored", host="db", database="shop", username="reader"))
    created = (await stub.CreateMetricSource(pb.CreateMetricSourceRequest(source=draft), metadata=ADMIN)).source
    assert created.config == pb.MetricSourceConfig(host="db", port=3306, database="shop", username="reader", tls=False)


async def test_test_is_answered_with_what_the_source_shows(stub: Any, web: Web, clock: FakeClock) -> None:
    """Nothing is kept of it: the number of a test is that of one by a collector."""
    request = pb.TestMetricSourceRequest(candidate=DRAFT)
    assert await code_of(stub.TestMetricSource(request, metadata=VIEWER)) == "PERMISSION_DENIED"
    test = (await stub.TestMetricSource(request, metadata=ADMIN)).test
    sample = pb.MetricSourceSample(metric_key="shop.open", time=encode_time(clock.now()), value=3, labels={"name": "north"})
    assert test == pb.MetricSourceTest(status="Succeeded", duration_ms=test.duration_ms, samples=[sample])
    assert await code_of(stub.GetMetricSourceTest(pb.GetMetricSourceTestRequest(id=1), metadata=ADMIN)) == "NOT_FOUND"


async def test_test_by_a_collector_waits(stub: Any, world: World, web: Web) -> None:
    """The core asks nobody; the test is read by its number."""
    candidate = pb.MetricSourceDraft()
    candidate.CopyFrom(DRAFT)
    candidate.collector_id = await world.collector()
    test = (await stub.TestMetricSource(pb.TestMetricSourceRequest(candidate=candidate), metadata=ADMIN)).test
    assert test == pb.MetricSourceTest(id=test.id, status="Queued")
    assert (await stub.GetMetricSourceTest(pb.GetMetricSourceTestRequest(id=test.id), metadata=ADMIN)).test == test
    assert web.asked == []


async def test_tests_at_once_are_bounded(stub: Any, web: Web) -> None:
    """One that finds no room is refused, not kept waiting."""
    web.may_answer.clear()
    request = pb.TestMetricSourceRequest(candidate=DRAFT)
    running = [stub.TestMetricSource(request, metadata=ADMIN) for _ in range(TESTS_AT_ONCE + 1)]
    async with asyncio.timeout(WAIT_SECONDS):
        done, _ = await asyncio.wait([asyncio.ensure_future(settle(call)) for call in running], return_when=asyncio.FIRST_COMPLETED)
        assert {each.result() for each in done} == {"UNAVAILABLE"}
        web.may_answer.set()
        codes = [(await call.code()).name for call in running]
    assert sorted(codes) == ["OK"] * TESTS_AT_ONCE + ["UNAVAILABLE"]


async def settle(call: Any) -> str:
    """The code with which a call ends."""
    code: str = (await call.code()).name
    return code
