"""What agents report of processes, and what it makes of the stored inventory (contract lumetry 17.2, 17.3)."""

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lumetry_core.hostagents.drafts import MAX_COUNT, is_optional, is_text
from lumetry_core.runtime.errors import Faults

STALE_AFTER = timedelta(minutes=10)
"""Without a report for so long nobody knows whether a process still runs."""
KEPT = timedelta(days=7)
"""What was not seen for so long is forgotten."""
MAX_GONE = 1000
"""Executables of an agent that are kept though its newest report lacks them; the ones that went first are forgotten."""
MAX_PROCESSES = 1000
MAX_NAME = 255
MAX_INSTANCES = 2**31 - 1
MAX_EXTERNAL_ID = 255


@dataclass(frozen=True, slots=True)
class Process:
    """The processes of one executable as an agent reports them."""

    executable: str
    identity: str
    instance_count: int
    cpu_percent: float
    memory_percent: float
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Entry:
    """The processes of one executable on a host."""

    executable: str
    identity: str
    instance_count: int
    first_seen_time: datetime
    gone_time: datetime | None = None
    """When it was seen last; None: it is in the newest report."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An entry with what its age says."""

    entry: Entry
    last_seen_time: datetime
    stale_time: datetime
    is_stale: bool


@dataclass(frozen=True, slots=True)
class Current:
    """What the processes of one executable used when they were looked at last."""

    executable: str
    cpu_percent: float
    memory_percent: float
    rss_bytes: int
    collect_time: datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """What is the same on several hosts; the figures are of hosts whose report is not stale."""

    identity: str
    host_count: int
    instance_count: int
    node_id: int | None
    """The Component that is monitored; None: it is not."""
    last_seen_time: datetime | None


@dataclass(frozen=True, slots=True)
class Update:
    """What a report changes."""

    written: Sequence[Entry]
    forgotten: Collection[str]
    """Executables."""
    appeared: Sequence[Entry]
    """Those of the written that were not in the report before, or under another identity."""


def check_report(collect_time: datetime | None, processes: Sequence[Process], faults: Faults) -> list[Process]:
    """The processes of a report as they are kept; a blank identity is none. Fails with VALIDATION_FAILED, naming every fault.

    Args:
        collect_time: None: none was sent, or one that is among the faults.
        faults: What was noted before, which is named too.
    """
    if not faults:
        faults.check(collect_time is not None, "collectedAt", "is required")
    faults.check(len(processes) <= MAX_PROCESSES, "processes", f"must have at most {MAX_PROCESSES} elements")
    places: dict[str, int] = {}
    for position, process in enumerate(processes[:MAX_PROCESSES]):
        path = f"processes[{position}]"
        faults.check(is_text(process.executable, MAX_NAME), f"{path}.executable", f"must have 1 to {MAX_NAME} printable characters")
        faults.check(
            is_optional(process.identity.strip(), MAX_NAME), f"{path}.identity", f"must have at most {MAX_NAME} printable characters"
        )
        first = places.setdefault(process.executable, position)
        faults.check(first == position, f"{path}.executable", f"repeats processes[{first}]")
        faults.check(1 <= process.instance_count <= MAX_INSTANCES, f"{path}.instanceCount", f"must be between 1 and {MAX_INSTANCES}")
        for name, percent in (("cpuPercent", process.cpu_percent), ("memoryPercent", process.memory_percent)):
            faults.check(math.isfinite(percent) and percent >= 0, f"{path}.{name}", "must be a number that is not negative")
        faults.check(0 <= process.rss_bytes <= MAX_COUNT, f"{path}.rssBytes", f"must be between 0 and {MAX_COUNT}")
    faults.raise_if_any()
    return [replace(process, identity=process.identity.strip() or process.executable) for process in processes]


def compare(stored: Mapping[str, Entry], report_time: datetime | None, processes: Sequence[Process], now: datetime) -> Update:
    """What a report changes of the inventory of its host.

    Args:
        stored: By executable.
        report_time: When the report before came.
    """
    written: list[Entry] = []
    appeared: list[Entry] = []
    reported = {process.executable for process in processes}
    for process in processes:
        before = stored.get(process.executable)
        first_seen_time = now if before is None else before.first_seen_time
        after = Entry(process.executable, process.identity, process.instance_count, first_seen_time)
        if after == before:
            continue
        written.append(after)
        if before is None or before.gone_time is not None or before.identity != after.identity:
            appeared.append(after)
    gone = [entry for executable, entry in stored.items() if executable not in reported]
    left = [entry for entry in gone if entry.gone_time is None]
    went = [replace(entry, gone_time=report_time or now) for entry in left]
    others = [entry for entry in gone if entry.gone_time is not None] + went
    others.sort(key=lambda entry: (entry.gone_time or now, entry.executable), reverse=True)
    kept = [entry for entry in others[:MAX_GONE] if (entry.gone_time or now) > now - KEPT]
    remaining = {entry.executable for entry in kept}
    written += [entry for entry in went if entry.executable in remaining]
    return Update(written, {entry.executable for entry in others} - remaining, appeared)


def judge_age(entry: Entry, report_time: datetime, now: datetime) -> Seen:
    """An entry with what its age says.

    Args:
        report_time: When the newest report came.
    """
    last_seen_time = entry.gone_time or report_time
    stale_time = last_seen_time + STALE_AFTER
    return Seen(entry, last_seen_time, stale_time, now >= stale_time)


def external_id_of(identity: str) -> str:
    """What the Component of an identity is known by; a digest stands for the end of one that is too long."""
    external_id = f"process:{identity}"
    if len(external_id) <= MAX_EXTERNAL_ID:
        return external_id
    digest = hashlib.sha256(identity.encode()).hexdigest()[:32]
    return f"{external_id[: MAX_EXTERNAL_ID - len(digest) - 1]}#{digest}"
