import asyncio
import gzip
import hashlib
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from lumetry_core.endpoints.attempt import REDIRECT_REFUSED, OursError
from lumetry_core.endpoints.checking import MAX_BODY_BYTES, Checker, TlsSight
from lumetry_core.endpoints.lag import LagGuard
from lumetry_core.endpoints.model import Config, EndpointType
from lumetry_core.runtime.addresses import PRIVATE_TOO, OwnPorts, Policy
from tests.core.endpoints.serving import (
    OK,
    answering,
    check,
    flooding,
    listening,
    make_certificate,
    pretend_public,
    redirecting,
    resolve_to,
    silent,
)

NO_PRIVATE = Policy(allows_private=False, allows_plain=True)
FORBIDDEN = "the host leads to a forbidden address: "
NO_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
NO_ANSWER = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


async def test_check_sends_what_is_configured() -> None:
    """Method, path, headers and who it is arrive; the status is told and nothing failed."""
    seen: list[bytes] = []
    async with listening(answering(OK, seen=seen)) as port:
        found = await check(f"http://127.0.0.1:{port}/a%2Fb?c=%20", method="POST", headers={"X-Shop": "1", "Host": "shop.test"})
    assert (found.is_success, found.http_status, found.error, found.tls) == (True, 200, None, None)
    lines = seen[0].decode().split("\r\n")
    assert lines[0] == "POST /a%2Fb?c=%20 HTTP/1.1"
    assert {line for line in lines if line.startswith(("User-Agent", "X-Shop", "Host", "Accept-Encoding", "Content-Type"))} == {
        "User-Agent: Lumetry/1.2.3",
        "X-Shop: 1",
        "Host: shop.test",
        "Accept-Encoding: identity",
    }


@pytest.mark.parametrize(
    ("expected", "error"),
    [("2xx", "status 404, expected 2xx"), ("200,404", None), ("4xx", None), ("405", "status 404, expected 405")],
)
async def test_check_judges_the_status(expected: str, error: str | None) -> None:
    """Codes and classes of the list are successes, everything else is told."""
    async with listening(answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")) as port:
        found = await check(f"http://127.0.0.1:{port}/", expected_status=expected)
    assert (found.is_success, found.http_status, found.error) == (error is None, 404, error)


async def test_check_opens_a_fresh_connection_each_time() -> None:
    """A connection that is kept would hide that no new one can be made."""
    seen: list[bytes] = []
    async with listening(answering(OK, seen=seen)) as port:
        checker = Checker(PRIVATE_TOO, "1", LagGuard())
        config = Config(endpoint_type=EndpointType.HTTP, target=f"http://127.0.0.1:{port}/")
        for _ in range(3):
            await checker.check(config, {})
        checker.close()
    assert len(seen) == 3


async def test_check_measures_from_connecting_to_the_head() -> None:
    """A body that takes its time does not count."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nslow")

    async with listening(serve) as port:
        loop = asyncio.get_running_loop()
        start = loop.time()
        found = await check(f"http://127.0.0.1:{port}/", timeout_seconds=1)
        took = (loop.time() - start) * 1000
    assert (found.is_success, found.error) == (True, None)
    assert found.response_ms < 500 < took


# hostile servers


async def test_check_gives_up_on_a_dripping_head() -> None:
    """However long a server goes on with its head, the check ends in time."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"X-A: b\r\n")
            await writer.drain()
            await asyncio.sleep(0.2)

    async with listening(drip) as port:
        found = await check(f"http://127.0.0.1:{port}/", timeout_seconds=1)
    assert (found.is_success, found.error) == (False, "no answer within 1 s")


async def test_check_reads_little_of_an_endless_body() -> None:
    """The head decides; of the body no more is taken than the limit and what lies in buffers."""
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"10000\r\n" + bytes(65_536) + b"\r\n")
            sent += 65_536
            await writer.drain()

    async with listening(flood) as port:
        found = await check(f"http://127.0.0.1:{port}/")
    assert (found.is_success, found.http_status) == (True, 200)
    assert sent < MAX_BODY_BYTES + 32 * 1024 * 1024


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Bomb: " + b"a" * 1000 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-Bomb: ", b"a" * 65_536),
        (b"HTTP/1.1 200 ", b"a" * 65_536),
    ],
)
async def test_check_refuses_a_head_without_end(start: bytes, more: bytes) -> None:
    """Many headers, one long header and a long status line end the check at once."""
    async with listening(flooding(start, more)) as port:
        found = await check(f"http://127.0.0.1:{port}/")
    assert (found.is_success, found.error) == (False, "the answer is not HTTP, or its head is too large")


