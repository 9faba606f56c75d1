"""What a collector must do, step by step; each step begins where the one before ended."""

import asyncio
import os
import re
import signal
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from lumetry.collectors.v1 import config_pb2, work_pb2
from tests.conformance.collector.judge import HEARTBEAT_SECONDS, SAMPLE_SECONDS, TOKEN, BreachError, Judge, Seen, make_item, run_judge

METRIC_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/-]{0,254}")
MAX_SKEW_SECONDS = 5.0
OUTAGE_SECONDS = 2.5 * SAMPLE_SECONDS
KNOWN_CAPABILITIES = re.compile(r"host_metrics|poll:[a-z]+|source_test|notification|relay")
QUIET_CALLS = 6
"""Calls that a revoked collector may still make within half a minute."""


@dataclass(slots=True)
class Trial:
    """A collector under test and the server that judges it."""

    judge: Judge
    address: str
    target: str
    command: Sequence[str]
    folder: Path
    process: asyncio.subprocess.Process | None = None
    steady_time: float = 0.0
    """Unix time from which samples come at the wanted interval."""

    async def start(self, *, token: str | None) -> None:
        """Starts the command; it reads everything that it needs from its environment."""
        given = {"LUMETRY_URL": f"grpc://{self.address}", "LUMETRY_STATE_DIR": str(self.folder / "state")}
        if token is not None:
            given["LUMETRY_ENROLLMENT_TOKEN"] = token
        with (self.folder / "collector.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, env={**os.environ, **given}, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def kill(self, number: int = signal.SIGKILL) -> None:
        """Ends the process, unless it has ended."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)
            await self.process.wait()


def demand(holds: object, breach: str) -> None:
    """Raises BreachError unless something holds."""
    if not holds:
        raise BreachError(breach)


async def enrolls_once(trial: Trial) -> None:
    """Enrolls with the token; repeats it with the same installation when the answer is lost, and uses the later credential."""
    judge = trial.judge
    judge.lose.add("EnrollCollector")
    await trial.start(token=TOKEN)
    await judge.wait_for("repeat an enrollment whose answer was lost", lambda: len(judge.calls("EnrollCollector")) == 2)
    first, second = judge.calls("EnrollCollector")
    for call in (first, second):
        demand(is_uuid(call.request.installation_id), "installation_id is no UUID")
        demand(call.request.hostname, "an enrollment carries no hostname")
        demand(all(KNOWN_CAPABILITIES.fullmatch(name) for name in call.request.capabilities), "a capability is unknown")
    demand(first.request.installation_id == second.request.installation_id, "a repeated enrollment has another installation_id")
    await judge.wait_for("send a heartbeat", lambda: judge.calls("SendHeartbeat"))


async def lives(trial: Trial) -> None:
    """Sends heartbeats at the interval, with one instance, a clock, a version and counts."""
    judge = trial.judge
    beats: list[Seen] = await judge.wait_for(
        "send three heartbeats", lambda: judge.calls("SendHeartbeat")[2:] and judge.calls("SendHeartbeat")
    )
    newest = beats[-1].request
    demand(is_uuid(newest.instance_id), "instance_id is no UUID")
    demand(len({beat.request.instance_id for beat in beats}) == 1, "instance_id changes while the process runs")
    skew = abs((newest.send_time.ToDatetime(UTC) - datetime.now(UTC)).total_seconds())
    demand(skew <= MAX_SKEW_SECONDS, f"send_time is {skew:.1f} s away from now")
    demand(newest.version, "a heartbeat carries no version")
    demand(newest.queue_depth >= 0 and newest.dropped_count >= 0, "a count is negative")


async def sends_points(trial: Trial) -> None:
    """Sends valid points with its credential."""
    judge = trial.judge
    call: Seen = (await judge.wait_for("send points", lambda: judge.calls("IngestMetrics")))[-1]
    demand(1 <= len(call.request.points) <= 10_000, "a batch holds no or more than 10,000 points")
    for point in call.request.points:
        demand(METRIC_KEY.fullmatch(point.metric_key), f"{point.metric_key!r} is no metric key")
        age = (datetime.now(UTC) - point.time.ToDatetime(UTC)).total_seconds()
        demand(-MAX_SKEW_SECONDS <= age <= 60, f"a fresh point is {age:.0f} s old")
        demand(point.value == point.value, "a value is not a number")


async def applies_config(trial: Trial) -> None:
    """Takes a new revision and acknowledges it."""
    judge = trial.judge
    judge.config = wanted_config(SAMPLE_SECONDS)
    judge.revision += 1
    judge.tell()

    def acknowledged() -> list[Seen]:
        return [call for call in judge.calls("SendHeartbeat") if call.request.config_revision_applied == judge.revision]

    beat = (await judge.wait_for("acknowledge the new configuration", acknowledged))[0].request
    demand(beat.config_apply_status in ("", "applied") and not beat.config_apply_error, "a plain configuration was rejected")
    trial.steady_time = time_now() + SAMPLE_SECONDS


async def survives_outage(trial: Trial) -> None:
    """Keeps points while the server is away and delivers them in order, with those of an upload whose answer was lost."""
    judge = trial.judge
    await judge.wait_for("send points", lambda: judge.calls("IngestMetrics", time.monotonic() - SAMPLE_SECONDS))
    begin = time.monotonic()
    judge.is_away = True
    await asyncio.sleep(OUTAGE_SECONDS)
    judge.lose.add("IngestMetrics")
    judge.is_away = False
    judge.tell()
    await judge.wait_for("deliver after the outage", lambda: len(judge.calls("IngestMetrics", begin)) >= 2, 60)
    await delivers_all(trial)


async def rotates(trial: Trial) -> None:
    """Fetches a fresh credential when it is asked to, also when the first answer is lost, and keeps to it."""
    judge = trial.judge
    old = judge.secrets[-1]
    judge.lose.add("RotateCollectorCredential")
    judge.wants_rotation = True
    judge.tell()
    await judge.wait_for("repeat a rotation whose answer was lost", lambda: len(judge.calls("RotateCollectorCredential")) >= 2, 60)
    await judge.wait_for("use the fresh credential", lambda: old in judge.ended, 60)
    fresh = judge.secrets[-1]
    begin = time.monotonic()
    beat = (await judge.wait_for("go on with its heartbeats", lambda: judge.calls("SendHeartbeat", begin)))[-1]
    demand(beat.secret == fresh, "a heartbeat carries another credential than the fresh one")


async def works(trial: Trial) -> None:
    """Does the work that it declares, and reports each outcome once."""
    judge = trial.judge
    declared = set(judge.calls("SendHeartbeat")[-1].request.capabilities)
    items = []
    if "notification" in declared:
        headers = {"Content-Type": "application/json", "X-Lumetry-Delivery": "d-1"}
        work = work_pb2.NotificationWork(delivery_id="d-1", url=f"{trial.target}/hook", method="POST", headers=headers, body=b'{"a":1}')
        items.append(make_item(notification=work))
    if "poll:http" in declared:
        item = work_pb2.SourceItem(metric_key="conformance.depth", query="$.queues[*]", value_column="depth", label_columns=["name"])
        target = work_pb2.SourceTarget(base_url=f"{trial.target}/stats")
        items.append(make_item(poll=work_pb2.SourceWork(source_id=1, type="http", target=target, items=[item], timeout_ms=5000)))
    begin = time.monotonic()
    judge.work += items
    judge.tell()
    for item in items:
        outcome = await judge.wait_for("complete claimed work", lambda item=item: judge.outcomes.get(item.claim_id), 45)
        demand(outcome.succeeded and not outcome.error, f"work failed: {outcome.error}")
    if "notification" in declared:
        demand(len(judge.deliveries) == 1, "a notification was delivered more than once")
        sent, body = judge.deliveries[0]
        demand(body == b'{"a":1}' and sent.get("X-Lumetry-Delivery") == "d-1", "a notification was not delivered as it was given")
    if "poll:http" in declared:
        await judge.wait_for("send the points of a poll", lambda: polled(judge, begin) == {("mail", 3.0), ("jobs", 5.0)}, 45)


async def restarts(trial: Trial) -> None:
    """Keeps credential and buffered points when it is killed, and enrolls no second time."""
    judge = trial.judge
    enrollments, instances = len(judge.calls("EnrollCollector")), {call.request.instance_id for call in judge.calls("SendHeartbeat")}
    await judge.wait_for("send points", lambda: judge.calls("IngestMetrics", time.monotonic() - SAMPLE_SECONDS))
    judge.is_away = True
    await asyncio.sleep(1.5 * SAMPLE_SECONDS)
    await trial.kill()
    judge.is_away = False
    begin = time.monotonic()
    await trial.start(token=None)
    beat = (await judge.wait_for("send a heartbeat after a restart", lambda: judge.calls("SendHeartbeat", begin)))[0]
    demand(beat.request.instance_id not in instances, "a new process has the instance_id of an earlier one")
    demand(len(judge.calls("EnrollCollector")) == enrollments, "it enrolled again although it had a credential")
    await delivers_all(trial)


async def stops_when_revoked(trial: Trial) -> None:
    """Sends nothing more once its credential is refused for good; it may end, or ask again rarely."""
    judge = trial.judge
    judge.is_revoked = True
    judge.tell()
    await judge.wait_for("call", lambda: judge.refused, 60)
    await asyncio.sleep(HEARTBEAT_SECONDS)
    before = len(judge.refused)
    await asyncio.sleep(3 * HEARTBEAT_SECONDS)
    demand(len(judge.refused) - before <= QUIET_CALLS, f"{len(judge.refused) - before} calls within half a minute after it was revoked")


STEPS: tuple[Callable[[Trial], Awaitable[None]], ...] = (
    enrolls_once,
    lives,
    sends_points,
    applies_config,
    survives_outage,
    rotates,
    works,
    restarts,
    stops_when_revoked,
)


async def examine(command: Sequence[str], folder: Path, tell: Callable[[str], None]) -> None:
    """Puts a collector through all steps.

    Args:
        command: Starts it; it runs until it is ended.
        folder: Empty; for its state and its output.

    Raises:
        BreachError: The first that is found.
    """
    async with run_judge(wanted_config(60)) as (judge, address, target):
        trial = Trial(judge, address, target, command, folder)
        try:
            for step in STEPS:
                await step(trial)
                tell(f"{step.__name__}: {(step.__doc__ or '').strip()}")
        finally:
            await trial.kill(signal.SIGTERM if trial.process is not None else signal.SIGKILL)


def wanted_config(sample_seconds: int) -> config_pb2.CollectorConfig:
    """A configuration of which only the given parts differ from the defaults."""
    return config_pb2.CollectorConfig(
        heartbeat_interval_seconds=HEARTBEAT_SECONDS,
        host_metrics=config_pb2.HostMetricsConfig(enabled=True, interval_seconds=sample_seconds),
        notifications=config_pb2.NotificationsConfig(enabled=True),
    )


def is_uuid(text: str) -> bool:
    """Whether a text is a UUID."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


async def delivers_all(trial: Trial) -> None:
    """Everything up to what is new arrives within a minute."""
    with suppress(BreachError):
        await trial.judge.wait_for("deliver everything", lambda: is_fresh(trial.judge) and find_breach(trial) is None, 60)
    breach = find_breach(trial)
    demand(breach is None, breach or "")
    demand(is_fresh(trial.judge), "within 60 s the collector did not deliver what is new")


def is_fresh(judge: Judge) -> bool:
    """Whether the newest upload holds a point of the last interval."""
    calls = judge.calls("IngestMetrics")
    newest = max((point.time.ToDatetime(UTC) for point in calls[-1].request.points), default=None) if calls else None
    return newest is not None and (datetime.now(UTC) - newest).total_seconds() < SAMPLE_SECONDS


def find_breach(trial: Trial) -> str | None:
    """Whether every series of the host arrived in order, and samples without a hole.

    What arrives again counts in its last turn only: a newest sample may precede what an outage left behind, so that the server sees how
    late that is, if it comes again behind it.
    """
    arrived: dict[tuple[str, str], dict[float, None]] = {}
    for call in trial.judge.calls("IngestMetrics"):
        for point in call.request.points:
            if point.source != "http":
                times = arrived.setdefault((point.metric_key, str(sorted(point.labels.items()))), {})
                moment = point.time.ToDatetime(UTC).timestamp()
                times.pop(moment, None)
                times[moment] = None
    if not arrived:
        return "no points arrived"
    for (metric_key, _), times in arrived.items():
        if list(times) != sorted(times):
            return f"points of {metric_key} arrived out of order"
    sampled = sorted({moment for times in arrived.values() for moment in times if moment >= trial.steady_time})
    for earlier, later in pairwise(sampled):
        if later - earlier > 2.5 * SAMPLE_SECONDS:
            ages = f"{time_now() - earlier:.0f} and {time_now() - later:.0f} s ago"
            return f"points are missing: {later - earlier:.0f} s lie between two samples, {ages}"
    return None


def time_now() -> float:
    """Unix time in seconds."""
    return datetime.now(UTC).timestamp()


def polled(judge: Judge, since: float) -> set[tuple[str, float]]:
    """The points of the polled source."""
    return {
        (point.labels.get("name", ""), point.value)
        for call in judge.calls("IngestMetrics", since)
        for point in call.request.points
        if point.metric_key == "conformance.depth"
    }
