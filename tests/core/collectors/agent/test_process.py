import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from lumetry_core.collectors.agent import working
from lumetry_core.collectors.agent.buffer import DiskBuffer
from lumetry_core.collectors.agent.enrolling import EnrollmentError
from lumetry_core.collectors.agent.failures import RevokedError
from lumetry_core.collectors.agent.host import host_labels
from lumetry_core.collectors.agent.pacing import Pace
from lumetry_core.collectors.agent.process import run
from lumetry_core.collectors.agent.reading import Reading
from lumetry_core.collectors.agent.records import NAMESPACE, SOURCE
from lumetry_core.collectors.agent.settings import Settings, Surroundings
from lumetry_core.collectors.agent.state import State, digest_token
from lumetry_core.collectors.agent.wanted import Notifications, Polling
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.core.collectors.agent.product_double import COLLECTOR_ID, GrpcCore, HttpCore, rejection

FIRST = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
BRISK = Pace(first_sample=0.001, first_retry=0.01, last_retry=0.02, forbidden_retry=0.01, drain=5.0)

Core = GrpcCore | HttpCore


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


@dataclass
class SteadyHost:
    """A steady clock that goes with the fake host's readings, one second each."""

    host: FakeHost

    def __call__(self) -> float:
        return 1000.0 + self.host.readings