async def test_check_gives_up_on_endless_interim_answers() -> None:
    """Answers that only announce others are no answer."""
    async with listening(flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 10)) as port:
        found = await check(f"http://127.0.0.1:{port}/", timeout_seconds=1)
    assert (found.is_success, found.error) == (False, "no answer within 1 s")


async def test_check_never_unpacks() -> None:
    """A few packed bytes stay few."""
    packed = gzip.compress(bytes(50 * 1024 * 1024))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    async with listening(answering(head + packed)) as port:
        found = await check(f"http://127.0.0.1:{port}/")
    assert (found.is_success, found.http_status) == (True, 200)


async def test_check_tells_a_reset() -> None:
    """A connection that breaks before its answer is a failure."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with listening(reset) as port:
        found = await check(f"http://127.0.0.1:{port}/")
    assert (found.is_success, found.error) == (False, "the connection was closed before an answer came")


@pytest.mark.parametrize("text", [b"220 mail.example.com ESMTP\r\n", b"\x00\xff\x16\x03" * 50, b"HTTP/1.1 abc\r\n\r\n"])
async def test_check_tells_garbage(text: bytes) -> None:
    """What is not HTTP is told without showing it."""
    async with listening(answering(text)) as port:
        found = await check(f"http://127.0.0.1:{port}/", timeout_seconds=1)
    assert (found.is_success, found.error) == (False, "the answer is not HTTP, or its head is too large")


async def test_check_tells_silence_and_refusal() -> None:
    """Nobody listens, or somebody says nothing."""
    async with listening(silent) as port:
        found = await check(f"http://127.0.0.1:{port}/", timeout_seconds=1)
        assert (found.is_success, found.error) == (False, "no answer within 1 s")
    found = await check(f"http://127.0.0.1:{port}/")
    assert (found.is_success, found.error) == (False, "connection refused")


async def test_many_hostile_servers_delay_no_check() -> None:
    """Hundreds of checks that hang leave another one as quick as ever."""
    async with AsyncExitStack() as stack:
        hanging = await stack.enter_async_context(listening(silent))
        quick = await stack.enter_async_context(listening(answering(OK)))
        checker = Checker(PRIVATE_TOO, "1", LagGuard())
        stack.callback(checker.close)
        slow = Config(endpoint_type=EndpointType.HTTP, target=f"http://127.0.0.1:{hanging}/", timeout_seconds=30)
        waiting = [asyncio.ensure_future(checker.check(slow, {})) for _ in range(300)]
        found = await checker.check(Config(endpoint_type=EndpointType.HTTP, target=f"http://127.0.0.1:{quick}/"), {})
        assert (found.is_success, any(task.done() for task in waiting)) == (True, False)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


# redirects


async def test_check_follows_redirects_and_judges_the_end() -> None:
    """The answer behind them counts; a POST becomes a GET; secrets stay with the target's own host."""
    seen: list[bytes] = []
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(listening(answering(OK, seen=seen)))
        first = await stack.enter_async_context(listening(answering(redirecting(f"http://127.0.0.1:{other}/end"), seen=seen)))
        found = await check(f"http://127.0.0.1:{first}/", method="POST", headers={"Authorization": "Bearer x", "X-A": "b"})
    assert (found.is_success, found.http_status) == (True, 200)
    assert [head.split(b"\r\n")[0] for head in seen] == [b"POST / HTTP/1.1", b"GET /end HTTP/1.1"]
    assert [(b"Bearer x" in head, b"X-A: b" in head) for head in seen] == [(True, True), (False, True)]


