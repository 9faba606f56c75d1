"""What processes use: CPU time and memory of a process and all its descendants."""

import time
from collections.abc import Callable
from contextlib import suppress

import psutil

POLL_SECONDS = 0.25


class ProcessTree:
    """A process and its descendants. CPU time of descendants that ended meanwhile stays counted."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._cpu_seconds: dict[tuple[int, float], float] = {}

    def cpu_seconds(self) -> float:
        """User and system time used so far."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                self._cpu_seconds[process.pid, process.create_time()] = times.user + times.system
        return sum(self._cpu_seconds.values())

    def resident_bytes(self) -> int:
        """Resident memory, pages shared between the processes counted for each."""
        total = 0
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total

    def proportional_bytes(self) -> int:
        """Resident memory, a page shared by n processes counted as 1/n."""
        total = 0
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return total

    def _processes(self) -> list[psutil.Process]:
        return [self._root, *self._root.children(recursive=True)]


def wait_until_idle(tree: ProcessTree, *, share: float = 0.1, longest_seconds: float = 30.0) -> bool:
    """Waits until background work is done: three polls in a row in which the processes use less than this share of a core.

    Returns:
        False when they were still busy after `longest_seconds`.
    """
    quiet = 0
    used = tree.cpu_seconds()

    def is_idle() -> bool:
        nonlocal quiet, used
        now = tree.cpu_seconds()
        quiet = quiet + 1 if now - used < share * POLL_SECONDS else 0
        used = now
        return quiet >= 3

    return wait_until(is_idle, longest_seconds=longest_seconds, poll_seconds=POLL_SECONDS)


def wait_until(condition: Callable[[], bool], *, longest_seconds: float, poll_seconds: float = 0.05) -> bool:
    """Polls a condition; False when it did not come true in time."""
    deadline = time.perf_counter() + longest_seconds
    while not condition():
        if time.perf_counter() > deadline:
            return False
        time.sleep(poll_seconds)
    return True
