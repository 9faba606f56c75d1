"""Readings of this host, at the wanted interval, whatever happens to the connection."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import NoReturn, Protocol

from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from lumetry_core.collectors.agent.reading import Reading, measure
from lumetry_core.collectors.agent.records import build_points
from lumetry_core.collectors.agent.timing import ServerClock
from lumetry_core.collectors.agent.wanted import HostMetrics

GROUP = "host"


class ReadsHost(Protocol):
    """Where readings come from."""

    def read(self) -> Reading:
        """What the host shows now."""


class KeepsStamped(Protocol):
    """Where the points go."""

    def __call__(self, points: Sequence[metrics_pb.Point], note: bytes, group: str) -> None:
        """Keeps points with the note of their time; `group` is the same for all samples."""


class Sampler:
    """Samples the host."""

    def __init__(
        self, host: ReadsHost, clock: ServerClock, labels: Mapping[str, str], keep: KeepsStamped, first_seconds: float, wanted: HostMetrics
    ) -> None:
        """Prepares.

        Args:
            host: What is sampled.
            clock: The product's time.
            labels: What every point carries.
            keep: Where points go.
            first_seconds: Until the first points, when the interval is longer.
            wanted: The configuration to start with.
        """
        self._host = host
        self._clock = clock
        self._labels = labels
        self._keep = keep
        self._first_seconds = first_seconds
        self._wanted = wanted
        self._changed = asyncio.Event()

    def apply(self, wanted: HostMetrics) -> None:
        """Takes another configuration. A new interval counts from the last sample."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._changed.set()

    async def run(self) -> NoReturn:
        """Samples until it is cancelled."""
        while True:
            await self._sample_while_enabled()
            while not self._wanted.enabled:
                await self._until_changed(None)

    async def _sample_while_enabled(self) -> None:
        loop = asyncio.get_running_loop()
        before = self._host.read()
        last = loop.time()
        first = self._first_seconds
        due = last + min(first, self._wanted.interval_seconds)
        while self._wanted.enabled:
            if await self._until_changed(due - loop.time()):
                due = last + min(first, self._wanted.interval_seconds)
                continue
            first = math.inf
            after = self._host.read()
            moment = self._clock.stamp(after.time)
            self._keep(build_points(measure(before, after), self._labels, moment.time), moment.note, GROUP)
            before = after
            last = due
            due = max(due + self._wanted.interval_seconds, loop.time())

    async def _until_changed(self, seconds: float | None) -> bool:
        """Waits for another configuration, at most so long. Returns whether one came."""
        try:
            async with asyncio.timeout(seconds if seconds is None else max(0.0, seconds)):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True
