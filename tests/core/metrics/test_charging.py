"""What pushing points costs."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from lumetry.metrics.v1 import ingestion_service_pb2, ingestion_service_pb2_grpc
from lumetry_core.metrics.rpc.ingestion import IngestionServicer
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.metrics.service.senders import SenderBook
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission, RateClass
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin, RateState
from lumetry_core.runtime.server import build_server, read_accesses
from tests.conftest import FakeClock
from tests.core.metrics.test_rpc import make_columns, make_point

SERVICE = "lumetry.metrics.v1.IngestionService"
CALLER = Caller(7, CredentialKind.API_TOKEN, credential_id=5, permissions=frozenset({Permission.INGEST_METRICS}))


@dataclass
class Purse:
    """A limiter with so many tokens, which remembers what was taken."""

    tokens: int = 100
    charges: list[tuple[RateClass, int]] = field(default_factory=list)

    async def charge(self, origin: Origin, rate: RateClass, caller: Caller, cost: int) -> RateState:
        if cost > self.tokens:
            raise LumetryError(Reason.RATE_LIMITED, "Too many requests.", retry_after_seconds="1", limit="1", remaining="0", reset="9")
        self.tokens -= cost
        self.charges.append((rate, cost))
        return RateState(1, self.tokens, 9)

    def charge_stranger(self, origin: Origin) -> RateState:
        raise NotImplementedError


async def authenticate(origin: Origin) -> Caller:
    """Knows everybody."""
    return CALLER


@pytest.fixture
def purse() -> Purse:
    return Purse()


@pytest.fixture
async def stub(database: Database, clock: FakeClock, appender: Appender, purse: Purse) -> AsyncIterator[Any]:
    services = {
        SERVICE: (
            ingestion_service_pb2_grpc.add_IngestionServiceServicer_to_server,
            IngestionServicer(appender, SenderBook(database, clock), clock),
        )
    }
    server = build_server("127.0.0.1:0", services, read_accesses(services), authenticate, reflect=False, limiter=purse)
    await server.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield ingestion_service_pb2_grpc.IngestionServiceStub(channel)
    await server.server.stop(None)


async def test_ingest_columns_costs_one_per_batch(stub: Any, clock: FakeClock, purse: Purse) -> None:
    """Each batch that shares a call counts; columns without sizes are one."""
    points = [(0, 0, 1.0), (0, 1, 2.0), (0, 2, 3.0)]
    await stub.IngestColumns(make_columns(clock.now(), points, [1, 1, 1], define=[(0, "m", {})]))
    await stub.IngestColumns(make_columns(clock.now(), points))
    assert purse.charges == [(RateClass.INGEST, 1), (RateClass.INGEST, 2), (RateClass.INGEST, 1)]


async def test_ingest_columns_over_the_rate_stores_nothing(stub: Any, clock: FakeClock, purse: Purse) -> None:
    """The batches of a call are accepted or refused together, and a refused call costs nothing."""
    purse.tokens = 2
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.IngestColumns(make_columns(clock.now(), [(0, 0, 1.0), (0, 1, 2.0), (0, 2, 3.0)], [1, 1, 1], define=[(0, "m", {})]))
    assert (refused.value.code(), purse.tokens) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 2)


async def test_stream_columns_costs_one_per_batch_as_it_comes(stub: Any, clock: FakeClock, purse: Purse) -> None:
    """The stream ends with the batches that it cannot pay; those before them are accepted."""
    purse.tokens = 4
    call = stub.StreamColumns()
    for sizes in ([1, 1], [2], [1, 1]):
        columns = make_columns(clock.now(), [(0, 0, 1.0), (0, 1, 2.0)], sizes, define=[(0, "m", {})])
        await call.write(ingestion_service_pb2.StreamColumnsRequest(columns=columns))
    accepted = 0
    while accepted < 3:
        accepted += len((await call.read()).results)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call.read()
    assert (accepted, refused.value.code(), purse.tokens) == (3, grpc.StatusCode.RESOURCE_EXHAUSTED, 1)


async def test_stream_metrics_costs_one_per_batch(stub: Any, clock: FakeClock, purse: Purse) -> None:
    """The first was paid with the call."""
    request = ingestion_service_pb2.StreamMetricsRequest(points=[make_point(clock.now(), "m", 1.0)])
    await stub.IngestMetrics(ingestion_service_pb2.IngestMetricsRequest(points=request.points))
    assert (await stub.StreamMetrics(iter([request] * 3))).batch_count == 3
    assert sum(cost for _rate, cost in purse.charges) == 4
