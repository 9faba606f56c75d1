"""A receiver of webhooks in a thread of its own."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """What arrived, in order: the idempotency key and the body of each request that was answered with 204."""

    url: str
    is_down: bool = False
    """Answers 503 and keeps nothing."""
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def keys(self) -> list[str]:
        """The idempotency keys, in order of arrival."""
        with self.lock:
            return [key for key, _ in self.received]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The bodies, in order of arrival."""
        with self.lock:
            return [body for _, body in self.received]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of loopback, for the duration of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with receiver.lock:
                accepts = not receiver.is_down
                if accepts:
                    receiver.received.append((self.headers["Idempotency-Key"], body))
            self.send_response(204 if accepts else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: what arrived tells enough."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}/hook")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
