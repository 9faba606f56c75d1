"""What processes use: CPU time and memory of a process and all its descendants."""

import os
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

POLL_SECONDS = 0.25
QUIET_LOAD = 0.5


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


class Disturbance:
    """Measures, from its making on, what share of all cores other processes use: figures beside much of it say little."""

    def __init__(self, *trees: ProcessTree) -> None:
        self._trees = trees
        self._begin = time.perf_counter()
        self._busy, self._ours = machine_cpu_seconds(), self._own()

    def share(self) -> float:
        """From 0 to 1, neither server nor generator counted. Coarse for less than a second: the system counts in ticks of 10 ms."""
        foreign = machine_cpu_seconds() - self._busy - (self._own() - self._ours)
        return min(1.0, max(0.0, foreign / (time.perf_counter() - self._begin) / (os.cpu_count() or 1)))

    def _own(self) -> float:
        return sum(tree.cpu_seconds() for tree in self._trees) + time.process_time()


def machine_cpu_seconds() -> float:
    """CPU time that all processes of the machine used since it started; time stolen by a hypervisor counts as used."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def describe_machine() -> tuple[dict[str, float], list[str]]:
    """Cores and load as conditions of a report, and a note when other work disturbs what is measured next."""
    load = round(os.getloadavg()[0], 2)
    notes = []
    if load > QUIET_LOAD:
        notes.append(f"the machine was busy with other work at the start (load {load}): what is measured by the clock suffered from it")
    return {"cores": float(os.cpu_count() or 1), "load at start": load}, notes


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
