"""Phases of load on a side, and what each of them cost."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lumetry_core.bench.connection import BenchError
from lumetry_core.bench.load import Load, run_closed_loop, run_open_loop
from lumetry_core.bench.payload import STEP_MS
from lumetry_core.bench.report import Latency, summarize_latency
from lumetry_core.bench.sides import Opened, Side
from lumetry_core.bench.usage import Disturbance, wait_until_idle

LEEWAY_MS = 540_000
"""How far ahead of the present points may lie: a minute less than the contract (4.1) allows."""


@dataclass(slots=True)
class Timeline:
    """Where the next phase of a group of sides starts, so that no point is ever sent twice."""

    next_ms: int
    now_ms: Callable[[], int]

    def close(self, opened: Opened) -> None:
        """Moves behind a phase.

        Raises:
            BenchError: Points of the phase were too far in the future to be accepted much longer.
        """
        self.next_ms = opened.newest_ms + STEP_MS
        if self.next_ms > self.now_ms() + LEEWAY_MS:
            raise BenchError("too many points for so few series: give --series a larger number or --seconds a smaller one")


@dataclass(frozen=True, slots=True)
class Throughput:
    """One closed-loop phase of one side."""

    side: str
    accepted_points: int
    refused_messages: int
    load_seconds: float
    drain_seconds: float
    cpu_seconds: float
    """Of the server's processes, until everything accepted was processed."""
    settled_cpu_seconds: float
    """The same, until background work such as sealing and compaction was done as well."""
    generator_cpu_seconds: float
    foreign_share: float
    """Of all cores, used by processes that have no part in the measurement."""
    latency: Latency
    points_per_second: float = field(init=False)
    end_to_end_per_second: float = field(init=False)
    cpu_seconds_per_million: float = field(init=False)

    def __post_init__(self) -> None:
        derived = {
            "points_per_second": self.accepted_points / self.load_seconds,
            "end_to_end_per_second": self.accepted_points / (self.load_seconds + self.drain_seconds),
            "cpu_seconds_per_million": self.cpu_seconds / self.accepted_points * 1e6 if self.accepted_points else float("nan"),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the first series of a phase must hold now."""

    start_ms: int
    point_count: int


def measure_throughput(side: Side, timeline: Timeline, seconds: float, series_per_lane: int, batch_size: int) -> tuple[Throughput, Stored]:
    """Loads a side as fast as it answers, waits until it is done, and says what that took.

    Args:
        batch_size: Points per message.
    """
    start_ms = timeline.next_ms
    with side.open(start_ms) as opened:
        warm(opened)
        disturbance = Disturbance(side.tree)
        used, generator = side.tree.cpu_seconds(), time.process_time()
        load = run_closed_loop(opened.senders, seconds)
        generator = time.process_time() - generator
        side.drain()
        drained = time.perf_counter()
        cpu = side.tree.cpu_seconds() - used
        foreign = disturbance.share()
        wait_until_idle(side.tree)
        settled = side.tree.cpu_seconds() - used
        timeline.close(opened)
    messages = load.accepted_by_sender[0] + 1
    return (
        Throughput(
            side=side.name,
            accepted_points=load.accepted_points,
            refused_messages=load.refused_messages,
            load_seconds=load.end - load.start,
            drain_seconds=max(0.0, drained - load.end),
            cpu_seconds=cpu,
            settled_cpu_seconds=settled,
            generator_cpu_seconds=generator,
            foreign_share=foreign,
            latency=summarize_latency(load.answer_seconds),
        ),
        Stored(start_ms, -(-messages * batch_size // series_per_lane)),
    )


@dataclass(frozen=True, slots=True)
class OpenLoopLatency:
    """Answer times at a fixed rate, measured from when each message was due."""

    side: str
    points_per_second: float
    answers: Latency
    refused_messages: int
    foreign_share: float
    generator_lag: Latency
    """How late messages left by the generator's own fault; contained in the answer times."""


def measure_latency(side: Side, timeline: Timeline, seconds: float, messages_per_second: float, message_points: int) -> OpenLoopLatency:
    """Loads a side at a fixed rate."""
    with side.open(timeline.next_ms) as opened:
        warm(opened)
        disturbance = Disturbance(side.tree)
        load = run_open_loop(opened.senders, seconds, messages_per_second)
        foreign = disturbance.share()
        side.drain()
        timeline.close(opened)
    return OpenLoopLatency(
        side=side.name,
        points_per_second=messages_per_second * message_points,
        answers=summarize_latency(load.answer_seconds),
        refused_messages=load.refused_messages,
        foreign_share=foreign,
        generator_lag=summarize_latency(load.lag_seconds),
    )


def warm(opened: Opened) -> None:
    """Sends one message on every connection, untimed: connections, dictionaries and series are known afterwards.

    Raises:
        BenchError: The server refuses even that.
    """
    for sender in opened.senders:
        sender.prepare()
        if not sender.send().accepted_points:
            raise BenchError("the server refuses points before there is any load")


def warm_up(side: Side, timeline: Timeline, seconds: float) -> Load:
    """Loads a side for a while without measuring."""
    with side.open(timeline.next_ms) as opened:
        warm(opened)
        load = run_closed_loop(opened.senders, seconds)
        side.drain()
        timeline.close(opened)
    return load


def median(values: Sequence[float]) -> float:
    """The middle value; the mean of the middle two for even counts; NaN for none."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if not ordered:
        return float("nan")
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
