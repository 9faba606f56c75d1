"""A product as an agent sees it, and a host that shows what it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as agents_pb
from lumetry.hostagents.v1.host_agent_channel_service_pb2_grpc import (
    HostAgentChannelServiceServicer,
    add_HostAgentChannelServiceServicer_to_server,
)
from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from lumetry.metrics.v1.ingestion_service_pb2_grpc import add_IngestionServiceServicer_to_server
from lumetry_core.collectors.agent.address import Target
from lumetry_core.collectors.agent.hostagent.agent import run_agent
from lumetry_core.collectors.agent.hostagent.settings import AgentSettings, Surroundings
from lumetry_core.collectors.agent.hostagent.usage import Process, ProcessReading
from lumetry_core.collectors.agent.pacing import Pace
from lumetry_core.collectors.agent.reading import CpuTimes, Reading
from lumetry_core.collectors.agent.relay import Relay
from tests.conformance.collector.columns import ColumnReader, UnknownDictionaryError

AGENT_KEY = "6c1c6f9e-1d0a-4a51-9a54-0a5a1ac0ffee"
COLLECTOR_ID = "d97e2b99-81bd-43aa-823d-dc5f78cd5429"
TOKEN, CREDENTIAL = "lmtae_good", "lmta_good"
HOST_METRICS = ("host.cpu.percent", "host.memory.percent")
PROCESS_METRICS = ("process.cpu.percent", "process.memory.percent", "process.rss.bytes")


def wanted_pack(pack_id: str, metrics: tuple[str, ...], **more: Any) -> agents_pb.WantedPack:
    return agents_pb.WantedPack(pack_id=pack_id, version=1, metrics=metrics, interval_seconds=10, **more)


@dataclass
class FakeProduct(HostAgentChannelServiceServicer):
    """Remembers what it is told and answers as it is told. It can go away and come back on the same port."""

    required_relay: str | None = None
    enabled: bool = True
    is_revoked: bool = False
    refuses_points: bool = False
    is_overloaded: bool = False
    """Whether points find no room."""
    beat_seconds: int = 1
    """Between heartbeats, of agents that enroll."""
    packs: list[agents_pb.WantedPack] = field(default_factory=lambda: [wanted_pack("host.linux", HOST_METRICS)])
    labels: dict[str, str] = field(default_factory=dict)
    max_series: int = 2000
    enrollments: list[agents_pb.EnrollHostAgentRequest] = field(default_factory=list)
    heartbeats: list[agents_pb.SendHostAgentHeartbeatRequest] = field(default_factory=list)
    reports: list[agents_pb.ReportHostProcessesRequest] = field(default_factory=list)
    columns: ColumnReader = field(default_factory=ColumnReader)
    points: list[metrics_pb.Point] = field(default_factory=list)
    relays: list[str | None] = field(default_factory=list)
    """Of each batch of points."""
    refused: int = 0
    port: int = 0
    server: grpc.aio.Server | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def target(self) -> Target:
        return Target(f"127.0.0.1:{self.port}", secure=False)

    async def start(self) -> None:
        self.server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        add_HostAgentChannelServiceServicer_to_server(self, self.server)
        add_IngestionServiceServicer_to_server(self, self.server)  # type: ignore[arg-type]
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

    async def judge(self, context: Any, secret: str) -> str | None:
        """Refuses what the product would; answers the relay of the call."""
        metadata = dict(context.invocation_metadata())
        relay: str | None = metadata.get("x-lumetry-relay")
        if metadata.get("authorization") != f"Bearer {secret}" or self.is_revoked:
            await self.refuse(context, grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
        if self.required_relay is not None and relay != self.required_relay:
            await self.refuse(context, grpc.StatusCode.PERMISSION_DENIED, "RELAY_REQUIRED", collector_id=self.required_relay)
        return relay

    async def refuse(self, context: Any, code: grpc.StatusCode, reason: str, **metadata: str) -> None:
        self.refused += 1
        await self.tell()
        status = status_pb2.Status(code=code.value[0], message=reason)
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="lumetry", metadata=metadata))
        await context.abort(code, reason, (("grpc-status-details-bin", status.SerializeToString()),))

    async def EnrollHostAgent(self, request: Any, context: Any) -> agents_pb.EnrollHostAgentResponse:  # noqa: N802 -- generated names
        await self.judge(context, TOKEN)
        self.enrollments.append(request)
        await self.tell()
        return agents_pb.EnrollHostAgentResponse(
            agent_id=7, agent_key=AGENT_KEY, credential=CREDENTIAL, heartbeat_interval_seconds=self.beat_seconds
        )

    async def SendHostAgentHeartbeat(self, request: Any, context: Any) -> agents_pb.SendHostAgentHeartbeatResponse:  # noqa: N802
        await self.judge(context, CREDENTIAL)
        self.heartbeats.append(request)
        await self.tell()
        answer = agents_pb.SendHostAgentHeartbeatResponse(
            enabled=self.enabled, config_revision=1, packs=self.packs, labels=self.labels, max_series=self.max_series
        )
        answer.server_time.FromDatetime(datetime.now(UTC))
        return answer

    async def ReportHostProcesses(self, request: Any, context: Any) -> agents_pb.ReportHostProcessesResponse:  # noqa: N802
        await self.judge(context, CREDENTIAL)
        self.reports.append(request)
        await self.tell()
        return agents_pb.ReportHostProcessesResponse(accepted_count=len(request.processes))

    async def IngestMetrics(self, request: Any, context: Any) -> metrics_pb.IngestMetricsResponse:  # noqa: N802
        relay = await self.judge(context, CREDENTIAL)
        if self.is_overloaded:
            await self.refuse(context, grpc.StatusCode.UNAVAILABLE, "OVERLOADED")
        if self.refuses_points or not self.enabled:
            await self.refuse(context, grpc.StatusCode.PERMISSION_DENIED, "AGENT_DISABLED")
        self.points.extend(request.points)
        self.relays.append(relay)
        await self.tell()
        return metrics_pb.IngestMetricsResponse(batch=metrics_pb.AcceptedBatch(accepted_count=len(request.points)))

    async def StreamMetrics(self, request_iterator: Any, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError

    async def IngestColumns(self, request: Any, context: Any) -> Any:  # noqa: N802
        try:
            batch = self.columns.read(request)
        except UnknownDictionaryError:
            await self.refuse(context, grpc.StatusCode.FAILED_PRECONDITION, "UNKNOWN_DICTIONARY")
        await self.IngestMetrics(batch, context)
        return metrics_pb.IngestColumnsResponse(results=[metrics_pb.ColumnBatchResult()])

    async def StreamColumns(self, request_iterator: Any, context: Any) -> Any:  # noqa: N802
        raise NotImplementedError


@dataclass
class ScriptedHost:
    """A host whose processor is half busy and whose processes are told."""

    processes: dict[str, int] = field(default_factory=lambda: {"nginx": 4096, "cron": 1024})
    """Bytes by executable."""
    reads: int = 0
    looked: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_read(self, times: int) -> None:
        """Waits until it was looked at so often."""
        async with asyncio.timeout(30):
            while self.reads < times:
                self.looked.clear()
                await self.looked.wait()

    def read_host(self) -> Reading:
        self.reads += 1
        self.looked.set()
        return Reading(datetime.now(UTC), float(self.reads), CpuTimes(self.reads * 1.0, self.reads * 2.0), memory_percent=25.0, load1=1.0)

    def read_processes(self) -> ProcessReading:
        self.reads += 1
        self.looked.set()
        found = {(number, 1.0): Process(name, 0.0, rss) for number, (name, rss) in enumerate(sorted(self.processes.items()))}
        return ProcessReading(datetime.now(UTC), float(self.reads), 8192, found)


@dataclass(frozen=True)
class Reader:
    """Something to read from."""

    read: Callable[[], Any]


@dataclass
class Rig:
    """A product, agents of it, and what else a test starts."""

    product: FakeProduct
    host: ScriptedHost
    folder: Path
    stack: AsyncExitStack

    def settings(self, **more: Any) -> AgentSettings:
        pace = Pace(first_sample=0.01, first_retry=0.05, last_retry=0.2, drain=2.0)
        given: dict[str, Any] = {
            "target": self.product.target,
            "collector": None,
            "enrollment_token": TOKEN,
            "state_folder": self.folder,
            "host_id": "host-1",
            "hostname": "web-1",
            "pace": pace,
        }
        return AgentSettings(**(given | more))

    def start(self, settings: AgentSettings | None = None) -> "Running":
        surroundings = Surroundings(share=lambda: 1.0, host=Reader(self.host.read_host), processes=Reader(self.host.read_processes))
        stop = asyncio.Event()
        running = Running(asyncio.create_task(run_agent(settings or self.settings(), stop, surroundings)), stop)
        self.stack.push_async_callback(running.end)
        return running

    async def relay(self) -> Relay:
        """A relay in front of the product."""
        relay = Relay(Reached(self.product.target), 0)  # type: ignore[arg-type]
        await relay.start()
        self.stack.push_async_callback(relay.close)
        return relay


@dataclass(frozen=True)
class Reached:
    """What a relay needs to know of its collector's link."""

    target: Target
    identity: str = COLLECTOR_ID


@dataclass
class Running:
    """A running agent."""

    task: "asyncio.Task[None]"
    stop: asyncio.Event

    async def end(self) -> None:
        """Tells it to stop and waits until it has."""
        self.stop.set()
        await asyncio.wait({self.task})


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        product = FakeProduct()
        await product.start()
        stack.push_async_callback(product.go_away)
        yield Rig(product, ScriptedHost(), tmp_path / "state", stack)