@pytest.mark.parametrize(("most", "asked"), [(0, 1), (1, 2), (5, 6)])
async def test_check_judges_the_last_of_too_many_redirects(most: int, asked: int) -> None:
    """A loop ends where the limit says, and the redirect itself is judged."""
    seen: list[bytes] = []
    async with listening(answering(redirecting("/again", 307), seen=seen)) as port:
        found = await check(f"http://127.0.0.1:{port}/", max_redirects=most, expected_status="2xx")
    assert (found.is_success, found.http_status, found.error) == (False, 307, "status 307, expected 2xx")
    assert len(seen) == asked


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("ftp://127.0.0.1/", "the redirect must be an absolute http or https URL"),
        ("http://a:b@127.0.0.1/", "the redirect must not hold a user name or password"),
        ("http://169.254.169.254/latest", "the redirect must not lead to 169.254.169.254: it is a metadata address"),
        ("http://[fd00:ec2::23]/", "the redirect must not lead to fd00:ec2::23: it is a metadata address"),
    ],
)
async def test_check_follows_no_redirect_to_where_it_must_not_go(location: str, error: str) -> None:
    """Another protocol, credentials and forbidden literals end the check."""
    async with listening(answering(redirecting(location))) as port:
        found = await check(f"http://127.0.0.1:{port}/")
    assert (found.is_success, found.error) == (False, error)


async def test_check_refuses_a_redirect_from_public_to_private(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's server must not make the checker look into the network that it stands in, though checks may go there."""
    seen: list[bytes] = []
    pretend_public(monkeypatch, "127.0.0.1")
    async with AsyncExitStack() as stack:
        inner = await stack.enter_async_context(listening(answering(OK, seen=seen)))
        outer = await stack.enter_async_context(listening(answering(redirecting(f"http://127.0.0.2:{inner}/"))))
        found = await check(f"http://127.0.0.1:{outer}/")
    assert (found.is_success, found.error, seen) == (False, REDIRECT_REFUSED, [])


async def test_check_refuses_a_redirect_to_a_name_of_a_private_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a name leads to counts, at the moment of the connection."""
    seen: list[bytes] = []
    pretend_public(monkeypatch, "127.0.0.1")
    resolve_to(monkeypatch, ["127.0.0.2"])
    async with AsyncExitStack() as stack:
        inner = await stack.enter_async_context(listening(answering(OK, seen=seen)))
        outer = await stack.enter_async_context(listening(answering(redirecting(f"http://inner.test:{inner}/"))))
        found = await check(f"http://127.0.0.1:{outer}/")
    assert (found.is_success, found.error, seen) == (False, REDIRECT_REFUSED, [])


# where checks may lead


@pytest.mark.parametrize(
    ("address", "objection"),
    [
        ("169.254.169.254", "it is a metadata address"),
        ("169.254.170.2", "it is a metadata address"),
        ("169.254.170.23", "it is a metadata address"),
        ("100.100.100.200", "it is a metadata address"),
        ("168.63.129.16", "it is a metadata address"),
        ("192.0.0.192", "it is a metadata address"),
        ("fd00:ec2::254", "it is a metadata address"),
        ("fd00:ec2::23", "it is a metadata address"),
        ("169.254.1.1", "it is a link-local address"),
        ("fe80::1", "it is a link-local address"),
        ("0.0.0.0", "it is no address of a host"),
        ("::", "it is no address of a host"),
        ("224.0.0.1", "it is a multicast address"),
        ("ff02::1", "it is a multicast address"),
        ("255.255.255.255", "it is a reserved address"),
        ("240.0.0.1", "it is a reserved address"),
        ("192.0.2.1", "it is not a global address"),
        ("198.18.0.1", "it is not a global address"),
        ("2001:db8::1", "it is not a global address"),
        ("64:ff9b::a9fe:a9fe", "it is a metadata address"),
        ("2002:a9fe:a9fe::1", "it is a metadata address"),
        ("2001::4136:e378:8000:63bf:5601:5601", "it is a metadata address"),
        ("::ffff:169.254.169.254", "it is a metadata address"),
    ],
)
@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_check_never_connects_to_some_addresses(scheme: str, address: str, objection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads there is refused at the moment of the connection, for HTTP and TCP, though private addresses are allowed."""
    resolve_to(monkeypatch, [address])
    found = await check(f"{scheme}shop.test:80")
    assert (found.is_success, found.error) == (False, f"{FORBIDDEN}{objection}")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "fd00::1"])
