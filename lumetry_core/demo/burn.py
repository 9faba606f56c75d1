"""Keeps every core busy for a while, in processes that end by themselves: `python -m lumetry_core.demo.burn SECONDS`."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

NICENESS = 10
"""Everything else on the host goes first, the server above all; the cores are busy all the same."""
CHECK_SECONDS = 0.2


def core_count() -> int:
    """Cores of this host."""
    return os.cpu_count() or 1


def burn(seconds: float) -> None:
    """Keeps one core busy, at most as long as the process that asked for it lives."""
    parent = os.getppid()
    os.nice(NICENESS)
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end and os.getppid() == parent:
        while time.monotonic() < now + CHECK_SECONDS:
            pass


@asynccontextmanager
async def burning(seconds: float) -> AsyncIterator[None]:
    """Keeps every core busy for so long, and not beyond the block."""
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "lumetry_core.demo.burn", str(seconds)),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the demo alone, which ends them
        )
        for _ in range(core_count())
    ]
    try:
        yield
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                process.kill()
        for process in processes:
            await process.wait()


if __name__ == "__main__":
    burn(float(sys.argv[1]))
