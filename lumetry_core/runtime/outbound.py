"""The one client for HTTP to addresses that users choose. Its guard sees every address right before a connection to it is made."""

import asyncio
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from lumetry_core.runtime.addresses import Policy, find_objection, find_url_fault

TOTAL_SECONDS = 10.0
"""Contract lumetry 14.4: from asking for a connection to the end of the answer."""
MAX_ANSWER_BYTES = 64 * 1024
ANSWER_BODY_SECONDS = 2.0
"""Once the status is known, so long is waited for the rest of the answer."""
CONNECTIONS_PER_HOST = 64
"""A receiver that hangs cannot take more. Several times what is sent at once to one address of a host, so that another one gets through."""
LOOKUPS_AT_ONCE = 32
DEFAULT_HEADERS = {"User-Agent": "Lumetry", "Accept-Encoding": "identity"}
"""Answers are wanted as they are: a few packed bytes could unpack to many."""


class ForbiddenAddressError(OSError):
    """A policy forbids the address. An OSError, so that the address counts as one that cannot be connected to."""


FORBIDDEN = "the host leads to a forbidden address"
"""By this text the error is known when it is told together with those of other addresses."""


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """A request."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class OutboundAnswer:
    """What a receiver answered. `body` is what came of it in time, at most 64 KiB; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Trouble(StrEnum):
    """Why there is no answer."""

    ADDRESS = "address"
    """The address is forbidden or none."""
    NAME = "name"
    """The name cannot be resolved, perhaps for now."""
    CONNECTION = "connection"
    """No connection came about."""
    CERTIFICATE = "certificate"
    """The receiver's certificate is not trusted."""
    TIMEOUT = "timeout"
    """The time is over."""
    ANSWER = "answer"
    """The connection ended, or what came is not HTTP."""


class OutboundError(Exception):
    """A request got no answer. The message is short and for people; it holds nothing of the address but the host."""

    def __init__(self, trouble: Trouble, message: str, *, reached: bool) -> None:
        super().__init__(message)
        self.trouble = trouble
        self.message = message
        self.reached = reached
        """Whether the receiver may have got the request."""


