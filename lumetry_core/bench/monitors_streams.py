"""Many clients of the public event stream, from as many addresses of this host as the limit of one asks for."""

import asyncio
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lumetry_core.bench.connection import BenchError

CLIENTS_PER_ADDRESS = 8
OPEN_SECONDS = 60.0
OPENED_AT_ONCE = 50
SPARE_FILES = 2000


@dataclass(slots=True)
class Streams:
    """How many clients listen, and how many bytes they got after the head of the answer."""

    opened: int = 0
    received: int = 0


def raise_file_limit(clients: int) -> None:
    """Lets this process and those that it starts have a file for each client.

    Raises:
        BenchError: The operating system allows fewer.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = clients + SPARE_FILES
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise BenchError(f"{clients} streams need {wanted} open files, {hard} are allowed: give --streams a smaller number")
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def run_streams(address: str, count: int) -> Iterator[Streams]:
    """Keeps clients listening until the end of the block, in a thread of its own.

    Raises:
        BenchError: Not all of them could be opened.
    """
    streams, ready, loop = Streams(), threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()
    failures: list[str] = []

    async def listen(number: int, gate: asyncio.Semaphore, opened: asyncio.Queue[None]) -> None:
        host, _, port = address.rpartition(":")
        source = f"127.0.{1 + number // CLIENTS_PER_ADDRESS // 250}.{1 + number // CLIENTS_PER_ADDRESS % 250}"
        try:
            async with gate:
                reader, writer = await asyncio.open_connection(host, int(port), local_addr=(source, 0))
                writer.write(f"GET /status/events HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError) as error:
            failures.append(str(error))
            opened.put_nowait(None)
            return
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            failures.append(f"one was answered {head[:100].decode(errors='replace')}")
        streams.opened += not failures
        opened.put_nowait(None)
        while chunk := await reader.read(65_536):
            streams.received += len(chunk)

    async def serve() -> None:
        gate, opened = asyncio.Semaphore(OPENED_AT_ONCE), asyncio.Queue[None]()
        tasks = [asyncio.create_task(listen(number, gate, opened)) for number in range(count)]
        for _ in tasks:
            await opened.get()
        ready.set()
        await stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="streams", daemon=True)
    thread.start()
    try:
        if not ready.wait(OPEN_SECONDS) or failures:
            raise BenchError(f"{streams.opened} of {count} streams were opened: {failures[0] if failures else 'no answer in time'}")
        yield streams
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(OPEN_SECONDS)