@dataclass
class FakeWorkers:
    """Workers that note what they are told."""

    told: list[Any] = field(default_factory=list)

    def __call__(self, _link: Any, _keep: Any) -> "FakeWorkers":
        return self

    def apply(self, polling: Polling, notifications: Notifications) -> None:
        self.told.append((polling, notifications))

    def withhold(self, *, is_duplicate: bool) -> None:
        self.told.append(is_duplicate)

    async def run(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture
async def host() -> FakeHost:
    return FakeHost()


@pytest.fixture(autouse=True)
def workers(monkeypatch: pytest.MonkeyPatch) -> FakeWorkers:
    fake = FakeWorkers()
    monkeypatch.setattr(working, "Workers", fake)
    return fake


def settings(core: Core, folder: Path, token: str | None = "lmte_good", interval_seconds: float | None = 0.005) -> Settings:
    return Settings(core.target, token, folder, interval_seconds, pace=BRISK)


def surroundings(host: FakeHost, clock: Clock) -> Surroundings:
    return Surroundings(clock=clock, host=host, share=lambda: 1.0)


@asynccontextmanager
async def running(chosen: Settings, host: FakeHost, clock: Clock) -> AsyncIterator[None]:
    """Runs a collector inside the block and ends it in good order."""
    stop = asyncio.Event()
    process = asyncio.create_task(run(chosen, stop, surroundings(host, clock)))
    yield
    stop.set()
    await process


def values(points: list[metrics_pb.Point]) -> list[float]:
    return [point.value for point in points]


def in_turn(points: list[metrics_pb.Point]) -> list[float]:
    """The values in the order in which they came to stay: calls whose answers were lost are repeated, and a herald comes twice."""
    return list(dict.fromkeys(reversed(values(points))))[::-1]


def expect(number: int, folder: Path) -> metrics_pb.Point:
    point = metrics_pb.Point(
        metric_key="host.memory.percent", value=float(number), labels=host_labels(folder), namespace=NAMESPACE, source=SOURCE
    )
    point.time.FromDatetime(FIRST + timedelta(seconds=number))
    return point


def refuse(*bad: float) -> Callable[[metrics_pb.IngestMetricsRequest], LumetryError | None]:
    def judge(request: metrics_pb.IngestMetricsRequest) -> LumetryError | None:
        return rejection() if set(bad) & set(values(list(request.points))) else None

    return judge


def stored_credential(folder: Path) -> tuple[str, str]:
    """The secret and the candidate beside it."""
    state = State(folder)
    credential = state.load_credential()
    state.close()
    assert credential is not None
    return credential.secret, credential.next_secret


async def test_run_enrolls_and_delivers_what_the_host_shows(core: Core, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """Points carry the host's labels and the time of their reading; a heartbeat tells that the process lives."""
    async with running(settings(core, tmp_path), host, clock):
        await core.until(lambda: len(core.points) >= 2 and core.heartbeats)
    [enrollment] = core.enrollments
    state = State(tmp_path)
    assert enrollment.installation_id == state.installation_id
    state.close()
    assert enrollment.hostname == host_labels(tmp_path)["host.name"]
    assert list(enrollment.capabilities) == ["host_metrics", *working.capabilities(), "relay"]
    assert core.points[0] == expect(1, tmp_path)
    beat = core.heartbeats[0]
    assert beat.send_time.ToDatetime(UTC) == clock.now()
    assert (beat.dropped_count, list(beat.capabilities)) == (0, list(enrollment.capabilities))


async def test_run_buffers_an_outage_and_delivers_it_in_order(core: Core, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """No reading of an outage is lost, and all arrive in the order in which they were made."""
    async with running(settings(core, tmp_path), host, clock):
        await core.until(lambda: len(core.points) >= 3)
        await core.go_away()
        await host.until(host.readings + 40)
        seen = len(core.points)
        await core.start()
        await core.until(lambda: len(core.points) >= seen + 60)
    await core.tell()
    assert in_turn(core.points) == [float(number) for number in range(1, host.readings)]
    assert max(len(batch) for batch in core.batches) >= 30
    assert len(core.enrollments) == 1


async def test_run_starts_sampling_before_the_server_is_there(core: Core, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """A collector that cannot enroll yet loses nothing meanwhile."""
    await core.go_away()
    async with running(settings(core, tmp_path), host, clock):
        await host.until(20)
        await core.start()
        await core.until(lambda: len(core.points) >= 20)
    assert in_turn(core.points)[:19] == [float(number) for number in range(1, 20)]


async def test_run_again_uses_the_credential_and_what_is_buffered(core: Core, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
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
    received = in_turn(core.points)
    assert received == sorted(received)
    assert set(range(1, before)) <= set(received)


async def test_run_with_a_new_token_enrolls_again(core: Core, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
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
    core: Core, host: FakeHost, tmp_path: Path, clock: Clock, token: str | None, text: str
) -> None:
    """Waiting would not help, so the process ends and says what to do."""
    with pytest.raises(EnrollmentError, match=text):
        await run(settings(core, tmp_path, token), asyncio.Event(), surroundings(host, clock))


async def test_run_drops_only_the_records_that_are_rejected(core: Core, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """A rejected batch is sent record by record: bad ones are counted as dropped, good ones arrive."""
    core.judge = refuse(7.0, 12.0)
    await core.go_away()
    async with running(settings(core, tmp_path), host, clock):
        await host.until(20)
        await core.start()
        await core.until(lambda: len(core.points) >= 25)
    assert in_turn(core.points)[:18] == [float(number) for number in range(1, 21) if number not in (7, 12)]
    buffer = DiskBuffer(tmp_path / "buffer")
    assert buffer.dropped_points == 2
    buffer.close()


async def test_run_keeps_points_on_a_fault_of_the_server(core: Core, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """What is not the request's fault is repeated, whatever the server calls it."""
    faults = [LumetryError(reason, "No.") for reason in (Reason.INTERNAL, Reason.OVERLOADED, Reason.RATE_LIMITED)]
    core.judge = lambda _request: faults.pop() if faults else None
    async with running(settings(core, tmp_path), host, clock):
        await core.until(lambda: len(core.points) >= 10)
    assert faults == []
    received = in_turn(core.points)
    assert received == [float(number) for number in range(1, len(received) + 1)]


async def test_stop_delivers_what_waits(core: Core, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """A clean end leaves nothing behind while the server is there."""
    async with running(settings(core, tmp_path), host, clock):
        await host.until(30)
    assert values(core.points) == [float(number) for number in range(1, host.readings)]
    buffer = DiskBuffer(tmp_path / "buffer")
    assert buffer.pending_points == 0
    buffer.close()


async def test_run_of_a_revoked_collector_ends_and_keeps_its_points(core: Core, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """It says so and sends nothing any more; what waits stays on disk."""
    process = asyncio.create_task(run(settings(core, tmp_path), asyncio.Event(), surroundings(host, clock)))
    await core.until(lambda: core.points)
    core.credential = "revoked"
    with pytest.raises(RevokedError, match="refuses this collector"):
        await process
    assert core.refused <= 4  # one call of each kind may be under way
    sent = len(core.points)
    assert values(core.points) == [float(number) for number in range(1, sent + 1)]
    buffer = DiskBuffer(tmp_path / "buffer")
    assert buffer.pending_points == host.readings - 1 - sent
    buffer.close()


async def test_run_is_not_revoked_by_something_on_the_way(http_core: HttpCore, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """What a proxy answers in the product's place is an outage, whatever its status says."""
    async with running(settings(http_core, tmp_path), host, clock):
        await http_core.until(lambda: http_core.points)
        for status in (401, 403, 200, 502):
            http_core.interloper = web.Response(status=status, text="<html>Sign in</html>", content_type="text/html")
            seen = http_core.refused
            await http_core.until(lambda seen=seen: http_core.refused >= seen + 3)  # type: ignore[misc]
        http_core.interloper = None
        seen = host.readings
        await http_core.until(lambda: len(http_core.points) >= seen)
    assert in_turn(http_core.points) == [float(number) for number in range(1, host.readings)]


async def test_run_waits_as_long_as_the_server_asks(core: Core, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """A server that is overloaded names its pause; nothing is sent before it is over."""
    loop = asyncio.get_running_loop()
    asked: list[float] = []

    def judge(_request: metrics_pb.IngestMetricsRequest) -> LumetryError | None:
        asked.append(loop.time())
        return LumetryError(Reason.OVERLOADED, "Too much.", retry_after_seconds="1") if len(asked) == 1 else None

    core.judge = judge
    async with running(settings(core, tmp_path), host, clock):
        await core.until(lambda: core.points)
    assert 1.0 <= asked[1] - asked[0] < 3.0


async def test_run_applies_a_configuration_and_says_so(core: Core, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """A new revision is fetched or pushed, applied, acknowledged at once, and kept for the next start."""
    await core.configure(hostMetrics={"enabled": False}, heartbeatIntervalSeconds=10)
    async with running(settings(core, tmp_path), host, clock):
        await core.until(lambda: core.heartbeats and core.heartbeats[-1].config_revision_applied == 2)
        await core.until(lambda: len(core.points) == host.readings - 1)
    beat = core.heartbeats[-1]
    assert (beat.config_apply_status, beat.config_apply_error) == ("applied", "")
    state = State(tmp_path)
    kept = state.load_config()
    state.close()
    assert kept is not None
    assert (kept.revision, kept.collector_id, kept.wanted.host_metrics.enabled) == (2, COLLECTOR_ID, False)
    await core.go_away()
    readings = host.readings
    async with running(settings(core, tmp_path, token=None), host, clock):
        await core.start()
        await core.until(lambda: core.heartbeats[-1].instance_id != beat.instance_id)
    assert core.heartbeats[-1].config_revision_applied == 2
    assert host.readings <= readings + 1  # what the last run applied holds from the start


async def test_run_follows_a_pushed_configuration(
    grpc_core: GrpcCore, host: FakeHost, tmp_path: Path, clock: Clock, workers: FakeWorkers
) -> None:
    """Over gRPC a change comes through the stream, long before the next heartbeat, and reaches the workers."""
    async with running(settings(grpc_core, tmp_path), host, clock):
        await grpc_core.until(lambda: grpc_core.watching and grpc_core.heartbeats[-1].config_revision_applied == 1)
        await grpc_core.configure(polling={"enabled": False, "maxConcurrency": 7}, notifications={"enabled": True})
        await grpc_core.until(lambda: grpc_core.heartbeats[-1].config_revision_applied == 2)
    assert workers.told[-1] == (Polling(enabled=False, max_concurrency=7), Notifications(enabled=True))
    assert len(grpc_core.heartbeats) <= 4


async def test_run_rejects_a_configuration_that_it_cannot_apply(core: Core, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """The server learns why, and everything stays as it was."""
    listener = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    port = listener.getsockname()[1]
    await core.configure(relay={"enabled": True, "port": port}, hostMetrics={"enabled": False})
    with closing(listener):
        async with running(settings(core, tmp_path), host, clock):
            await core.until(lambda: core.heartbeats and core.heartbeats[-1].config_revision_applied == 2)
            beat = core.heartbeats[-1]
            await host.until(host.readings + 3)
    assert beat.config_apply_status == "rejected"
    assert f"port {port}" in beat.config_apply_error
    state = State(tmp_path)
    kept = state.load_config()
    state.close()
    assert kept is None


async def test_run_rejects_values_out_of_range(core: Core, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """All that is wrong is named, and nothing of the configuration is applied."""
    await core.configure(heartbeatIntervalSeconds=1, relay={"port": 0}, hostMetrics={"enabled": False})
    async with running(settings(core, tmp_path), host, clock):
        await core.until(lambda: core.heartbeats and core.heartbeats[-1].config_revision_applied == 2)
        await host.until(host.readings + 3)
    assert core.heartbeats[-1].config_apply_status == "rejected"
    assert core.heartbeats[-1].config_apply_error == (
        "heartbeatIntervalSeconds 1 is not within 10 and 300; relay.port 0 is not within 1 and 65535"
    )


async def test_run_lets_options_stand_above_the_configuration(
    core: Core, host: FakeHost, tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """An interval that was given stays, and the log tells what is configured instead."""
    await core.configure(hostMetrics={"intervalSeconds": 3600})
    async with running(settings(core, tmp_path), host, clock):
        await core.until(lambda: core.heartbeats and core.heartbeats[-1].config_revision_applied == 2)
        await host.until(host.readings + 5)
    told = [line for line in capsys.readouterr().out.splitlines() if "stands above" in line]
    assert [("3600" in line, "--interval" in line) for line in told] == [(False, True), (True, True)]


async def test_run_rotates_the_credential(core: Core, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """The fresh secret takes the place of the old one as soon as the server has seen it, without a gap in the points."""
    core.wants_rotation = True
    async with running(settings(core, tmp_path), host, clock):
        await core.until(lambda: core.credential == "lmtc_1" and len(core.points) >= 10)
    assert core.rotations == 1
    received = in_turn(core.points)
    assert received == [float(number) for number in range(1, len(received) + 1)]
    assert stored_credential(tmp_path) == ("lmtc_1", "")


@pytest.mark.parametrize("valid", ["lmtc_old", "lmtc_fresh"])
async def test_run_after_a_rotation_that_was_cut_off(core: Core, host: FakeHost, tmp_path: Path, clock: Clock, valid: str) -> None:
    """With both candidates on disk a collector goes on, whichever of them the server takes."""
    async with running(settings(core, tmp_path), host, clock):
        await core.until(lambda: core.points)
    state = State(tmp_path)
    credential = state.load_credential()
    assert credential is not None
    state.save_credential(msgspec.structs.replace(credential, secret="lmtc_old", next_secret="lmtc_fresh"))
    state.close()
    core.credential = valid
    async with running(settings(core, tmp_path), host, clock):
        seen = host.readings
        await core.until(lambda: values(core.points)[-1] >= seen)
    assert stored_credential(tmp_path) == (valid, "")


async def test_run_tells_of_a_suspected_duplicate(
    core: Core, host: FakeHost, tmp_path: Path, clock: Clock, workers: FakeWorkers, capsys: pytest.CaptureFixture[str]
) -> None:
    """Points go on; work is withheld, and the log says what is wrong."""
    core.status = "duplicate_suspected"
    async with running(settings(core, tmp_path), host, clock):
        await core.until(lambda: len(core.heartbeats) >= 2 and len(core.points) >= 5)
    assert True in workers.told
    assert "two processes run under this collector's identity" in capsys.readouterr().out


@pytest.mark.parametrize("hours", [-2, 2])
async def test_run_with_a_wrong_clock_sends_the_server_s_time(core: Core, host: FakeHost, tmp_path: Path, clock: Clock, hours: int) -> None:
    """Points from before and after the first answer alike are of the server's time; the skew is reported as it is."""
    core.server_time = lambda: FIRST + timedelta(hours=hours, seconds=host.readings)
    await core.go_away()
    stop = asyncio.Event()
    process = asyncio.create_task(run(settings(core, tmp_path), stop, replace(surroundings(host, clock), steady=SteadyHost(host))))
    await host.until(5)
    await core.start()
    await core.until(lambda: len(core.points) >= 12)
    stop.set()
    await process
    off = [point.time.ToDatetime(UTC) - FIRST - timedelta(hours=hours, seconds=point.value) for point in core.points]
    assert max(map(abs, off)) <= timedelta(minutes=1)  # a call takes many of the fast seconds of this clock
    assert core.heartbeats[0].send_time.ToDatetime(UTC) == clock.now()


async def test_run_sends_the_newest_sample_before_what_an_outage_left(core: Core, host: FakeHost, tmp_path: Path, clock: Clock) -> None:
    """Points of an outage come after a newer one, so that the server takes them for late; all of them still come in their turn."""
    await core.go_away()
    async with running(settings(core, tmp_path), host, clock):
        await host.until(100)
        await core.start()
        await core.until(lambda: len(core.points) >= 120)
    first = values(core.points)[0]
    assert first >= 99
    assert values(core.points)[1:100] == [float(number) for number in range(1, 100)]
    assert in_turn(core.points) == [float(number) for number in range(1, host.readings)]


async def test_run_tells_of_an_outage_that_it_starts_in(
    core: Core, host: FakeHost, tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Points that wait for the server's time wait for the server, and people learn of that."""
    async with running(settings(core, tmp_path), host, clock):
        await core.until(lambda: core.points)
    await core.go_away()
    capsys.readouterr()
    told = ""
    async with running(settings(core, tmp_path), host, clock):
        while "the server cannot be reached, points are buffered" not in told:
            await host.until(host.readings + 1)
            told += capsys.readouterr().out
    assert told.count("the server cannot be reached") == 1
