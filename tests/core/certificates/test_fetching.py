import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from OpenSSL import SSL

from lumetry_core.certificates import fetching
from lumetry_core.certificates.fetching import fetch_chain
from lumetry_core.certificates.model import Presented
from lumetry_core.runtime.addresses import GLOBAL_ONLY, PRIVATE_TOO
from tests.core.certificates.authority import issue, issue_self_signed, serving

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk) -> AsyncIterator[int]:
    """A server that is no TLS server, on a port of its own; a client that hangs up ends the talk."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    "issued", [issue("localhost"), issue("localhost", days=-5), issue_self_signed("localhost"), issue("other.example")]
)
async def test_fetch_whole_chain(issued: object) -> None:
    """Every chain is read as it is presented: fine, expired, self-signed or for another host."""
    async with serving(issued) as server:
        assert await fetch_chain("localhost", server.port, PRIVATE_TOO) == Presented(issued.chain())
        assert server.greeted == ["localhost"]


async def test_fetch_incomplete_chain() -> None:
    """A missing intermediate is missing, whatever the machine knows."""
    issued = issue("localhost")
    async with serving(issued, links=0) as server:
        assert await fetch_chain("localhost", server.port, PRIVATE_TOO) == Presented((issued.der,))


async def test_tell_no_name_to_address() -> None:
    """An address is no server name."""
    issued = issue("127.0.0.1")
    async with serving(issued) as server:
        assert await fetch_chain("127.0.0.1", server.port, PRIVATE_TOO) == Presented(issued.chain())
        assert server.greeted == [None]


async def test_fetch_over_ipv6() -> None:
    """Addresses of version 6 work alike."""
    issued = issue("::1")
    async with serving(issued, host="::1") as server:
        assert await fetch_chain("::1", server.port, PRIVATE_TOO) == Presented(issued.chain())


async def test_fetch_from_server_that_wants_certificates() -> None:
    """A server that wants a certificate of the client has presented its own before it hangs up."""
    issued = issue("localhost")
    async with serving(issued, client_certificate=True) as server:
        assert await fetch_chain("localhost", server.port, PRIVATE_TOO) == Presented(issued.chain())


async def test_try_all_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that refuses leaves the others."""
    issued = issue("localhost")
    both = [(socket.AF_INET6, 6, "::1"), (socket.AF_INET, 6, "127.0.0.1")]
    monkeypatch.setattr(fetching, "look_up", lambda *_asked: both)
    async with serving(issued) as server:
        assert await fetch_chain("two.example", server.port, PRIVATE_TOO) == Presented(issued.chain())


async def test_guard_final_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that lead to forbidden addresses are refused at the moment of the connection, and so are literals."""
    monkeypatch.setattr(fetching, "look_up", lambda *_asked: [(socket.AF_INET, 6, "169.254.169.254")])
    message = "other: the host leads to a forbidden address: it is a metadata address"
    assert await fetch_chain("rebound.example", 443, PRIVATE_TOO) == Presented(error=message)
    message = "other: the host leads to a forbidden address: it is a loopback address"
    assert await fetch_chain("127.0.0.1", 443, GLOBAL_ONLY) == Presented(error=message)
    assert await fetch_chain("::ffff:127.0.0.1", 443, GLOBAL_ONLY) == Presented(error=message)


async def test_tell_refused() -> None:
    """Nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert await fetch_chain("127.0.0.1", bound.getsockname()[1], PRIVATE_TOO) == Presented(error="connection refused")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), "hostname not found"),
        (OSError(101, "x"), "network unreachable"),
        (OSError(113, "x"), "network unreachable"),
        (ConnectionResetError(104, "x"), "other: the server closed the connection"),
        (OSError(1, "x"), "other: no connection could be made"),
    ],
)
async def test_tell_class_of_failure(error: OSError, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each failure has its class."""

    def fail(*_asked: object) -> None:
        raise error

    monkeypatch.setattr(fetching, "look_up", fail)
    assert await fetch_chain("somewhere.example", 443, PRIVATE_TOO) == Presented(error=message)


async def test_give_up_on_silence() -> None:
    """A server that accepts and says nothing costs no more than its time."""

    async def say_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(say_nothing) as port:
        assert await fetch_chain("127.0.0.1", port, PRIVATE_TOO, timeout=0.2) == Presented(error="handshake timeout")


async def test_give_up_on_slow_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is never resolved neither."""
    async with asyncio.timeout(5):
        never = asyncio.get_running_loop().create_future()

        async def hang(*_asked: object) -> None:
            await never

        monkeypatch.setattr(fetching, "resolve", hang)
        assert await fetch_chain("slow.example", 443, PRIVATE_TOO, timeout=0.1) == Presented(error="handshake timeout")


async def test_hang_up_on_endless_handshake() -> None:
    """A server that trickles one byte after the other is given up in time; one that floods is given up for its bytes."""

    async def trickle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        header = b"\x16\x03\x03\x40\x00"
        writer.write(header)
        for _ in range(1000):
            writer.write(b"\x02")
            await writer.drain()
            await asyncio.sleep(0.02)

    async def flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = b"\x16\x03\x03\x40\x00" + b"\x0b\xff\xff\xff" + bytes(0x3FFC)
        while not writer.is_closing():
            writer.write(hello)
            await writer.drain()

    async with listening(trickle) as port:
        assert await fetch_chain("127.0.0.1", port, PRIVATE_TOO, timeout=0.3) == Presented(error="handshake timeout")
    async with listening(flood) as port:
        found = await fetch_chain("127.0.0.1", port, PRIVATE_TOO, timeout=5)
        assert found.error.startswith("other: ")


async def test_count_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even what a TLS library would swallow without end is counted."""

    def never_done(_connection: SSL.Connection) -> None:
        raise SSL.WantReadError

    async def flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(bytes(65_536))
            await writer.drain()

    monkeypatch.setattr(SSL.Connection, "do_handshake", never_done)
    async with listening(flood) as port:
        found = await fetch_chain("127.0.0.1", port, PRIVATE_TOO, timeout=5)
    assert found == Presented(error="other: the server sends more than a handshake has")


async def test_tell_other_protocols() -> None:
    """A server that speaks no TLS, and one that hangs up, are told apart from silence."""

    async def speak_http(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async def hang_up(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with listening(speak_http) as port:
        found = await fetch_chain("127.0.0.1", port, PRIVATE_TOO)
        assert found.error.startswith("other: the handshake failed: ")
    async with listening(hang_up) as port:
        assert (await fetch_chain("127.0.0.1", port, PRIVATE_TOO)).error == "other: the server closed the connection"
