"""Makes checks. Everything that a stranger's server may do ends within the check's timeout and 64 KiB (contract monitoring 5.4, 13.4)."""

import asyncio
import hashlib
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import aiohttp
from yarl import URL

from lumetry_core.endpoints.attempt import Attempt, NotingResponse, OursError, has_descriptors
from lumetry_core.endpoints.drafts import is_secret, split_tcp
from lumetry_core.endpoints.expectations import read_expected
from lumetry_core.endpoints.lag import LagGuard
from lumetry_core.endpoints.model import Config, EndpointType
from lumetry_core.endpoints.resolving import Lookups, NoAnswerError, UnknownNameError
from lumetry_core.runtime.addresses import Policy, find_form_fault, find_host_fault
from lumetry_core.runtime.outbound import ForbiddenAddressError

MAX_BODY_BYTES = 64 * 1024
BODY_SECONDS = 1.0
"""Once the head of an answer is there, so long is waited for its body, of which nothing is kept."""
SPARE_SECONDS = 0.05
"""A body is given up so long before the check's time is over: its head has arrived, so the check has its result."""
MAX_ERROR = 500
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class TlsSight:
    """What a check saw of an HTTPS target's certificate."""

    hostname: str
    port: int
    fingerprint: str | None
    """SHA-256 of the certificate; None when there was no trusted connection."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    is_success: bool
    response_ms: int
    http_status: int | None = None
    error: str | None = None
    tls: TlsSight | None = None


class FailedError(Exception):
    """The endpoint is at fault; the message is for people."""


class Checker:
    """Makes checks, each over fresh connections, so that times and certificates are those of now."""

    def __init__(self, policy: Policy, version: str, guard: LagGuard, *, trust: ssl.SSLContext | None = None) -> None:
        """Builds the checker.

        Args:
            policy: Where connections may lead.
            version: Of the product, which says who it is.
            guard: Knows whether this process kept up.
            trust: Whose certificates are trusted; None: those that the system trusts.
        """
        self._policy = policy
        self._agent = f"Lumetry/{version}"
        self._guard = guard
        self._given_trust = trust
        self._lookups = Lookups()

    async def check(self, config: Config, headers: Mapping[str, str]) -> Finding:
        """Checks once.

        Args:
            config: What and how.
            headers: With their values.

        Raises:
            OursError: There is no result, and it is no fault of the endpoint.
        """
        loop = asyncio.get_running_loop()
        start = loop.time()
        attempt = Attempt(self._policy, self._lookups, start + config.timeout_seconds)
        sight = sight_of(config)
        try:
            async with asyncio.timeout(config.timeout_seconds):
                if config.endpoint_type is EndpointType.TCP:
                    return await self._check_tcp(config, attempt)
                return await self._check_http(config, headers, attempt)
        except TimeoutError:
            if attempt.waits_for_lookup or self._guard.stalled_since(start):
                raise OursError("this process did not keep up") from None
            if attempt.asked_host:
                await self._blame_resolver(attempt.asked_host)
                message = f"the host {attempt.asked_host} was not resolved within {config.timeout_seconds} s"
            else:
                message = f"no answer within {config.timeout_seconds} s"
        except FailedError as failure:
            message = str(failure)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            message = await self._explain(error, attempt)
        return Finding(is_success=False, response_ms=attempt.elapsed_ms(loop.time()), error=message[:MAX_ERROR], tls=sight)

    def close(self) -> None:
        """Ends what runs beside checks."""
        self._lookups.close()

    async def _check_tcp(self, config: Config, attempt: Attempt) -> Finding:
        loop = asyncio.get_running_loop()
        place = split_tcp(config.target)
        if place is None:
            raise FailedError("the target is not host:port")
        host, port = place
        last: OSError = OSError("the host has no address")
        for family, proto, address in await self._find_addresses(host, port, attempt):
            try:
                made = attempt.make_socket((family, socket.SOCK_STREAM, proto, "", (address, port)))
                with made:
                    made.setblocking(False)  # noqa: FBT003 -- the name says it
                    await loop.sock_connect(made, (address, port))
                    return Finding(is_success=True, response_ms=attempt.elapsed_ms(loop.time()))
            except OSError as error:
                last = error
        raise last

    async def _find_addresses(self, host: str, port: int, attempt: Attempt) -> list[tuple[socket.AddressFamily, int, str]]:
        with suppress(ValueError):
            literal = ipaddress.ip_address(host)
            family = socket.AF_INET if literal.version == 4 else socket.AF_INET6
            return [(family, socket.IPPROTO_TCP, host)]
        found = await attempt.resolver.resolve(host, port)
        return [(socket.AddressFamily(each["family"]), each["proto"], each["host"]) for each in found]

    async def _check_http(self, config: Config, headers: Mapping[str, str], attempt: Attempt) -> Finding:
        connector = aiohttp.TCPConnector(
            limit=0,
            force_close=True,
            use_dns_cache=False,
            resolver=attempt.resolver,
            socket_factory=attempt.make_socket,
            ssl=self._trusting if config.tls_verify else self._untrusting,
        )
        async with aiohttp.ClientSession(
            connector=connector,
            response_class=NotingResponse,
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("Content-Type",),
        ) as session:
            return await self._ask(session, config, headers, attempt)

    async def _ask(self, session: aiohttp.ClientSession, config: Config, headers: Mapping[str, str], attempt: Attempt) -> Finding:
        """Follows redirects; the answer that is not one, or one too many, is judged."""
        loop = asyncio.get_running_loop()
        url, method = URL(config.target, encoded=True), config.method
        origin = url.origin()
        tls = None
        while True:
            sent = {name: value for name, value in headers.items() if url.origin() == origin or not is_bound(name)}
            defaults = {"User-Agent": self._agent, "Accept": "*/*", "Accept-Encoding": "identity"}
            given = {name.lower() for name in sent}
            sent |= {name: value for name, value in defaults.items() if name.lower() not in given}
            async with session.request(method, url, headers=sent, allow_redirects=False) as answer:
                elapsed = attempt.elapsed_ms(loop.time())
                if attempt.hop == 0 and isinstance(answer, NotingResponse):
                    tls = sight_of(config, answer.leaf)
                location = answer.headers.get("Location") if answer.status in REDIRECTS else None
                if location is None or attempt.hop >= config.max_redirects:
                    await drain(answer, attempt.deadline)
                    return judge_status(config, answer.status, elapsed, tls)
                url = self._resolve_redirect(url, location)
                method = method_after(answer.status, method)
                answer.close()
            attempt.follow()

    def _resolve_redirect(self, url: URL, location: str) -> URL:
        """Where a redirect leads. Whether it may is judged again by the connection."""
        try:
            target = url.join(URL(location))
        except ValueError:
            raise FailedError("the redirect leads to no address") from None
        fault = find_form_fault(str(target)) or find_host_fault(target.host or "", target.port, self._policy)
        if fault is not None:
            raise FailedError(f"the redirect {fault}")
        return target

    async def _explain(self, error: Exception, attempt: Attempt) -> str:
        """Why a check failed, in words for people. Raises OursError when it did not."""
        cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        if attempt.own_fault is not None or not has_descriptors():
            raise OursError("no socket can be opened") from error
        if attempt.objection is not None and (isinstance(cause, ForbiddenAddressError) or isinstance(error, aiohttp.ClientConnectorError)):
            return attempt.objection
        if isinstance(cause, NoAnswerError):
            await self._blame_resolver(attempt.asked_host)
            return str(cause.strerror)
        if isinstance(cause, UnknownNameError):
            return str(cause.strerror)
        return explain_connection(error, cause)

    async def _blame_resolver(self, host: str) -> None:
        """Raises OursError unless the resolver answers for other names."""
        if not await self._lookups.answers_others(host):
            raise OursError("the resolver gives no answers")

    @cached_property
    def _trusting(self) -> ssl.SSLContext:
        return self._given_trust or ssl.create_default_context()

    @cached_property
    def _untrusting(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


async def drain(answer: aiohttp.ClientResponse, deadline: float) -> None:
    """Reads what comes of a body within limits and drops it; the status counts whatever becomes of it."""
    size, left = 0, deadline - SPARE_SECONDS - asyncio.get_running_loop().time()
    with suppress(aiohttp.ClientError, OSError, ValueError):  # a TimeoutError is an OSError
        async with asyncio.timeout(min(max(left, 0), BODY_SECONDS)):
            async for chunk in answer.content.iter_any():
                size += len(chunk)
                if size >= MAX_BODY_BYTES:
                    break
    answer.close()


def judge_status(config: Config, status: int, elapsed_ms: int, tls: TlsSight | None) -> Finding:
    """Whether a status is one of those that are expected."""
    is_expected = status in read_expected(config.expected_status)
    error = None if is_expected else f"status {status}, expected {config.expected_status}"
    return Finding(is_success=is_expected, response_ms=elapsed_ms, http_status=status, error=error, tls=tls)


def method_after(status: int, method: str) -> str:
    """The method with which a redirect is followed."""
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        return "GET"
    return method


def is_bound(name: str) -> bool:
    """Whether a header is meant for the target alone, and not for whom it redirects to."""
    return is_secret(name) or name.lower() == "host"


def sight_of(config: Config, leaf: bytes | None = None) -> TlsSight | None:
    """What was seen of the target's certificate; None: it has none."""
    if config.endpoint_type is not EndpointType.HTTP or not config.target.lower().startswith("https:"):
        return None
    url = URL(config.target, encoded=True)
    return TlsSight(url.host or "", url.port or 443, None if leaf is None else hashlib.sha256(leaf).hexdigest())


def explain_connection(error: Exception, cause: Exception) -> str:
    """What happened to a connection."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", "") or "the certificate does not belong to the host"
        return f"the certificate is not trusted: {reason}"
    if isinstance(error, aiohttp.ClientSSLError):
        return "no secure connection could be agreed on"
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    if isinstance(cause, ConnectionResetError) or isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError):
        return "the connection was closed before an answer came" if not isinstance(error, aiohttp.ClientConnectorError) else words_of(cause)
    if isinstance(error, aiohttp.ClientResponseError):
        return "the answer is not HTTP, or its head is too large"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer ended early"
    if isinstance(cause, OSError):
        return words_of(cause)
    return "the request cannot be sent as it is"


def words_of(cause: Exception) -> str:
    """The system's words for a failure."""
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else "no connection could be made"
    return f"{text[:1].lower()}{text[1:]}"
