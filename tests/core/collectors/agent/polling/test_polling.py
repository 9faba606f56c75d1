"""What hostile and broken databases do to a poll; and the rules that are for every type."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from hashlib import sha1

import pytest

from lumetry_core.collectors.agent.polling.model import Item, ItemResult, Source, Target, available_types
from lumetry_core.collectors.agent.polling.polling import poll_source
from lumetry_core.runtime.outbound import OutboundAnswer, OutboundError, Trouble
from tests.core.collectors.agent.polling.asking import NOW, ScriptedFetch, poll, sample

Served = set[asyncio.Task[None] | None]
Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SALT = b"saltsaltsalt\0mysql_native_password\0"
GREETING = b"\x0a8.0.36\0" + struct.pack("<I", 7) + b"saltsalt\0\xff\xf7\xff\x02\x00\xff\xdf\x15" + bytes(10) + SALT
"""What a MySQL server says first."""


def packet(number: int, payload: bytes) -> bytes:
    return struct.pack("<I", len(payload))[:3] + bytes([number]) + payload


async def say_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def hang_up(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Closes at once."""


async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(bytes(range(256)) * 64)
    await writer.drain()
    await reader.read()


async def answer_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()
    await reader.read()


async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"N")
        await writer.drain()
        with suppress(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.02)


async def greet_and_flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(packet(0, GREETING))
    await reader.read(4096)
    while not writer.is_closing():
        writer.write(b"\xff\xff\xff\x02" + b"x" * 0xFFFFFF)
        await writer.drain()


async def want_password_in_the_clear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(packet(0, GREETING))
    await reader.read(4096)
    writer.write(packet(2, b"\xfemysql_clear_password\0"))
    await writer.drain()
    seen.append(await reader.read(4096))


async def want_another_way_to_log_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(packet(0, GREETING))
    await reader.read(4096)
    writer.write(packet(2, b"\xfemysql_native_password\0" + b"01234567890123456789\0"))
    seen.append(await reader.readexactly(24))
    writer.write(packet(4, b"\xff\x15\x04#28000Access denied for somebody"))
    await writer.drain()
    await reader.read()


seen: list[bytes] = []


@asynccontextmanager
async def serving_raw(behave: Behave) -> AsyncIterator[tuple[int, Served]]:
    """The port of a server that behaves in some way, and the connections that it has."""
    open_now: Served = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_now.add(asyncio.current_task())
        try:
            with suppress(ConnectionError):
                await behave(reader, writer)
        finally:
            open_now.discard(asyncio.current_task())
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1]), open_now
    finally:
        server.close()
        await server.wait_closed()


async def all_gone(served: Served) -> None:
    """Waits until a server has no connection."""
    remaining = [each for each in served if each is not None]
    if remaining:
        await asyncio.wait(remaining)


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
@pytest.mark.parametrize("behave", [say_nothing, hang_up, babble, answer_http, trickle, greet_and_flood])
async def test_poll_with_a_database_that_is_none(kind: str, behave: Behave) -> None:
    """Every item fails in its time with a short text that holds no secret, and nothing is left open."""
    async with serving_raw(behave) as (port, served):
        target = Target(host="127.0.0.1", port=port, username="me")
        async with asyncio.timeout(15):
            results = await poll(Source(kind, target, (Item("a", "SELECT 1"), Item("b", "SELECT 1")), "s3cret", 0.5))
            await all_gone(served)

    assert [(each.metric_key, each.samples, bool(each.error)) for each in results] == [("a", (), True), ("b", (), True)]
    assert all(len(each.error) < 200 and "s3cret" not in each.error for each in results)


@pytest.mark.parametrize("kind", ["prometheus", "http", "postgres", "mysql"])
async def test_poll_cancelled_while_a_source_is_silent(kind: str) -> None:
    """The connection is closed at once, whatever it is."""
    asked = asyncio.Event()

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await say_nothing(reader, writer)

    async with serving_raw(note) as (port, served):
        target = Target(f"http://127.0.0.1:{port}", "me", "127.0.0.1", port)
        asking = asyncio.create_task(poll(Source(kind, target, (Item("a", "$"),), "s3cret", 30.0)))
        async with asyncio.timeout(10):
            await asked.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await all_gone(served)


