import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lumetry_core.bench.connection import Answer, BenchError, Connection


@contextmanager
def answering(*chunks: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads one request and answers in these chunks."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            accepted, _ = listener.accept()
            with accepted:
                requests.append(accepted.recv(65536))
                for chunk in chunks:
                    accepted.sendall(chunk)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", requests
        thread.join()


def test_request_sends_json_and_reads_the_whole_answer() -> None:
    """A response that arrives in pieces is put together by its length."""
    chunks = (b"HTTP/1.1 201 Created\r\nContent-", b'Length: 8\r\nRetry-After: 3\r\n\r\n{"id"', b":7}")
    with answering(*chunks) as (address, requests), Connection(address, "secret") as connection:
        answer = connection.request("POST", "/api/rules", {"name": "r"})
    assert answer == Answer(201, {"content-length": "8", "retry-after": "3"}, b'{"id":7}')
    assert (answer.json(201), answer.retry_after_seconds) == ({"id": 7}, 3.0)
    assert requests == [
        f"POST /api/rules HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer secret\r\n"
        'Content-Type: application/json\r\nContent-Length: 12\r\n\r\n{"name":"r"}'.encode()
    ]


def test_request_reads_an_answer_without_a_body() -> None:
    """204 has no body and needs no length."""
    with answering(b"HTTP/1.1 204 No Content\r\n\r\n") as (address, _), Connection(address) as connection:
        assert connection.request("GET", "/") == Answer(204, {}, b"")


def test_json_of_another_status_fails_with_what_the_server_said() -> None:
    """The error carries the body, which says why."""
    with pytest.raises(BenchError, match="answered 400 where 201 was due: no such metric"):
        Answer(400, {}, b"no such metric").json(201)


def test_request_fails_when_the_server_hangs_up() -> None:
    """A closed connection is an error, not an empty answer."""
    with (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab") as (address, _),
        Connection(address) as connection,
        pytest.raises(BenchError, match="closed"),
    ):
        connection.request("GET", "/")


def test_request_waits_out_a_rate_limit() -> None:
    """A limited request goes out again after the time the server asks for."""
    answers = [b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"]
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            accepted, _ = listener.accept()
            with accepted:
                for answer in answers:
                    assert accepted.recv(65536).startswith(b"GET /api/rules HTTP/1.1\r\n")
                    accepted.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with Connection(f"127.0.0.1:{listener.getsockname()[1]}") as connection:
            assert connection.request("GET", "/api/rules").status == 204
        thread.join()
