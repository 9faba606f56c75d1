"""What the processes of each executable use between two readings. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

BUSIEST = 20
"""Executables collected because they use most of the processor, and as many because they use most of the memory."""
STILL_BUSY = 30
"""One that was among the busiest stays while it is among so many, so that series do not come and go with each sample."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process."""

    executable: str
    cpu_seconds: float
    """Since it began."""
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class ProcessReading:
    """All processes at one moment, by number and start, which together are never used twice."""

    time: datetime
    elapsed_seconds: float
    """A clock that never jumps, from an arbitrary start."""
    memory_bytes: int
    """Of the host."""
    processes: Mapping[tuple[int, float], Process]


@dataclass(frozen=True, slots=True)
class Usage:
    """What all processes of one executable use together."""

    executable: str
    instance_count: int
    cpu_percent: float
    """Of one core."""
    memory_percent: float
    rss_bytes: int


def measure_usage(before: ProcessReading, after: ProcessReading) -> Sequence[Usage]:
    """The use of each executable, ascending by name. A process that began in between has used all its time in between."""
    seconds = after.elapsed_seconds - before.elapsed_seconds
    instances: dict[str, list[tuple[float, int]]] = {}
    for key, process in after.processes.items():
        known = before.processes.get(key)
        used = max(0.0, process.cpu_seconds - (known.cpu_seconds if known else 0.0))
        instances.setdefault(process.executable, []).append((used, process.rss_bytes))
    return [total_usage(executable, of_one, seconds, after.memory_bytes) for executable, of_one in sorted(instances.items())]


def total_usage(executable: str, instances: Sequence[tuple[float, int]], seconds: float, memory_bytes: int) -> Usage:
    """The use of one executable from the seconds and bytes of each of its processes."""
    rss = sum(of_one for _, of_one in instances)
    return Usage(
        executable,
        len(instances),
        round(100 * sum(used for used, _ in instances) / seconds, 2) if seconds > 0 else 0.0,
        round(min(100.0, 100 * rss / memory_bytes), 2) if memory_bytes else 0.0,
        rss,
    )


def choose_busiest(usages: Iterable[Usage], chosen_before: AbstractSet[str]) -> AbstractSet[str]:
    """The executables that use most of the processor or the memory, and those chosen before that still nearly do."""
    chosen: set[str] = set()
    by_name = sorted(usages, key=lambda usage: usage.executable)
    for rank in (rank_cpu, rank_memory):
        ranked = [usage.executable for usage in sorted(by_name, key=rank, reverse=True)]
        chosen.update(ranked[:BUSIEST])
        chosen.update(chosen_before & set(ranked[:STILL_BUSY]))
    return chosen


def rank_cpu(usage: Usage) -> tuple[float, int]:
    """By processor, then memory."""
    return usage.cpu_percent, usage.rss_bytes


def rank_memory(usage: Usage) -> tuple[int, float]:
    """By memory, then processor."""
    return usage.rss_bytes, usage.cpu_percent
