"""The way of points out of a collector, past a product that does as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from lumetry_core.collectors.agent.buffer import DiskBuffer
from lumetry_core.collectors.agent.delivering import Delivery
from lumetry_core.collectors.agent.failures import UnreachableError
from lumetry_core.collectors.agent.pacing import Pace
from lumetry_core.collectors.agent.timing import ServerClock
from lumetry_core.runtime.clock import SystemClock

PACE = Pace(first_sample=0.001, first_retry=0.01, last_retry=0.02)


@dataclass
class Product:
    """A product that is away until it is told to be there."""

    is_there: bool = False
    uploads: int = 0
    tried: asyncio.Event = field(default_factory=asyncio.Event)

    async def upload(self, payload: bytes) -> None:
        self.tried.set()
        if not self.is_there:
            raise UnreachableError("away")
        self.uploads += 1


@dataclass
class Rig:
    """A delivery that runs, and how often it said that it has caught up."""

    product: Product
    buffer: DiskBuffer
    delivery: Delivery
    caught_up: int = 0

    def note(self) -> None:
        self.caught_up += 1

    def keep(self, points: int) -> None:
        now = datetime.now(UTC)
        kept = [metrics_pb.Point(metric_key="host.load1", value=float(number)) for number in range(points)]
        for point in kept:
            point.time.FromDatetime(now)
        self.delivery.keep(kept)

    async def emptied(self) -> None:
        """Waits until everything is delivered."""
        self.delivery.is_away = False
        await self.delivery.drain()
        assert self.buffer.pending_points == 0


@asynccontextmanager
async def delivering(folder: Path, product: Product, pace: Pace = PACE) -> AsyncIterator[Rig]:
    buffer = DiskBuffer(folder)
    rig = Rig(product, buffer, Delivery(buffer, ServerClock(SystemClock()), pace, lambda: 1.0))
    rig.delivery.on_caught_up = rig.note
    running = asyncio.create_task(rig.delivery.run(product))
    try:
        yield rig
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        buffer.close()


async def outlast(rig: Rig) -> None:
    """Lets an outage pass in which points are kept."""
    rig.keep(3)
    await rig.product.tried.wait()
    rig.keep(4)
    rig.product.is_there = True
    await rig.emptied()


async def test_return_of_the_server_tells_how_much_waited(tmp_path: Path) -> None:
    """The log counts the points that the outage left behind, those of the batch that found the server back included."""
    with structlog.testing.capture_logs() as logs:
        async with delivering(tmp_path, Product()) as rig:
            await outlast(rig)
    said = [(entry["event"], entry.get("waiting_points")) for entry in logs]
    assert said == [("the server cannot be reached, points are buffered", None), ("the server is back", 7)]


async def test_delivery_has_caught_up_once_an_outage(tmp_path: Path) -> None:
    """The end of a backlog is told once; points that never waited for anything tell nothing."""
    async with delivering(tmp_path, Product()) as rig:
        await outlast(rig)
        rig.keep(2)
        await rig.emptied()
        assert (rig.caught_up, rig.product.uploads) == (1, 2)


async def test_delivery_goes_on_when_the_server_has_answered_another_call(tmp_path: Path) -> None:
    """After a long outage nobody waits for the end of a long pause once a heartbeat has come through."""
    async with delivering(tmp_path, Product(), Pace(first_sample=0.001, first_retry=600.0, last_retry=600.0)) as rig:
        rig.keep(3)
        await rig.product.tried.wait()
        rig.product.is_there = True
        rig.delivery.note_presence()
        async with asyncio.timeout(10):
            await rig.emptied()


@pytest.mark.parametrize("left", [0, 5])
async def test_delivery_of_what_an_earlier_process_left(tmp_path: Path, left: int) -> None:
    """What an earlier process left is a backlog like that of an outage."""
    async with delivering(tmp_path, Product()) as rig:
        rig.keep(left)
    async with delivering(tmp_path, Product(is_there=True)) as rig:
        rig.keep(1)
        await rig.emptied()
        assert rig.caught_up == (1 if left else 0)
