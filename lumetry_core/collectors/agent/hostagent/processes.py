"""Reads the processes of this host."""

import time
from collections.abc import Iterator

import psutil

from lumetry_core.collectors.agent.hostagent.usage import Process, ProcessReading
from lumetry_core.runtime.clock import Clock

MAX_NAME = 255
"""Characters of an executable's name that the product takes."""
KERNEL = ("kthreadd", 2)
"""Name and number of the parent of Linux' own threads, which are no programs."""


class Processes:
    """The processes that this process may see, kernel threads and the dead left out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def read(self) -> ProcessReading:
        """All that runs now."""
        elapsed = time.monotonic()
        return ProcessReading(self._clock.now(), elapsed, psutil.virtual_memory().total, dict(read_processes()))


def read_processes() -> Iterator[tuple[tuple[int, float], Process]]:
    """Each process; one that ends or hides meanwhile is left out."""
    kernel = find_kernel()
    for process in psutil.process_iter():
        try:
            with process.oneshot():
                if process.pid == kernel or (kernel is not None and process.ppid() == kernel) or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                times = process.cpu_times()
                name = clean_name(process.name())
                found = Process(name, times.user + times.system, process.memory_info().rss)
                key = (process.pid, process.create_time())
        except (psutil.Error, OSError):
            continue
        if name:
            yield key, found


def find_kernel() -> int | None:
    """The number of the process under which kernel threads run; None where there is none, as in a container."""
    name, pid = KERNEL
    try:
        return pid if psutil.Process(pid).name() == name else None
    except psutil.Error:
        return None


def clean_name(name: str) -> str:
    """The name of an executable as points carry it: printable, without blanks around it, not longer than the product takes."""
    return "".join(character for character in name if character.isprintable()).strip()[:MAX_NAME].strip()
