import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from lumetry_core.collectors.agent.address import Target
from lumetry_core.collectors.agent.buffer import DiskBuffer
from lumetry_core.collectors.agent.client import NAMESPACE, SOURCE
from lumetry_core.collectors.agent.host import host_labels
from lumetry_core.collectors.agent.process import EnrollmentError, Pace, Settings, run
from lumetry_core.collectors.agent.reading import Reading
from lumetry_core.collectors.agent.state import State, digest_token
from lumetry_core.runtime.clock import Clock

FIRST = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
BRISK = Pace(first_sample=0.001, first_retry=0.01, last_retry=0.02, refused_retry=0.01, drain=5.0)


@dataclass
class FakeHost:
    """A host whose memory use counts its readings, so that order and gaps show."""

    readings: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    tellers: set[asyncio.Task[None]] = field(default_factory=set)

    def read(self) -> Reading:
        reading = Reading(FIRST + timedelta(seconds=self.readings), float(self.readings), memory_percent=float(self.readings))
        self.readings += 1
        teller = asyncio.create_task(self.tell())
        self.tellers.add(teller)
        teller.add_done_callback(self.tellers.discard)
        return reading

    async def tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def until(self, readings: int) -> None:
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(lambda: self.readings >= readings)


@pytest.fixture
async def host() -> FakeHost:
    return FakeHost()


def settings(core: Any, folder: Path, token: str | None = "lmte_good", interval_seconds: float = 0.005) -> Settings:
    return Settings(Target(f"127.0.0.1:{core.port}", secure=False), token, folder, interval_seconds, pace=BRISK)


@asynccontextmanager
async def running(chosen: Settings, host: FakeHost, clock: Clock) -> AsyncIterator[None]:
    """Runs a collector inside the block and ends it in good order."""
    stop = asyncio.Event()
    process = asyncio.create_task(run(chosen, stop, host=host, clock=clock, share=lambda: 1.0))
    yield
    stop.set()
    await process


def values(points: list[metrics_pb.Point]) -> list[float]:
    return [point.value for point in points]


