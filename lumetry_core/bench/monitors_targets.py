"""A server on loopback that shows one certificate at many addresses."""

import asyncio
import ssl
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lumetry_core.bench.connection import BenchError
from lumetry_core.runtime.clock import SystemClock

START_SECONDS = 10.0
HOSTS = tuple(f"127.0.0.{number}" for number in range(1, 51))
PORTS = 20


@dataclass(frozen=True, slots=True)
class TlsServer:
    """Where the certificate is shown: every port at every host."""

    hosts: Sequence[str]
    ports: Sequence[int]


@contextmanager
def run_tls_server() -> Iterator[TlsServer]:
    """Serves until the end of the block, in a thread of its own.

    Raises:
        BenchError: It did not start.
    """
    loop, started, ports = asyncio.new_event_loop(), threading.Event(), list[int]()
    stop = asyncio.Event()

    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def serve() -> None:
        context = make_context()
        servers = []
        for _ in range(PORTS):
            first = await asyncio.start_server(close, HOSTS[0], 0, ssl=context)
            port = first.sockets[0].getsockname()[1]
            servers += [first, await asyncio.start_server(close, HOSTS[1:], port, ssl=context)]
            ports.append(port)
        started.set()
        await stop.wait()
        for server in servers:
            server.close()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="tls-server")
    thread.start()
    try:
        if not started.wait(START_SECONDS):
            raise BenchError("the server with the certificate did not start")
        yield TlsServer(HOSTS, ports)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def make_context() -> ssl.SSLContext:
    """What a server with a certificate of its own making needs."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench.example")])
    now = SystemClock().now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory(prefix="lumetry-bench-") as folder:
        path = Path(folder) / "server.pem"
        secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
        context.load_cert_chain(path)
    return context
