import time

import psutil

from lumetry_core.demo.burn import burning, core_count


async def test_burning_occupies_every_core_and_ends_with_the_block() -> None:
    """One process per core, niced, and none of them outlives the block."""
    before = set(psutil.Process().children())
    async with burning(60):
        processes = set(psutil.Process().children()) - before
        assert len(processes) == core_count()
    assert [process for process in processes if process.is_running()] == []


async def test_burning_ends_by_itself() -> None:
    """The processes need nobody to stop them."""
    before = set(psutil.Process().children())
    start = time.monotonic()
    async with burning(0.1):
        processes = set(psutil.Process().children()) - before
        gone, alive = psutil.wait_procs(processes, timeout=30)
    assert (len(gone), alive) == (core_count(), [])
    assert time.monotonic() - start < 30
