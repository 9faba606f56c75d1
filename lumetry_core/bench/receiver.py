"""A receiver of webhooks on loopback that notes when each one arrived, and what it said."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from lumetry_core.bench.connection import BenchError

START_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that was received whole. `time` is of `time.perf_counter`, which sender and receiver share: one machine, one clock."""

    time: float
    path: str
    key: str
    """Its `Idempotency-Key`; empty without one."""
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 -- whatever the sender sent
        """The decoded body."""
        return msgspec.json.decode(self.body)


class Receiver:
    """Answers every request 200 at once. Used by the thread that measures while another one receives."""

    def __init__(self) -> None:
        self.address = ""
        self._arrivals: list[Arrival] = []
        self._changed = threading.Condition()

    def url(self, path: str) -> str:
        """Where to send what shall arrive with this path."""
        return f"http://{self.address}/{path}"

    def arrivals(self, since: int = 0) -> list[Arrival]:
        """What arrived, in order, but the first `since`."""
        with self._changed:
            return self._arrivals[since:]

    def count(self) -> int:
        """How many requests arrived."""
        with self._changed:
            return len(self._arrivals)

    def wait_for(self, count: int, longest_seconds: float) -> bool:
        """Waits until so many requests arrived in all; False when they did not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._arrivals) >= count, longest_seconds)

    async def receive(self, request: web.BaseRequest) -> web.Response:
        """Notes a request."""
        body = await request.read()
        arrival = Arrival(time.perf_counter(), request.path.lstrip("/"), request.headers.get("Idempotency-Key", ""), body)
        with self._changed:
            self._arrivals.append(arrival)
            self._changed.notify_all()
        return web.Response()


@contextmanager
def run_receiver() -> Iterator[Receiver]:
    """Receives on a free port until the end of the block, in a thread of its own.

    Raises:
        BenchError: It did not start.
    """
    receiver, started, loop = Receiver(), threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        runner = web.ServerRunner(web.Server(receiver.receive, access_log=None))
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            receiver.address = "{}:{}".format(*runner.addresses[0][:2])
            started.set()
            await stop.wait()
        finally:
            await runner.cleanup()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="receiver")
    thread.start()
    try:
        if not started.wait(START_SECONDS):
            raise BenchError("the receiver of webhooks did not start")
        yield receiver
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def count_repetitions(arrivals: Sequence[Arrival]) -> int:
    """Arrivals beyond the first of each idempotency key and path."""
    return sum(count - 1 for count in Counter((arrival.path, arrival.key) for arrival in arrivals).values())