async def test_poll_mysql_keeps_the_password_from_whoever_asks() -> None:
    """A server that has not proved who it is does not get the password in the clear."""
    seen.clear()
    async with serving_raw(want_password_in_the_clear) as (port, _):
        source = Source("mysql", Target(host="127.0.0.1", port=port, username="me"), (Item("a", "SELECT 1"),), "s3cret", 2.0)
        [result] = await poll(source)

    assert result.error == "the server wants the password in the clear, which needs TLS"
    assert b"s3cret" not in b"".join(seen)


async def test_poll_mysql_logs_in_as_the_server_wants() -> None:
    """A server may choose another way of logging in than it began with."""
    seen.clear()
    async with serving_raw(want_another_way_to_log_in) as (port, _):
        source = Source("mysql", Target(host="127.0.0.1", port=port, username="me"), (Item("a", "SELECT 1"),), "s3cret", 2.0)
        [result] = await poll(source)

    assert result == ItemResult("a", error="Access denied for somebody")
    password, salt = sha1(b"s3cret").digest(), b"01234567890123456789"
    scrambled = bytes(a ^ b for a, b in zip(password, sha1(salt + sha1(password).digest()).digest(), strict=True))
    assert seen == [packet(3, scrambled)]


@pytest.mark.parametrize("kind", ["postgres", "mysql"])
@pytest.mark.parametrize(
    ("target", "error"),
    [
        (Target(host="", port=5432), "the host and port are no address of a database"),
        (Target(host="db", port=0), "the host and port are no address of a database"),
        (Target(host="/var/run/postgresql", port=5432), "the host and port are no address of a database"),
        (Target(host="169.254.169.254", port=5432), "the host 169.254.169.254 leads to a forbidden address: it is a metadata address"),
        (Target(host="does-not-exist.invalid", port=5432), "the host does-not-exist.invalid cannot be resolved"),
        (Target(host="127.0.0.1", port=1), "the connection was refused"),
    ],
)
async def test_poll_with_a_database_nowhere(kind: str, target: Target, error: str) -> None:
    """Where no connection can be made, one attempt is enough for all items."""
    source = Source(kind, target, (Item("a", "SELECT 1"), Item("0", "SELECT 1"), Item("b", "SELECT 1")), "", 5.0)

    assert [each.error.partition(":")[0] if each.metric_key == "0" else each.error for each in await poll(source)] == [
        error,
        "the metric key is none",
        error,
    ]


async def test_poll_source_of_an_unknown_type() -> None:
    """It fails, item by item."""
    source = Source("oracle", Target(), (Item("a", "q"),))

    assert await poll_source(source, ScriptedFetch(), NOW) == [ItemResult("a", error="sources of type oracle cannot be polled here")]


async def test_poll_source_without_items() -> None:
    """Nothing to ask, nothing to tell."""
    assert [
        await poll_source(Source(kind, Target(), ()), ScriptedFetch([OutboundAnswer(200, {}, b"1")]), NOW) for kind in available_types()
    ] == ([[]] * 5)


async def test_poll_source_when_the_way_is_closed() -> None:
    """What the client says of a failed request is what people read; a fault that nobody foresaw is one item's."""
    good = OutboundAnswer(200, {}, b'{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}')
    fetch = ScriptedFetch([OutboundError(Trouble.CONNECTION, "the connection was refused", reached=False), KeyError("odd"), good])
    source = Source("prometheus", Target("http://p.test"), (Item("a", "q"), Item("b", "q"), Item("c", "q")))

    assert await poll_source(source, fetch, NOW) == [
        ItemResult("a", error="the connection was refused"),
        ItemResult("b", error="what answers is no prometheus source that can be understood: KeyError"),
        ItemResult("c", (sample("c", 2.0),)),
    ]


async def test_poll_source_without_budget() -> None:
    """Nothing is asked when no time is left."""
    source = Source("prometheus", Target("http://p.test"), (Item("a", "q"),))

    assert await poll_source(source, ScriptedFetch(), NOW, 0.0) == [
        ItemResult("a", error="not asked: the time for the whole source is over")
    ]
