"""When and what an agent collects."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from lumetry_core.collectors.agent.hostagent.collection import Collection
from lumetry_core.collectors.agent.hostagent.usage import Process, ProcessReading, Usage
from lumetry_core.collectors.agent.hostagent.wanted import Pack, Wanted
from lumetry_core.collectors.agent.reading import CpuTimes, Reading, Sample
from tests.conftest import FakeClock

CPU, MEMORY, RSS = "host.cpu.percent", "host.memory.percent", "process.rss.bytes"


@dataclass
class Rig:
    """A collection of a host that shows the same all the time."""

    clock: FakeClock
    kept: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    inventories: list[Sequence[Usage]] = field(default_factory=list)
    host_reads: int = 0
    process_reads: int = 0
    happened: asyncio.Event = field(default_factory=asyncio.Event)
    collection: Any = None

    def build(self, first_pause: float = 0.0) -> Collection:
        rig = self

        class Host:
            def read(self) -> Reading:
                rig.host_reads += 1
                used = float(rig.host_reads)
                return Reading(rig.clock.moment, used, CpuTimes(used, 2 * used), memory_percent=25.0)

        class Processes:
            def read(self) -> ProcessReading:
                rig.process_reads += 1
                found = {(1, 1.0): Process("nginx", 0.0, 10), (2, 1.0): Process("cron", 0.0, 5)}
                return ProcessReading(rig.clock.moment, float(rig.process_reads), 1000, found)

        self.collection = Collection(Host(), Processes(), self.keep, self.keep_inventory, first_pause)
        return self.collection

    def keep(self, samples: Sequence[Sample], _time: datetime) -> None:
        self.kept.extend((sample.metric_key, dict(sample.labels)) for sample in samples)
        self.happened.set()

    def keep_inventory(self, usages: Sequence[Usage], _time: datetime) -> None:
        self.inventories.append(usages)
        self.happened.set()

    async def until_something(self) -> None:
        async with asyncio.timeout(20):
            await self.happened.wait()
        self.happened.clear()


@pytest.fixture
async def rig(clock: FakeClock) -> AsyncIterator[Rig]:
    rig = Rig(clock)
    running = asyncio.create_task(rig.build().run())
    yield rig
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def pack(pack_id: str, *metrics: str) -> Pack:
    return Pack(pack_id, 1, frozenset(metrics), 3600)


async def test_want_packs_of_a_host(rig: Rig) -> None:
    """What packs name is collected, each series once, and the inventory with it."""
    rig.collection.want(Wanted(packs=(pack("host.linux", CPU), pack("nginx", RSS), pack("process", RSS))))
    await rig.until_something()
    nginx, cron = {"process.executable": "nginx"}, {"process.executable": "cron"}
    assert sorted(rig.kept, key=str) == sorted([(CPU, {}), (RSS, nginx), (RSS, cron)], key=str)
    assert [[usage.executable for usage in usages] for usages in rig.inventories] == [["cron", "nginx"]]
    assert (rig.collection.series_count, rig.collection.software) == (3, ["nginx"])
    assert (rig.host_reads, rig.process_reads) == (2, 2), "one to begin with and one shared by all that was due"


async def test_want_nothing(rig: Rig) -> None:
    """A disabled agent does not look at its host; one without packs still looks at processes for the inventory."""
    rig.collection.want(Wanted(packs=()))
    await rig.until_something()
    assert (rig.kept, rig.host_reads, len(rig.inventories)) == ([], 0, 1)
    rig.collection.want(Wanted(enabled=False, packs=(pack("host.linux", CPU),)))
    reads = rig.process_reads
    rig.collection.want(Wanted(packs=(pack("host.linux", MEMORY),)))
    await rig.until_something()
    assert rig.kept == [(MEMORY, {})]
    assert rig.process_reads <= reads + 2


async def test_want_fewer_series(rig: Rig) -> None:
    """Series beyond the limit are not kept, and counted."""
    rig.collection.want(Wanted(packs=(pack("host.linux", CPU, MEMORY),), max_series=1))
    await rig.until_something()
    assert (len(rig.kept), rig.collection.series_count, rig.collection.series_dropped) == (1, 1, 1)
