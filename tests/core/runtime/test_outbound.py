import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lumetry_core.runtime.addresses import GLOBAL_ONLY, PRIVATE_TOO, OwnPorts, Policy
from lumetry_core.runtime.outbound import (
    CONNECTIONS_PER_HOST,
    FORBIDDEN,
    MAX_ANSWER_BYTES,
    OutboundAnswer,
    OutboundClient,
    OutboundError,
    OutboundRequest,
    Trouble,
)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PRIVATE_OVER_TLS = Policy(allows_private=True, allows_plain=False)
GLOBAL_PLAIN = Policy(allows_private=False, allows_plain=True)


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[str]:
    """The address of a server that does with connections what a test says, for as long as the test runs."""
    writers: list[asyncio.StreamWriter] = []

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await serve(reader, writer)

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/path?token=hidden"
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


@asynccontextmanager
async def client(policy: Policy = PRIVATE_TOO, seconds: float = 5.0) -> AsyncIterator[OutboundClient]:
    made = OutboundClient(policy, total_seconds=seconds)
    try:
        yield made
    finally:
        await made.close()


async def ask(url: str, policy: Policy = PRIVATE_TOO, seconds: float = 5.0, body: bytes = b"hello") -> OutboundAnswer:
    async with client(policy, seconds) as outbound:
        return await outbound.send(OutboundRequest("POST", url, {"Content-Type": "text/plain"}, body))


async def fail(url: str, policy: Policy = PRIVATE_TOO, seconds: float = 5.0) -> tuple[Trouble, str, bool]:
    """How asking fails."""
    with pytest.raises(OutboundError) as failure:
        await ask(url, policy, seconds)
    return failure.value.trouble, failure.value.message, failure.value.reached


def answering(text: bytes) -> Serve:
    """Answers every connection's first request with the same bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"hello")
        writer.write(text)
        await writer.drain()

    return serve


async def never(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Answers nothing."""


async def test_send_sends_what_it_is_given() -> None:
    """Method, headers and body arrive as they are; the answer's status, headers and body come back."""
    seen = {}

    async def on_request(request: web.Request) -> web.Response:
        seen.update(method=request.method, path=request.raw_path, headers=dict(request.headers), body=await request.read())
        return web.Response(status=201, body=b"made", headers={"X-Made": "yes"})

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", on_request)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with client() as outbound:
        answer = await outbound.send(OutboundRequest("PATCH", f"http://127.0.0.1:{port}/a%2Fb?c=%20", {"X-Sent": "s"}, b"body"))
    await runner.cleanup()
    assert (answer.status, answer.body, answer.headers["x-made"]) == (201, b"made", "yes")
    assert (seen["method"], seen["path"], seen["body"]) == ("PATCH", "/a%2Fb?c=%20", b"body")
    assert {name: seen["headers"].get(name) for name in ("X-Sent", "User-Agent", "Accept-Encoding", "Cookie")} == {
        "X-Sent": "s",
        "User-Agent": "Lumetry",
        "Accept-Encoding": "identity",
        "Cookie": None,
    }


