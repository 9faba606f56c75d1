"""From what the host shows to points. Pure: counters become rates between two readings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Seconds since boot, over all cores."""

    busy: float
    total: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What the host shows at one moment; what it does not offer is absent. Counters of bytes count since boot."""

    time: datetime
    elapsed_seconds: float
    """A clock that never jumps, from an arbitrary start."""
    cpu: CpuTimes | None = None
    memory_percent: float | None = None
    swap_percent: float | None = None
    load1: float | None = None
    disk_used_percent: Mapping[str, float] = field(default_factory=dict)
    """By mount point."""
    disk_bytes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Read and written, by device."""
    network_bytes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Received and sent, by interface."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A value to become a point; `labels` are those beyond the host's own."""

    metric_key: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def measure(before: Reading, after: Reading) -> list[Sample]:
    """The samples of the later reading (names: contract lumetry 17.2). A rate needs its counter in both readings, and no reset between."""
    return [*measure_gauges(after), *measure_rates(before, after)]


def measure_gauges(reading: Reading) -> Iterator[Sample]:
    """What one reading tells by itself."""
    single = {
        "host.memory.percent": reading.memory_percent,
        "host.swap.percent": reading.swap_percent,
        "host.load1": reading.load1,
    }
    for metric_key, value in single.items():
        if value is not None:
            yield Sample(metric_key, value)
    for mount, percent in sorted(reading.disk_used_percent.items()):
        yield Sample("host.disk.used_percent", percent, {"mount": mount})


def measure_rates(before: Reading, after: Reading) -> Iterator[Sample]:
    """What happened between two readings."""
    if before.cpu and after.cpu and after.cpu.total > before.cpu.total:
        busy = (after.cpu.busy - before.cpu.busy) / (after.cpu.total - before.cpu.total)
        yield Sample("host.cpu.percent", round(100 * min(1.0, max(0.0, busy)), 2))
    seconds = after.elapsed_seconds - before.elapsed_seconds
    if seconds <= 0:
        return
    yield from pair_rates("host.disk", ("read", "write"), "device", before.disk_bytes, after.disk_bytes, seconds)
    yield from pair_rates("host.network", ("rx", "tx"), "interface", before.network_bytes, after.network_bytes, seconds)


def pair_rates(
    prefix: str,
    directions: tuple[str, str],
    label: str,
    before: Mapping[str, tuple[int, int]],
    after: Mapping[str, tuple[int, int]],
    seconds: float,
) -> Iterator[Sample]:
    """Bytes per second of each member's two counters, such as `host.network.rx_bytes_per_second` by `interface`."""
    for member in sorted(before.keys() & after.keys()):
        for direction, old, new in zip(directions, before[member], after[member], strict=True):
            if new >= old:
                yield Sample(f"{prefix}.{direction}_bytes_per_second", round((new - old) / seconds, 2), {label: member})