async def test_check_leaves_private_addresses_alone_where_they_are_not_allowed(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`LUMETRY_CHECK_ALLOW_PRIVATE=false` shuts the network in which Lumetry stands."""
    resolve_to(monkeypatch, [address])
    found = await check("http://shop.test/", policy=NO_PRIVATE)
    assert found.error is not None
    assert (found.is_success, found.error.startswith(FORBIDDEN)) == (False, True)


@pytest.mark.parametrize("form", ["http://127.0.0.1:{}/", "http://shop.test:{}/", "127.0.0.1:{}", "shop.test:{}"])
async def test_check_never_connects_to_the_core(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own listener is out of reach, by address and by name."""
    resolve_to(monkeypatch, ["127.0.0.1"])
    seen: list[bytes] = []
    async with listening(answering(OK, seen=seen)) as port:
        own = OwnPorts()
        own.add("127.0.0.1", port)
        found = await check(form.format(port), policy=Policy(allows_private=True, allows_plain=True, own_ports=own))
    assert (found.is_success, found.error, seen) == (False, f"{FORBIDDEN}it is Lumetry's own", [])


async def test_check_judges_each_connection_by_its_own_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads elsewhere at its second look-up gains nothing: a redirect to itself is judged anew."""
    resolve_to(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    async with listening(answering(redirecting("/again"), OK)) as port:
        found = await check(f"http://shop.test:{port}/")
    assert (found.is_success, found.error) == (False, f"{FORBIDDEN}it is a metadata address")


async def test_check_passes_over_forbidden_addresses_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several addresses the one that is allowed is used."""
    resolve_to(monkeypatch, ["169.254.169.254", "127.0.0.1"])
    async with listening(answering(OK)) as port:
        assert (await check(f"http://shop.test:{port}/")).is_success
        assert (await check(f"shop.test:{port}")).is_success


# TCP


async def test_check_of_tcp_is_a_connection() -> None:
    """Success is that it comes about; nothing is sent."""
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def take(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        received.set_result(await reader.read())

    async with listening(take) as port:
        found = await check(f"127.0.0.1:{port}")
        assert await received == b""
    assert (found.is_success, found.http_status, found.error) == (True, None, None)
    found = await check(f"127.0.0.1:{port}")
    assert (found.is_success, found.error) == (False, "connection refused")


# TLS


async def test_check_tells_whose_certificate_it_saw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate of that very connection is told by its fingerprint."""
    server, trust, der = make_certificate(tmp_path)
    resolve_to(monkeypatch, ["127.0.0.1"])
    async with listening(answering(OK), server) as port:
        found = await check(f"https://shop.test:{port}/", trust=trust)
    assert (found.is_success, found.tls) == (True, TlsSight("shop.test", port, hashlib.sha256(der).hexdigest()))


@pytest.mark.parametrize(
    ("names", "days", "trusted", "reason"),
    [
        (("shop.test",), 30, False, "self-signed certificate"),
        (("shop.test",), -1, True, "certificate has expired"),
        (("other.test",), 30, True, "Hostname mismatch, certificate is not valid for 'shop.test'."),
    ],
)
async def test_check_verifies_certificates_unless_told_not_to(
    names: tuple[str, ...], days: int, trusted: bool, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Untrusted, expired and wrong ones fail with the reason; without verification they do not."""
    server, trust, der = make_certificate(tmp_path, names=names, days=days)
    resolve_to(monkeypatch, ["127.0.0.1"])
    async with listening(answering(OK), server) as port:
        target = f"https://shop.test:{port}/"
        strict = await check(target, trust=trust if trusted else None)
        loose = await check(target, tls_verify=False)
    assert (strict.is_success, strict.error) == (False, f"the certificate is not trusted: {reason}")
    assert strict.tls == TlsSight("shop.test", port, None)
    assert (loose.is_success, loose.tls) == (True, TlsSight("shop.test", port, hashlib.sha256(der).hexdigest()))


@pytest.mark.parametrize("serve", [answering(OK), silent, flooding(b"", b"garbage")])
async def test_check_tells_that_no_tls_came_about(serve: object, tmp_path: Path) -> None:
    """A server that speaks plain text, nothing or garbage is no partner, and the check ends in time."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if serve is silent:
            return
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with listening(speak) as port:
        found = await check(f"https://127.0.0.1:{port}/", timeout_seconds=1)
    expected = "no answer within 1 s" if serve is silent else "no secure connection could be agreed on"
    assert (found.is_success, found.error) == (False, expected)


# whose fault it is


async def test_check_has_no_result_without_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """That this process may open no socket says nothing of an endpoint."""

    def refuse(*_: object, **__: object) -> socket.socket:
        raise OSError(24, "Too many open files")

    async with listening(answering(OK)) as port:
        monkeypatch.setattr("lumetry_core.runtime.outbound.socket.socket", refuse)
        for target in (f"http://127.0.0.1:{port}/", f"127.0.0.1:{port}"):
            with pytest.raises(OursError, match="no socket can be opened"):
                await check(target)
        monkeypatch.undo()


async def test_check_that_ran_out_of_time_while_the_process_stood_still_has_no_result() -> None:
    """The answer may have been there all the time."""
    guard = LagGuard()
    async with listening(silent) as port:
        loop = asyncio.get_running_loop()
        guard.beat(loop.time())
        guard.beat(loop.time() + 5)
        with pytest.raises(OursError, match="did not keep up"):
            await check(f"http://127.0.0.1:{port}/", timeout_seconds=1, guard=guard)


@pytest.mark.parametrize("form", ["http://gone.test/", "gone.test:80"])
async def test_check_of_a_name_that_does_not_exist_fails(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver has answered."""
    resolve_to(monkeypatch, NO_NAME)
    found = await check(form)
    assert (found.is_success, found.error, found.response_ms) == (False, "the host gone.test does not exist", 0)


@pytest.mark.parametrize("form", ["http://shop.test/", "shop.test:80"])
async def test_check_has_no_result_when_the_resolver_answers_nothing(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that is away is away for every name."""
    resolve_to(monkeypatch, NO_ANSWER)
    with pytest.raises(OursError, match="the resolver gives no answers"):
        await check(form)


async def test_check_of_a_name_without_answer_fails_while_others_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then its own zone is broken, which the endpoint answers for."""
    resolve_to(monkeypatch, ["127.0.0.1"], NO_ANSWER)
    async with listening(answering(OK)) as port:
        checker = Checker(PRIVATE_TOO, "1", LagGuard())
        first = await checker.check(Config(endpoint_type=EndpointType.HTTP, target=f"http://shop.test:{port}/"), {})
        second = await checker.check(Config(endpoint_type=EndpointType.HTTP, target="http://broken.test/"), {})
        checker.close()
    assert (first.is_success, second.is_success, second.error) == (True, False, "the host broken.test cannot be resolved")
