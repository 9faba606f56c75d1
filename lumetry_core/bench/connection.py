"""A keep-alive HTTP/1.1 connection that sends messages as they are: blocking, for one thread, with next to no cost of its own."""

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import msgspec

TIMEOUT_SECONDS = 60.0
RECEIVE_BYTES = 1 << 18
RATE_LIMITED = 429


class BenchError(Exception):
    """The benchmark cannot go on: a server did not start, or answered what it never should."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after_seconds(self) -> float:
        """What the server asked for; 0 without a wish."""
        return float(self.headers.get("retry-after", 0))

    def json(self, status: int) -> Any:  # noqa: ANN401 -- whatever the server sent
        """The decoded body of a response that must have this status.

        Raises:
            BenchError: It has another one.
        """
        if self.status != status:
            raise BenchError(f"the server answered {self.status} where {status} was due: {self.body[:500].decode(errors='replace')}")
        return msgspec.json.decode(self.body)


class Connection:
    """One connection to `host:port`, with a bearer token where one is needed."""

    def __init__(self, address: str, token: str = "") -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = f"Host: {address}\r\n" + (f"Authorization: Bearer {token}\r\n" if token else "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._socket.close()

    def head(self, method: str, path: str, body_length: int, content_type: str = "application/json", extra: str = "") -> bytes:
        """The head of a request; `extra` are further header lines, each with its line end."""
        about_body = f"Content-Type: {content_type}\r\nContent-Length: {body_length}\r\n" if body_length else ""
        return f"{method} {path} HTTP/1.1\r\n{self._head}{about_body}{extra}\r\n".encode()

    def request(self, method: str, path: str, content: object = None) -> Answer:
        """Sends a request with a JSON body, or without one; waits when the server limits the rate."""
        body = b"" if content is None else msgspec.json.encode(content)
        return self.send_patiently(self.head(method, path, len(body)) + body)

    def send_patiently(self, message: bytes) -> Answer:
        """Sends a request again, after the time that the server asks for, while it answers that the rate is limited."""
        while (answer := self.send(message)).status == RATE_LIMITED:
            time.sleep(answer.retry_after_seconds)
        return answer

    def send(self, message: bytes | bytearray | memoryview) -> Answer:
        """Sends a whole request and waits for its whole response."""
        self._socket.sendall(message)
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._receive()
        status, headers = parse_head(bytes(received[:end]))
        length = body_length(status, headers)
        while len(received) < end + 4 + length:
            received += self._receive()
        return Answer(status, headers, bytes(received[end + 4 :]))

    def _receive(self) -> bytes:
        chunk = self._socket.recv(RECEIVE_BYTES)
        if not chunk:
            raise BenchError("the server closed the connection")
        return chunk


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers of a response's head without its final blank line."""
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split(" ", 2)[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}


def body_length(status: int, headers: Mapping[str, str]) -> int:
    """Bytes of the body that follows a head.

    Raises:
        BenchError: The head does not say.
    """
    if status == 204:
        return 0
    if "content-length" not in headers:
        raise BenchError(f"a response of status {status} does not tell its length")
    return int(headers["content-length"])
