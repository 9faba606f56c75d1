"""Certificates of every kind, made on the spot, and real TLS servers that present them."""

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
"""Where the fake clock stands."""
YEARS = timedelta(days=3650)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, and those above it, the nearest first."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    above: tuple["Issued", ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def chain(self, links: int | None = None) -> tuple[bytes, ...]:
        """What a server presents: the leaf and those above it but the root, or only so many of them."""
        above = [each.der for each in self.above[:-1]]
        return (self.der, *(above if links is None else above[:links]))


def make_name(common: str, organization: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else []
    if organization is not None:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def sign(
    name: x509.Name,
    issuer: Issued | None,
    *,
    starts: datetime,
    ends: datetime,
    authority: bool = False,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> Issued:
    """A certificate signed by its issuer, or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    return Issued(certificate, key, (issuer, *issuer.above) if issuer else ())


@cache
def make_root(common: str = "Test Root") -> Issued:
    """An authority that trusts itself."""
    return sign(make_name(common, "Test Trust"), None, starts=NOW - YEARS, ends=NOW + YEARS, authority=True)


@cache
def make_intermediate(organization: str = "Test Trust", *, days: int = 3000) -> Issued:
    """An authority below the root."""
    name = make_name(f"{organization} CA 1", organization)
    return sign(name, make_root(), starts=NOW - YEARS, ends=NOW + timedelta(days=days), authority=True)


def issue(
    *names: str,
    days: float = 60,
    now: datetime = NOW,
    issuer: Issued | None = None,
    common: str | None = None,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
) -> Issued:
    """A server's certificate for names and addresses, with so many days left."""
    sans = [to_san(name) for name in names]
    ends = now + timedelta(days=days)
    extensions: list[tuple[x509.ExtensionType, bool]] = [(x509.ExtendedKeyUsage([usage]), False)]
    if sans:
        extensions.append((x509.SubjectAlternativeName(sans), False))
    subject = make_name(common if common is not None else names[0])
    return sign(subject, issuer or make_intermediate(), starts=min(now, ends) - timedelta(days=90), ends=ends, extensions=extensions)


def issue_self_signed(*names: str, days: float = 60, now: datetime = NOW) -> Issued:
    """A certificate that nobody vouches for."""
    extensions: list[tuple[x509.ExtensionType, bool]] = [(x509.SubjectAlternativeName([to_san(name) for name in names]), False)]
    return sign(make_name(names[0]), None, starts=now - timedelta(days=90), ends=now + timedelta(days=days), extensions=extensions)


def to_san(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass
class TlsServer:
    """A server that presents whatever it is told to, to each connection anew. `greeted` are the names that clients asked for."""

    port: int
    presented: tuple[Issued, int | None]
    greeted: list[str | None] = field(default_factory=list)

    def present(self, issued: Issued, links: int | None = None) -> None:
        """From now on presents a certificate, with all authorities below the root or only so many."""
        self.presented = (issued, links)


@asynccontextmanager
async def serving(
    issued: Issued, *, links: int | None = None, host: str = "127.0.0.1", client_certificate: bool = False
) -> AsyncIterator[TlsServer]:
    """A TLS server."""
    server = TlsServer(0, (issued, links))
    outer = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load(outer, issued, links)

    def choose(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        server.greeted.append(name)
        chosen = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        load(chosen, *server.presented)
        connection.context = chosen

    outer.sni_callback = choose
    if client_certificate:
        outer.maximum_version = ssl.TLSVersion.TLSv1_2
        outer.verify_mode = ssl.CERT_REQUIRED

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listening = await asyncio.start_server(hang_up, host, 0, ssl=outer)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await listening.wait_closed()


def load(context: ssl.SSLContext, issued: Issued, links: int | None) -> None:
    """Gives a context a certificate; OpenSSL reads them from files only."""
    above = [each.pem for each in issued.above[:-1]]
    key = issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "server.pem"
        path.write_bytes(b"".join([key, issued.pem, *(above if links is None else above[:links])]))
        context.load_cert_chain(path)
