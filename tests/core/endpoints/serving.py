"""Servers that do with connections what a test says, and a checker that looks at them."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lumetry_core.endpoints.checking import Checker, Finding
from lumetry_core.endpoints.lag import LagGuard
from lumetry_core.endpoints.model import Config, EndpointType
from lumetry_core.runtime.addresses import PRIVATE_TOO, Policy

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def listening(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server on 127.0.0.1, for as long as the test runs."""
    writers: list[asyncio.StreamWriter] = []
    tasks: list[asyncio.Task[None]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)

    def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        tasks.append(asyncio.ensure_future(answer(reader, writer)))

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for _ in range(3):
            await asyncio.sleep(0)  # what was accepted becomes a connection
        server.close()
        for task in tasks:
            task.cancel()
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(*texts: bytes, seen: list[bytes] | None = None) -> Serve:
    """Answers the n-th connection with the n-th text, and all later ones with the last."""
    connections = iter(range(10_000))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(connections)
        head = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(head)
        writer.write(texts[min(number, len(texts) - 1)])
        await writer.drain()

    return serve


def flooding(start: bytes, more: bytes) -> Serve:
    """Never stops to answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(start)
        while not writer.is_closing():
            writer.write(more)
            await writer.drain()

    return serve


async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Answers nothing."""


def redirecting(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


async def check(
    target: str,
    *,
    policy: Policy = PRIVATE_TOO,
    headers: dict[str, str] | None = None,
    trust: ssl.SSLContext | None = None,
    guard: LagGuard | None = None,
    **settings: Any,
) -> Finding:
    """Checks once."""
    kind = EndpointType.HTTP if "://" in target else EndpointType.TCP
    checker = Checker(policy, "1.2.3", guard or LagGuard(), trust=trust)
    try:
        config = Config(endpoint_type=kind, target=target, **{"timeout_seconds": 5, **settings})
        return await checker.check(config, headers or {})
    finally:
        checker.close()


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str] | OSError) -> None:
    """Makes every name lead to the addresses of the n-th answer at its n-th look-up, and to the last one later."""
    lookups = iter(range(10_000))

    def look_up(host: str, port: int, family: int) -> list[tuple[int, int, str]]:
        answer = answers[min(next(lookups), len(answers) - 1)]
        if isinstance(answer, OSError):
            raise answer
        return [(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.IPPROTO_TCP, address) for address in answer]

    monkeypatch.setattr("lumetry_core.runtime.outbound.look_up", look_up)


def pretend_public(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Makes the checker take some addresses of this host for public ones."""
    monkeypatch.setattr("lumetry_core.endpoints.attempt.is_public", lambda address: address in {ip_address(text) for text in addresses})


def make_certificate(
    folder: Path, *, names: tuple[str, ...] = ("shop.test",), days: int = 30
) -> tuple[ssl.SSLContext, ssl.SSLContext, bytes]:
    """What a server needs to show a certificate of its own making, a client that trusts it, and the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(days + 1000)
    built = built.not_valid_before(now - timedelta(days=60)).not_valid_after(now + timedelta(days=days))
    alternatives = [x509.IPAddress(ip_address(each)) if each[0].isdigit() else x509.DNSName(each) for each in names]
    made = built.add_extension(x509.SubjectAlternativeName(alternatives), critical=False).sign(key, hashes.SHA256())
    pem = made.public_bytes(serialization.Encoding.PEM)
    file = folder / "server.pem"
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain) + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=pem.decode()), made.public_bytes(serialization.Encoding.DER)
