"""How soon an entry that was answered is on a live tail."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lumetry_core.bench.connection import BenchError
from lumetry_core.bench.deployment import Server
from lumetry_core.runtime.clock import SystemClock, spell_time

PROBES = 50
LONGEST_SECONDS = 10.0
OPEN_SECONDS = 10.0
RECEIVE_BYTES = 65_536


@dataclass(slots=True)
class Tail:
    """What a live tail has sent so far, and when."""

    arrived: list[tuple[float, bytes]] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, marker: bytes) -> float:
        """The time at which the marker arrived.

        Raises:
            BenchError: It did not.
        """
        deadline = time.perf_counter() + LONGEST_SECONDS
        with self.news:
            while True:
                for moment, chunk in self.arrived:
                    if marker in chunk:
                        return moment
                if not self.news.wait(deadline - time.perf_counter()):
                    raise BenchError("an accepted entry was not on the live tail")


@contextmanager
def run_tail(server: Server) -> Iterator[Tail]:
    """Follows the live tail of one word until the end of the block.

    Raises:
        BenchError: It was refused.
    """
    host, _, port = server.http.rpartition(":")
    tail = Tail()
    with socket.create_connection((host, int(port)), OPEN_SECONDS) as stream:
        request = f"GET /v1/logs/stream?q=tailprobe HTTP/1.1\r\nHost: {server.http}\r\nAuthorization: Bearer {server.token}\r\n\r\n"
        stream.sendall(request.encode())
        head = b""
        while b"retry:" not in head:
            chunk = stream.recv(RECEIVE_BYTES)
            if not chunk or (b"\r\n" in head and b" 200 " not in head.split(b"\r\n", 1)[0]):
                raise BenchError(f"the live tail was refused: {head[:300].decode(errors='replace')}")
            head += chunk
        stream.settimeout(None)

        def follow() -> None:
            while chunk := receive(stream):
                with tail.news:
                    tail.arrived.append((time.perf_counter(), chunk))
                    tail.news.notify_all()

        thread = threading.Thread(target=follow, name="tail")
        thread.start()
        try:
            yield tail
        finally:
            stream.shutdown(socket.SHUT_RDWR)
            thread.join()


def receive(stream: socket.socket) -> bytes:
    """The next bytes; empty at the end."""
    try:
        return stream.recv(RECEIVE_BYTES)
    except OSError:
        return b""


def measure_tail(server: Server) -> list[float]:
    """Seconds from the answer to a batch until its entry is on the tail; 0 where it was there before the answer.

    Raises:
        BenchError: It never was.
    """
    delays = []
    with run_tail(server) as tail, server.connect() as connection:
        for number in range(PROBES):
            marker = f"probe{number}x{time.time_ns()}"
            entry = {"timestamp": spell_time(SystemClock().now()), "level": "info", "message": f"tailprobe {marker}"}
            connection.request("POST", "/v1/logs", {"logs": [entry]}).json(200)
            answered = time.perf_counter()
            delays.append(max(0.0, tail.wait_for(marker.encode()) - answered))
    return delays
