"""An engine double beside a real deployment."""

import asyncio
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.engine_double import EngineDouble, serving

SECONDS = 40.0


class RunningEngine:
    """The double on a loop of its own, beside the test."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.engine = EngineDouble()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        async def serve() -> None:
            async with serving(self.engine, self.socket):
                self._ready.set()
                await self._stop.wait()

        self._loop.run_until_complete(serve())
        self._loop.close()

    def start(self) -> None:
        """Serves."""
        self._thread.start()
        assert self._ready.wait(SECONDS)

    def stop(self) -> None:
        """Ends."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(SECONDS)

    def do(self, act: Callable[[EngineDouble], Any]) -> Any:
        """Lets something happen in the engine."""

        async def call() -> Any:
            return act(self.engine)

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(SECONDS)


@contextmanager
def running_engine() -> Iterator[RunningEngine]:
    """An engine without containers, for the duration of the block."""
    with tempfile.TemporaryDirectory() as folder:
        running = RunningEngine(Path(folder) / "engine.sock")
        running.start()
        yield running
        running.stop()