class ThreadResolver(AbstractResolver):
    """Looks names up in threads of its own, so that names that take long hold up nothing else of the process."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, "lookup")

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """See `AbstractResolver`."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, look_up, host, port, family)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST)
            for kind, proto, address in found
        ]

    async def close(self) -> None:
        """See `AbstractResolver`."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def look_up(host: str, port: int, family: int) -> list[tuple[int, int, str]]:
    """Family, protocol and text of the addresses of a name. Raises OSError."""
    answers = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [(kind, proto, str(where[0])) for kind, _, proto, _, where in answers if kind in (socket.AF_INET, socket.AF_INET6)]


def open_socket(info: aiohttp.AddrInfoType, policy: Policy) -> socket.socket:
    """A socket for a connection that is about to be made, if a policy allows it: the one place that every connection passes.

    Raises:
        ForbiddenAddressError: It does not.
    """
    family, kind, protocol, _, where = info
    objection = find_objection(ip_address(str(where[0])), policy, int(where[1]))
    if objection is not None:
        raise ForbiddenAddressError(f"{FORBIDDEN}: {objection}")
    return socket.socket(family=family, type=kind, proto=protocol)


class OutboundClient:
    """Sends requests where its policy lets them go. Follows no redirects, uses no proxy but the operator's, keeps no cookies.

    Behind a proxy only the proxy sees the address that is connected to. What the host leads to is then judged as far as it can be
    resolved here; a name that only the proxy knows is the proxy's to judge.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        total_seconds: float = TOTAL_SECONDS,
        body_seconds: float = ANSWER_BODY_SECONDS,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        proxy: str = "",
    ) -> None:
        self.policy = policy
        self._proxy = proxy or None
        self._total_seconds = total_seconds
        self._body_seconds = body_seconds
        self._max_answer_bytes = max_answer_bytes
        self._resolver = ThreadResolver()
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: OutboundRequest) -> OutboundAnswer:
        """Sends a request once. Raises OutboundError when there is no answer; any status is one, redirects included."""
        fault = find_url_fault(request.url, self.policy)
        if fault is not None:
            raise OutboundError(Trouble.ADDRESS, f"the address {fault}", reached=False)
        progress = SimpleNamespace(connected=False)
        try:
            if self._proxy is not None:
                await self._judge_target(URL(request.url, encoded=True))
            asked = self._open().request(
                request.method,
                URL(request.url, encoded=True),
                data=request.body or None,
                headers={**DEFAULT_HEADERS, **request.headers},
                allow_redirects=False,
                trace_request_ctx=progress,
                proxy=self._proxy,
            )
            async with asked as response:
                body = await self._read(response)
                return OutboundAnswer(response.status, {name.lower(): value for name, value in response.headers.items()}, body)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a TimeoutError is an OSError
            raise self._explain(error, reached=progress.connected) from error

    async def close(self) -> None:
        """Closes connections."""
        if self._session is not None:
            await self._session.close()
        await self._resolver.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_connection_create_end.append(note_connection)
            trace.on_connection_reuseconn.append(note_connection)
            connector = aiohttp.TCPConnector(
                limit=0, limit_per_host=CONNECTIONS_PER_HOST, resolver=self._resolver, socket_factory=self._make_socket
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=self._total_seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                trace_configs=[trace],
            )
        return self._session

    def _make_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        if self._proxy is not None:
            return socket.socket(family=info[0], type=info[1], proto=info[2])
        return open_socket(info, self.policy)

    async def _judge_target(self, url: URL) -> None:
        """Raises OutboundError when the host leads to a forbidden address."""
        try:
            async with asyncio.timeout(self._total_seconds):
                found = await self._resolver.resolve(url.host or "", url.port or 0)
        except OSError:  # a TimeoutError is one
            return
        for each in found:
            objection = find_objection(ip_address(each["host"]), self.policy, each["port"])
            if objection is not None:
                raise OutboundError(Trouble.ADDRESS, f"{FORBIDDEN}: {objection}", reached=False)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """What comes of an answer's body in time. Its status counts whatever becomes of the rest."""
        body = bytearray()
        with suppress(aiohttp.ClientError, OSError, ValueError):
            async with asyncio.timeout(self._body_seconds):
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > self._max_answer_bytes:
                        break
                else:
                    return bytes(body)
        response.close()  # what is left of it would be waited for before the connection is used again
        return bytes(body[: self._max_answer_bytes])

    def _explain(self, error: Exception, *, reached: bool) -> OutboundError:
        """The failure of a request in words without its address."""
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return OutboundError(Trouble.NAME, f"the host {error.host} cannot be resolved", reached=False)
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return OutboundError(Trouble.CERTIFICATE, "the certificate is not trusted", reached=False)
        if isinstance(error, aiohttp.ClientSSLError):
            return OutboundError(Trouble.CONNECTION, "no secure connection could be agreed on", reached=False)
        if isinstance(error, aiohttp.ClientConnectorError):
            return explain_connecting(error.os_error)
        if isinstance(error, TimeoutError):
            what = "no answer" if reached else "no connection"
            return OutboundError(Trouble.TIMEOUT, f"{what} within {self._total_seconds:g} s", reached=reached)
        if isinstance(error, aiohttp.InvalidURL) or (isinstance(error, ValueError) and not isinstance(error, aiohttp.ClientError)):
            return OutboundError(Trouble.ADDRESS, "the request cannot be sent as it is", reached=False)
        if isinstance(error, aiohttp.ClientResponseError):
            return OutboundError(Trouble.ANSWER, "the answer is not HTTP", reached=True)
        return OutboundError(Trouble.ANSWER, "the connection was closed before an answer came", reached=True)


def explain_connecting(error: OSError) -> OutboundError:
    """Why no connection came about. Of several addresses one that is forbidden is the reason that is told."""
    if isinstance(error, ForbiddenAddressError):
        return OutboundError(Trouble.ADDRESS, str(error), reached=False)
    if FORBIDDEN in str(error):
        return OutboundError(Trouble.ADDRESS, FORBIDDEN, reached=False)
    if isinstance(error, ConnectionRefusedError):
        return OutboundError(Trouble.CONNECTION, "the connection was refused", reached=False)
    if isinstance(error, TimeoutError):
        return OutboundError(Trouble.TIMEOUT, "no connection in time", reached=False)
    return OutboundError(Trouble.CONNECTION, "no connection could be made", reached=False)


async def note_connection(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: Any) -> None:  # noqa: ANN401 -- two kinds
    """Notes that a request has a connection."""
    context.trace_request_ctx.connected = True
