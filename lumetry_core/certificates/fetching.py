"""Reads the whole chain that a server presents, trusted or not (contract monitoring 7.3).

Before its version 3.13 Python's `ssl` tells a chain that it does not trust through private names only; pyOpenSSL does it publicly. The
connection itself is ours: the handshake lies between two buffers in memory, so every address passes the guard, every wait has its end, and
what a server may send is counted.
"""

import asyncio
import errno
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import ip_address

from OpenSSL import SSL, crypto

from lumetry_core.certificates.model import TIMEOUT_SECONDS, Presented
from lumetry_core.runtime.addresses import Policy, read_literal
from lumetry_core.runtime.outbound import ForbiddenAddressError, look_up, open_socket

MAX_HANDSHAKE_BYTES = 256 * 1024
"""The longest chain that OpenSSL takes has 100 KiB."""
READ_BYTES = 16 * 1024
MAX_ADDRESSES = 8
LOOKUPS_AT_ONCE = 8

TIMED_OUT = "handshake timeout"
REFUSED = "connection refused"
UNKNOWN_HOST = "hostname not found"
UNREACHABLE = "network unreachable"
OTHER = "other"

AWAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})

Where = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int]]

lookups = ThreadPoolExecutor(LOOKUPS_AT_ONCE, "certificate-lookup")
"""Names that take long hold up nothing else of the process. Threads start when they are first needed."""


class FetchError(Exception):
    """No chain could be read. The message begins with its class."""


async def fetch_chain(hostname: str, port: int, policy: Policy, *, timeout: float = TIMEOUT_SECONDS) -> Presented:  # noqa: ASYNC109 -- for all of it
    """The chain that a server presents, leaf first and not judged yet; without one, why there is none. Raises nothing a server can cause.

    Args:
        hostname: A name in ASCII, which is told to the server (SNI), or an address.
        port: Where it listens.
        policy: Where connections may go; judged by the address of each at the moment it is made.
        timeout: Seconds for all of it, from the look-up to the last certificate.
    """
    try:
        async with asyncio.timeout(timeout):
            with await connect(hostname, port, policy, timeout) as connection:
                return Presented(tuple(await read_chain(connection, hostname)))
    except TimeoutError:
        return Presented(error=TIMED_OUT)
    except FetchError as error:
        return Presented(error=str(error))
    except OSError as error:
        return Presented(error=explain(error))


def explain(error: OSError) -> str:
    """The class of a failure to connect."""
    if isinstance(error, ForbiddenAddressError):
        return f"{OTHER}: {error}"
    if isinstance(error, socket.gaierror):
        return UNKNOWN_HOST
    if isinstance(error, ConnectionRefusedError):
        return REFUSED
    if error.errno in AWAY:
        return UNREACHABLE
    if isinstance(error, ConnectionError):
        return f"{OTHER}: the server closed the connection"
    return f"{OTHER}: no connection could be made"


async def connect(hostname: str, port: int, policy: Policy, seconds: float) -> socket.socket:
    """A connection to the first address that takes one. Each has its share of the time, so that one that is silent leaves some to others.

    Raises:
        OSError: None does; the failure of the first address that may be connected to.
    """
    places = await resolve(hostname, port)
    failures: list[OSError] = []
    for where in places:
        try:
            opened = open_socket(where, policy)
        except OSError as error:
            failures.append(error)
            continue
        opened.settimeout(0)
        try:
            async with asyncio.timeout(seconds if len(places) == 1 else seconds / 2 / (len(places) - 1)):
                await asyncio.get_running_loop().sock_connect(opened, where[4])
        except TimeoutError as error:
            opened.close()
            failures.append(error)
        except OSError as error:
            opened.close()
            failures.append(error)
        except BaseException:
            opened.close()
            raise
        else:
            return opened
    raise next((error for error in failures if not isinstance(error, ForbiddenAddressError)), failures[0])


async def resolve(hostname: str, port: int) -> Sequence[Where]:
    """The addresses of a host.

    Raises:
        OSError: It has none.
    """
    literal = read_literal(hostname)
    if literal is not None:
        family = socket.AF_INET if literal.version == 4 else socket.AF_INET6
        return [(family, socket.SOCK_STREAM, 0, "", (str(literal), port))]
    found = await asyncio.get_running_loop().run_in_executor(lookups, look_up, hostname, port, socket.AF_UNSPEC)
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, "no address")
    places = dict.fromkeys((socket.AddressFamily(family), proto, address) for family, proto, address in found)
    return [(family, socket.SOCK_STREAM, proto, "", (address, port)) for family, proto, address in places][:MAX_ADDRESSES]


async def read_chain(connection: socket.socket, hostname: str) -> list[bytes]:
    """Shakes hands until the server has presented its chain.

    Raises:
        FetchError: It presents none, or sends more than a handshake has.
    """
    tls = SSL.Connection(build_context(), None)
    if not is_address(hostname):
        tls.set_tlsext_host_name(hostname.encode())
    tls.set_connect_state()
    failure = await shake_hands(tls, connection)
    chain = tls.get_peer_cert_chain()
    if not chain:
        raise FetchError(f"{OTHER}: {failure or 'the server presents no certificate'}")
    if not failure:
        await take_leave(tls, connection)
    # a server that wants a certificate of ours ends the handshake, and has presented its own before
    return [crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) for certificate in chain]


async def shake_hands(tls: SSL.Connection, connection: socket.socket) -> str:
    """Carries a handshake to its end. Answers why it failed; empty: it did not.

    Raises:
        FetchError: The server sends more than a handshake has.
    """
    loop = asyncio.get_running_loop()
    received = 0
    while True:
        try:
            tls.do_handshake()
        except SSL.WantReadError:
            if outgoing := drain(tls):
                await loop.sock_sendall(connection, outgoing)
        except SSL.Error as error:
            return describe(error)
        else:
            return ""
        data = await loop.sock_recv(connection, READ_BYTES)
        received += len(data)
        if not data:
            return "the server closed the connection"
        if received > MAX_HANDSHAKE_BYTES:
            raise FetchError(f"{OTHER}: the server sends more than a handshake has")
        tls.bio_write(data)


async def take_leave(tls: SSL.Connection, connection: socket.socket) -> None:
    """Ends the handshake and the connection as servers expect it, so that none of them takes it for a failure."""
    with suppress(OSError, SSL.Error):
        tls.shutdown()
        await asyncio.get_running_loop().sock_sendall(connection, drain(tls))


def build_context() -> SSL.Context:
    """A client that takes what servers have, however old or weak: it sends nothing but greetings, and trusts nobody."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_NONE)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    context.set_min_proto_version(SSL.TLS1_VERSION)
    return context


def drain(tls: SSL.Connection) -> bytes:
    """What the handshake wants to be sent."""
    sent = bytearray()
    while True:
        try:
            sent += tls.bio_read(READ_BYTES)
        except SSL.WantReadError:
            return bytes(sent)


def describe(error: SSL.Error) -> str:
    """Why a handshake failed, in OpenSSL's words."""
    reasons = error.args[0] if error.args and isinstance(error.args[0], list) else []
    words = next((str(each[2]) for each in reasons if each[2]), "")
    return f"the handshake failed: {words}" if words else "the handshake failed"


def is_address(hostname: str) -> bool:
    """Whether a host is an address, which no server is told."""
    try:
        ip_address(hostname)
    except ValueError:
        return False
    return True