async def test_send_reads_no_more_than_it_may_of_an_endless_answer() -> None:
    """The status counts; the rest is dropped with its connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"hello")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"1000\r\n" + bytes(4096) + b"\r\n")
            try:
                await writer.drain()
            except ConnectionError:
                return

    async with listening(serve) as url:
        answer = await ask(url)
    assert (answer.status, len(answer.body)) == (200, MAX_ANSWER_BYTES)


async def test_send_does_not_unpack_answers() -> None:
    """A packed answer stays packed, so it cannot be larger than it looks."""
    text = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nzzzz"
    async with listening(answering(text)) as url:
        assert (await ask(url)).body == b"zzzz"


async def test_send_takes_the_status_of_an_answer_that_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver that never ends its answer has answered."""
    monkeypatch.setattr("lumetry_core.runtime.outbound.ANSWER_BODY_SECONDS", 0.05)
    async with listening(answering(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nhalf")) as url:
        answer = await ask(url)
    assert (answer.status, answer.body) == (202, b"half")


async def test_send_follows_no_redirect() -> None:
    """A redirect is an answer, wherever it points to."""
    text = b"HTTP/1.1 307 Moved\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n"
    async with listening(answering(text)) as url:
        answer = await ask(url)
    assert (answer.status, answer.headers["location"]) == (307, "http://169.254.169.254/latest")


async def test_send_gives_up_on_a_receiver_that_hangs() -> None:
    """It may have got the request; whatever is told holds nothing of the address."""
    async with listening(never) as url:
        assert await fail(url, seconds=0.1) == (Trouble.TIMEOUT, "no answer within 0.1 s", True)


async def test_send_tells_a_reset_connection() -> None:
    """The receiver may have got the request."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"hello")
        writer.transport.abort()

    async with listening(reset) as url:
        assert await fail(url) == (Trouble.ANSWER, "the connection was closed before an answer came", True)


async def test_send_tells_an_answer_that_is_not_http() -> None:
    """Nothing of it is shown."""
    async with listening(answering(b"220 mail.example.com ESMTP\r\n")) as url:
        assert await fail(url) == (Trouble.ANSWER, "the answer is not HTTP", True)


async def test_send_tells_that_nobody_listens() -> None:
    """The receiver cannot have got the request."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        assert await fail(url) == (Trouble.CONNECTION, "the connection was refused", False)


async def test_send_needs_tls_for_https() -> None:
    """A server without it is no partner."""

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")

    async with listening(greet) as url:
        told = await fail(url.replace("http:", "https:"), PRIVATE_OVER_TLS)
    assert told == (Trouble.CONNECTION, "no secure connection could be agreed on", False)


async def test_send_does_not_trust_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    """The request is not sent to whoever shows it."""
    async with AsyncExitStack() as stack:
        server = await asyncio.start_server(never, "127.0.0.1", 0, ssl=self_signed(tmp_path))
        stack.push_async_callback(server.wait_closed)
        stack.callback(server.close)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert await fail(url, PRIVATE_OVER_TLS) == (Trouble.CERTIFICATE, "the certificate is not trusted", False)


def self_signed(folder: Path) -> ssl.SSLContext:
    """What a server needs to show a certificate of its own making."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(start).not_valid_after(start + timedelta(days=36_500))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *plain) + built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"])
async def test_send_refuses_private_literals(host: str) -> None:
    """Before anything is connected, in every spelling."""
    trouble, message, reached = await fail(f"http://{host}:9/", GLOBAL_PLAIN)
    assert (trouble, reached) == (Trouble.ADDRESS, False)
    assert message.startswith("the address must not lead to ")


@pytest.mark.parametrize(
    ("resolved", "policy", "message"),
    [
        (["127.0.0.1"], GLOBAL_PLAIN, f"{FORBIDDEN}: it is a loopback address"),
        (["127.0.0.1", "::1"], GLOBAL_PLAIN, f"{FORBIDDEN}: it is a loopback address"),
        (["10.0.0.1", "::1"], GLOBAL_PLAIN, FORBIDDEN),
        (["::ffff:10.0.0.1"], GLOBAL_PLAIN, f"{FORBIDDEN}: it is not a global address"),
        (["169.254.169.254"], PRIVATE_TOO, f"{FORBIDDEN}: it is a metadata address"),
        (["64:ff9b::a9fe:a9fe"], PRIVATE_TOO, f"{FORBIDDEN}: it is a metadata address"),
    ],
)
async def test_send_refuses_names_that_lead_to_forbidden_addresses(
    resolved: list[str], policy: Policy, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard sees what names lead to, right before a connection is made."""
    found = [(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.IPPROTO_TCP, address) for address in resolved]
    monkeypatch.setattr("lumetry_core.runtime.outbound.look_up", lambda *_: found)
    assert await fail("http://hooks.example.com/", policy) == (Trouble.ADDRESS, message, False)


async def test_send_reaches_the_allowed_one_of_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forbidden address beside it is passed over."""
    found = [(socket.AF_INET, socket.IPPROTO_TCP, address) for address in ("169.254.169.254", "127.0.0.1")]
    monkeypatch.setattr("lumetry_core.runtime.outbound.look_up", lambda *_: found)
    async with listening(answering(b"HTTP/1.1 204 No Content\r\n\r\n")) as url:
        assert (await ask(url.replace("127.0.0.1", "hooks.example.com"))).status == 204


async def test_send_tells_a_name_that_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The receiver cannot have got the request; the name may be known later."""

    def look_up(*_: object) -> list[tuple[int, int, str]]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr("lumetry_core.runtime.outbound.look_up", look_up)
    assert await fail("http://hooks.example.com/x?token=hidden") == (
        Trouble.NAME,
        "the host hooks.example.com cannot be resolved",
        False,
    )


async def test_send_uses_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would connect where the guard does not see it."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    monkeypatch.delitem(os.environ, "no_proxy", raising=False)
    async with listening(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as url:
        assert (await ask(url)).status == 200


async def test_receiver_that_hangs_delays_no_other() -> None:
    """However many requests wait for one receiver, another gets its own at once."""
    async with AsyncExitStack() as stack:
        hanging = await stack.enter_async_context(listening(never))
        quick = await stack.enter_async_context(listening(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")))
        outbound = await stack.enter_async_context(client(seconds=30))
        waiting = [
            asyncio.ensure_future(outbound.send(OutboundRequest("POST", hanging, {}, b"hello"))) for _ in range(4 * CONNECTIONS_PER_HOST)
        ]
        answer = await outbound.send(OutboundRequest("POST", quick, {}, b"hello"))
        assert (answer.status, [task.done() for task in waiting]) == (200, [False] * len(waiting))
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_send_refuses_headers_that_would_break_out() -> None:
    """Line ends in a value are no further header."""
    async with client() as outbound:
        with pytest.raises(OutboundError) as failure:
            await outbound.send(OutboundRequest("POST", "http://127.0.0.1:9/", {"X-A": "b\r\nX-C: d"}, b""))
    assert failure.value.message == "the request cannot be sent as it is" or failure.value.trouble is Trouble.CONNECTION


async def test_https_is_asked_for_where_plain_is_not_allowed() -> None:
    """Nothing is sent in the clear."""
    assert await fail("http://8.8.8.8/", GLOBAL_ONLY) == (Trouble.ADDRESS, "the address must be an https URL", False)


async def test_send_never_reaches_the_core_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by its address nor by a name that leads there, even where private addresses are allowed."""
    async with listening(answering(b"HTTP/1.1 204 No Content\r\n\r\n")) as url:
        port = int(url.split(":")[2].split("/")[0])
        own = OwnPorts()
        own.add("127.0.0.1", port)
        policy = Policy(allows_private=True, allows_plain=True, own_ports=own)
        assert await fail(url, policy) == (Trouble.ADDRESS, "the address must not lead to 127.0.0.1: it is Lumetry's own", False)
        monkeypatch.setattr("lumetry_core.runtime.outbound.look_up", lambda *_: [(socket.AF_INET, socket.IPPROTO_TCP, "127.0.0.1")])
        named = url.replace("127.0.0.1", "hooks.example.com")
        assert await fail(named, policy) == (Trouble.ADDRESS, f"{FORBIDDEN}: it is Lumetry's own", False)


@asynccontextmanager
async def proxying() -> AsyncIterator[tuple[str, list[str]]]:
    """The address of a proxy that answers everything itself, and the request lines that it got."""
    lines: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines.append(head.split(b"\r\n", 1)[0].decode())
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()

    async with listening(serve) as address:
        yield address.partition("/path")[0], lines


async def test_proxy_gets_the_request_though_its_own_address_is_private() -> None:
    """The operator chose it; what cannot be resolved here is its to judge."""
    async with proxying() as (proxy, lines):
        made = OutboundClient(GLOBAL_PLAIN, proxy=proxy)
        try:
            answer = await made.send(OutboundRequest("POST", "http://receiver.invalid/hook", {}, b"x"))
        finally:
            await made.close()
    assert (answer.status, lines) == (204, ["POST http://receiver.invalid/hook HTTP/1.1"])


@pytest.mark.parametrize("url", ["http://localhost/hook", "http://127.0.0.1/hook", "http://169.254.169.254/latest"])
async def test_proxy_does_not_lift_the_policy(url: str) -> None:
    """What a host is known to lead to is judged before the proxy hears of it."""
    async with proxying() as (proxy, lines):
        made = OutboundClient(GLOBAL_PLAIN, proxy=proxy)
        try:
            with pytest.raises(OutboundError) as caught:
                await made.send(OutboundRequest("POST", url, {}, b"x"))
        finally:
            await made.close()
    assert (caught.value.trouble, caught.value.reached, lines) == (Trouble.ADDRESS, False, [])
