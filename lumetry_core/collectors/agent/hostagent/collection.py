"""Samples the host as the product wants it, and looks at its processes for the inventory."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import NoReturn, Protocol, TypeVar

from lumetry_core.collectors.agent.hostagent.limit import SeriesLimit
from lumetry_core.collectors.agent.hostagent.schedule import Schedule
from lumetry_core.collectors.agent.hostagent.software import detect_software, list_software
from lumetry_core.collectors.agent.hostagent.usage import ProcessReading, Usage, choose_busiest, measure_usage
from lumetry_core.collectors.agent.hostagent.wanted import (
    PROCESS_PACK,
    Pack,
    Wanted,
    merge_samples,
    select_host_samples,
    select_process_samples,
)
from lumetry_core.collectors.agent.reading import Reading, Sample, measure

INVENTORY = "inventory"
INVENTORY_SECONDS = 60.0


class ReadsHost(Protocol):
    """Where readings of the host come from."""

    def read(self) -> Reading:
        """What the host shows now."""


class ReadsProcesses(Protocol):
    """Where readings of processes come from."""

    def read(self) -> ProcessReading:
        """What runs now."""


KeepSamples = Callable[[Sequence[Sample], datetime], None]
KeepInventory = Callable[[Sequence[Usage], datetime], None]


class Collection:
    """Reads while something is wanted; while nothing is, it does not even look at the host."""

    def __init__(
        self,
        host: ReadsHost,
        processes: ReadsProcesses,
        keep_samples: KeepSamples,
        keep_inventory: KeepInventory,
        first_pause: float,
    ) -> None:
        self._host = host
        self._processes = processes
        self._keep_samples = keep_samples
        self._keep_inventory = keep_inventory
        self._first_pause = first_pause
        self._wanted = Wanted(enabled=False)
        self._changed = asyncio.Event()
        self._limit = SeriesLimit()
        self._software: set[str] = set()
        self._busiest: AbstractSet[str] = frozenset()
        self._host_before: dict[str, Reading] = {}
        """By pack, each of which measures over its own interval."""
        self._processes_before: dict[str, ProcessReading] = {}

    @property
    def series_count(self) -> int:
        """Series that are sent."""
        return self._limit.sent_count

    @property
    def series_dropped(self) -> int:
        """Series that are left out because of the limit."""
        return self._limit.dropped_count

    @property
    def software(self) -> Sequence[str]:
        """What was found since this process began."""
        return list_software(self._software)

    def want(self, wanted: Wanted) -> None:
        """Takes what is wanted from now on."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._changed.set()

    def look(self) -> None:
        """Looks at the processes once, so that the first heartbeat can tell of software."""
        self._note_software(self._processes.read())

    async def run(self) -> NoReturn:
        """Samples until it is cancelled."""
        loop = asyncio.get_running_loop()
        schedule: Schedule[str] = Schedule(loop.time(), self._first_pause)
        while True:
            if self._changed.is_set():
                self._changed.clear()
                self._plan(schedule, loop.time())
            due = schedule.next_due
            try:
                async with asyncio.timeout_at(due):
                    await self._changed.wait()
            except TimeoutError:
                self._collect(schedule.take_due(loop.time()))

    def _plan(self, schedule: Schedule[str], now: float) -> None:
        intervals = {pack.pack_id: float(pack.interval_seconds) for pack in self._wanted.active}
        if self._wanted.enabled:
            intervals[INVENTORY] = INVENTORY_SECONDS
        schedule.plan(intervals, now)
        hosts = {pack.pack_id for pack in self._wanted.active if pack.is_of_host}
        others = intervals.keys() - hosts
        self._host_before = start_all(hosts, self._host_before, self._host.read)
        self._processes_before = start_all(others, self._processes_before, self._processes.read)

    def _collect(self, due: Sequence[str]) -> None:
        packs = [pack for pack in self._wanted.active if pack.pack_id in due]
        merged: list[tuple[Pack, Iterable[Sample]]] = []
        time: datetime | None = None
        if any(pack.is_of_host for pack in packs):
            reading = self._host.read()
            time = reading.time
            for pack in packs:
                if pack.is_of_host:
                    merged.append((pack, select_host_samples(pack, measure(self._host_before[pack.pack_id], reading))))
                    self._host_before[pack.pack_id] = reading
        if any(not pack.is_of_host for pack in packs) or INVENTORY in due:
            processes = self._processes.read()
            time = time or processes.time
            self._note_software(processes)
            merged.extend((pack, self._sample_processes(pack, processes)) for pack in packs if not pack.is_of_host)
            if INVENTORY in due:
                self._keep_inventory(self._measure(INVENTORY, processes), processes.time)
        if time is not None:
            samples = self._limit.admit(merge_samples(merged), self._wanted.max_series, asyncio.get_running_loop().time())
            if samples:
                self._keep_samples(samples, time)

    def _sample_processes(self, pack: Pack, processes: ProcessReading) -> Sequence[Sample]:
        usages = self._measure(pack.pack_id, processes)
        if pack.pack_id == PROCESS_PACK:
            self._busiest = choose_busiest(usages, self._busiest)
        return list(select_process_samples(pack, usages, self._busiest))

    def _measure(self, user: str, processes: ProcessReading) -> Sequence[Usage]:
        usages = measure_usage(self._processes_before[user], processes)
        self._processes_before[user] = processes
        return usages

    def _note_software(self, processes: ProcessReading) -> None:
        self._software |= detect_software({process.executable for process in processes.processes.values()})


Read = TypeVar("Read")


def start_all(users: AbstractSet[str], before: dict[str, Read], read: Callable[[], Read]) -> dict[str, Read]:
    """The newest reading of each user; those that are new begin with one made now."""
    if not users - before.keys():
        return {user: before[user] for user in users}
    now = read()
    return {user: before.get(user, now) for user in users}
