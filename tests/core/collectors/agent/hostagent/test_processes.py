"""The processes of a real host."""

import os
import subprocess
import sys

import psutil

from lumetry_core.collectors.agent.hostagent.processes import MAX_NAME, Processes, clean_name, find_kernel
from tests.conftest import FakeClock


def test_read_own_process(clock: FakeClock) -> None:
    """This process is found with its number and start, and with what it uses."""
    reading = Processes(clock).read()
    me = psutil.Process()
    found = reading.processes[(os.getpid(), me.create_time())]
    assert (found.executable, reading.time, reading.memory_bytes) == (me.name(), clock.moment, psutil.virtual_memory().total)
    assert found.rss_bytes > 1024**2
    assert found.cpu_seconds > 0


def test_read_a_process_that_ended(clock: FakeClock) -> None:
    """A process that has ended and waits to be noticed runs no more."""
    with subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.DEVNULL) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
        assert child.pid not in {pid for pid, _ in Processes(clock).read().processes}


def test_read_without_kernel_threads(clock: FakeClock) -> None:
    """Threads of the kernel are no programs."""
    kernel = find_kernel()
    found = {pid for pid, _ in Processes(clock).read().processes}
    assert kernel not in found
    assert not any(psutil.Process(pid).ppid() == kernel for pid in found if kernel is not None and psutil.pid_exists(pid))


def test_clean_name_of_anything() -> None:
    """A name is printable, has no blanks around it and fits."""
    assert (clean_name(" a\x00b\n "), clean_name("x" * 300), clean_name("\t")) == ("ab", "x" * MAX_NAME, "")
