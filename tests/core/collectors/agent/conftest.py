import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from lumetry.collectors.v1 import collector_service_pb2 as collectors_pb
from lumetry.collectors.v1.collector_service_pb2_grpc import CollectorServiceServicer, add_CollectorServiceServicer_to_server
from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from lumetry.metrics.v1.ingestion_service_pb2_grpc import IngestionServiceServicer, add_IngestionServiceServicer_to_server

COLLECTOR_ID = "d97e2b99-81bd-43aa-823d-dc5f78cd5429"
Judge = Callable[[metrics_pb.IngestMetricsRequest], grpc.StatusCode | None]


@dataclass
class FakeCore(CollectorServiceServicer, IngestionServiceServicer):
    """A core that remembers what it is told. It can go away and come back on the same port."""

    token: str = "lmte_good"
    credential: str = "lmtc_good"
    judge: Judge = lambda _request: None
    """Why a batch is refused; None: it is accepted."""
    enrollments: list[collectors_pb.EnrollCollectorRequest] = field(default_factory=list)
    heartbeats: list[collectors_pb.SendHeartbeatRequest] = field(default_factory=list)
    batches: list[list[metrics_pb.Point]] = field(default_factory=list)
    refused: int = 0
    port: int = 0
    server: grpc.aio.Server | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def points(self) -> list[metrics_pb.Point]:
        return [point for batch in self.batches for point in batch]

    async def start(self) -> None:
        self.server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        add_CollectorServiceServicer_to_server(self, self.server)
        add_IngestionServiceServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self.server.start()

    async def go_away(self) -> None:
        assert self.server is not None
        await self.server.stop(None)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits until something holds; it is looked at after every call."""
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(holds)

    async def tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def check(self, context: Any, secret: str) -> None:
        if dict(context.invocation_metadata()).get("authorization") != f"Bearer {secret}":
            self.refused += 1
            await self.tell()
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "The credential is missing, unknown, expired or revoked.")

    async def EnrollCollector(self, request: Any, context: Any) -> collectors_pb.EnrollCollectorResponse:  # noqa: N802 -- generated names
        await self.check(context, self.token)
        self.enrollments.append(request)
        await self.tell()
        return collectors_pb.EnrollCollectorResponse(
            collector_id=COLLECTOR_ID, credential=self.credential, config_revision=1, heartbeat_interval_seconds=30
        )

    async def SendHeartbeat(self, request: Any, context: Any) -> collectors_pb.SendHeartbeatResponse:  # noqa: N802
        await self.check(context, self.credential)
        self.heartbeats.append(request)
        await self.tell()
        return collectors_pb.SendHeartbeatResponse(status="active")

    async def IngestMetrics(self, request: Any, context: Any) -> metrics_pb.IngestMetricsResponse:  # noqa: N802
        await self.check(context, self.credential)
        code = self.judge(request)
        if code is not None:
            await context.abort(code, "No.")
        self.batches.append(list(request.points))
        await self.tell()
        return metrics_pb.IngestMetricsResponse()

    async def CreateCollector(self, request: Any, context: Any) -> collectors_pb.CreateCollectorResponse:  # noqa: N802
        raise NotImplementedError

    async def ListCollectors(self, request: Any, context: Any) -> collectors_pb.ListCollectorsResponse:  # noqa: N802
        raise NotImplementedError

    async def StreamMetrics(self, request_iterator: Any, context: Any) -> metrics_pb.StreamMetricsResponse:  # noqa: N802
        raise NotImplementedError

    async def IngestColumns(self, request: Any, context: Any) -> metrics_pb.IngestColumnsResponse:  # noqa: N802
        raise NotImplementedError


@pytest.fixture
async def core() -> AsyncIterator[FakeCore]:
    """A running core."""
    fake = FakeCore()
    await fake.start()
    yield fake
    await fake.go_away()