async def test_run_enrolls_and_delivers_what_the_host_shows(core: Any, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """Points carry the host's labels and the time of their reading; a heartbeat tells that the process lives."""
    async with running(settings(core, tmp_path), host, clock):
        await core.until(lambda: len(core.points) >= 2 and core.heartbeats)
    [enrollment] = core.enrollments
    state = State(tmp_path)
    assert enrollment.installation_id == state.installation_id
    state.close()
    assert enrollment.hostname == host_labels(tmp_path)["host.name"]
    assert list(enrollment.capabilities) == ["host_metrics"]
    expected = metrics_pb.Point(
        metric_key="host.memory.percent", value=1.0, labels=host_labels(tmp_path), namespace=NAMESPACE, source=SOURCE
    )
    expected.time.FromDatetime(FIRST + timedelta(seconds=1))
    assert core.points[0] == expected
    beat = core.heartbeats[0]
    assert beat.send_time.ToDatetime(UTC) == clock.now()
    assert (beat.dropped_count, list(beat.capabilities)) == (0, ["host_metrics"])


async def test_run_buffers_an_outage_and_delivers_it_in_order(core: Any, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """No reading of an outage is lost, and all arrive in the order in which they were made."""
    async with running(settings(core, tmp_path), host, clock):
        await core.until(lambda: len(core.points) >= 3)
        await core.go_away()
        await host.until(host.readings + 40)
        seen = len(core.points)
        await core.start()
        await core.until(lambda: len(core.points) >= seen + 60)
    await core.tell()
    received = list(dict.fromkeys(values(core.points)))  # a call whose answer was lost is repeated
    assert received == [float(number) for number in range(1, host.readings)]
    assert max(len(batch) for batch in core.batches) >= 30
    assert len(core.enrollments) == 1


async def test_run_starts_sampling_before_the_server_is_there(core: Any, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """A collector that cannot enroll yet loses nothing meanwhile."""
    await core.go_away()
    async with running(settings(core, tmp_path), host, clock):
        await host.until(20)
        await core.start()
        await core.until(lambda: len(core.points) >= 20)
    assert values(core.points)[:19] == [float(number) for number in range(1, 20)]


async def test_run_again_uses_the_credential_and_what_is_buffered(core: Any, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """A restart needs no token, and delivers what the process before could not."""
    async with running(settings(core, tmp_path), host, clock):
        await core.until(lambda: core.points)
        await core.go_away()
        await host.until(host.readings + 10)
    before = host.readings
    await core.start()
    async with running(settings(core, tmp_path, token=None), host, clock):
        await core.until(lambda: len(set(values(core.points))) >= before)
    assert len(core.enrollments) == 1
    received = list(dict.fromkeys(values(core.points)))
    assert received == sorted(received)
    assert set(range(1, before)) <= set(received)


async def test_run_with_a_new_token_enrolls_again(core: Any, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """Another token means that the operator wants another enrollment."""
    async with running(settings(core, tmp_path), host, clock):
        await core.until(lambda: core.points)
    core.token = "lmte_next"
    core.credential = "lmtc_next"
    async with running(settings(core, tmp_path, token="lmte_next"), host, clock):
        await core.until(lambda: len(core.enrollments) == 2 and len(core.batches) >= 3)
    state = State(tmp_path)
    credential = state.load_credential()
    state.close()
    assert credential is not None
    assert (credential.secret, credential.token_digest) == ("lmtc_next", digest_token("lmte_next"))


@pytest.mark.parametrize(("token", "text"), [(None, "needs an enrollment token"), ("lmte_bad", "refuses the enrollment token")])
async def test_run_without_a_usable_token_fails(
    core: Any, host: FakeHost, tmp_path: Path, clock: Clock, token: str | None, text: str
) -> None:
    """Waiting would not help, so the process ends and says what to do."""
    with pytest.raises(EnrollmentError, match=text):
        await run(settings(core, tmp_path, token), asyncio.Event(), host=host, clock=clock)


async def test_run_with_a_revoked_credential_keeps_points_and_asks_again(core: Any, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """Points wait in the buffer; a credential that is valid after all is used."""
    good = core.credential
    async with running(settings(core, tmp_path), host, clock):
        await core.until(lambda: core.points)
        core.credential = "revoked"
        await core.until(lambda: core.refused >= 3)
        core.credential = good
        await core.until(lambda: len(core.points) >= 30)
    assert values(core.points) == [float(number) for number in range(1, len(core.points) + 1)]


def refuse(*bad: float) -> Callable[[metrics_pb.IngestMetricsRequest], grpc.StatusCode | None]:
    def judge(request: metrics_pb.IngestMetricsRequest) -> grpc.StatusCode | None:
        return grpc.StatusCode.INVALID_ARGUMENT if set(bad) & set(values(list(request.points))) else None

    return judge


async def test_run_drops_only_the_records_that_are_rejected(core: Any, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """A rejected batch is sent record by record: bad ones are counted as dropped, good ones arrive."""
    core.judge = refuse(7.0, 12.0)
    await core.go_away()
    async with running(settings(core, tmp_path), host, clock):
        await host.until(20)
        await core.start()
        await core.until(lambda: len(core.points) >= 25)
    assert values(core.points)[:18] == [float(number) for number in range(1, 21) if number not in (7, 12)]
    buffer = DiskBuffer(tmp_path / "buffer")
    assert buffer.dropped_points == 2
    buffer.close()


async def test_run_keeps_points_on_a_fault_of_the_server(core: Any, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """What is not the request's fault is repeated, whatever the server calls it."""
    faults = [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED]
    core.judge = lambda _request: faults.pop() if faults else None
    async with running(settings(core, tmp_path), host, clock):
        await core.until(lambda: len(core.points) >= 10)
    assert faults == []
    assert values(core.points) == [float(number) for number in range(1, len(core.points) + 1)]


async def test_stop_delivers_what_waits(core: Any, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """A clean end leaves nothing behind while the server is there."""
    async with running(settings(core, tmp_path), host, clock):
        await host.until(30)
    assert values(core.points) == [float(number) for number in range(1, host.readings)]
    buffer = DiskBuffer(tmp_path / "buffer")
    assert buffer.pending_points == 0
    buffer.close()
