"""A client of registries that speak the distribution API. It reads tags and digests without an account, and pulls nothing.

Each address is judged when a connection to it is made. A registry that answers at a public address may send nobody to a private one.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from ipaddress import ip_address
from typing import TypeVar

import msgspec
from yarl import URL

from lumetry_core.runtime.addresses import Policy, is_this_host
from lumetry_core.runtime.outbound import OutboundAnswer, OutboundClient, OutboundError, OutboundRequest, Trouble
from lumetry_core.updates.image import DEFAULT_REGISTRY

DEFAULT_HOST = "registry-1.docker.io"
MAX_REDIRECTS = 3
MAX_ANSWER_BYTES = 4 * 1024 * 1024
PAGE_TAGS = 1000
MAX_PAGES = 100
MAX_TAGS = 100_000
REQUEST_SECONDS = 10.0
BODY_SECONDS = 8.0
IMAGE_SECONDS = 60.0
"""For everything that one question takes: pages, tokens, redirects."""
TOKEN_SECONDS = 60
"""How long a token holds when its issuer does not say."""
MAX_TOKEN = 16 * 1024
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
"""Indexes first: their digest is the one that containers are pulled by."""
DIGEST = re.compile(r"sha(?:256|512):[0-9a-f]{64,128}", re.ASCII)
PARAMETER = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,]+))", re.ASCII)
NEXT = re.compile(r"<([^>]*)>\s*;[^,]*\brel=\"?next\"?", re.ASCII | re.IGNORECASE)

S = TypeVar("S", bound=msgspec.Struct)


class RegistryError(Exception):
    """A registry did not answer what was asked. The message is for people and names no address but the registry."""

    def __init__(self, message: str, *, is_limited: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.is_limited = is_limited
        """Whether the registry has had enough of us."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Where a registry sends those without a token."""

    realm: str
    service: str
    scope: str


@dataclass(frozen=True, slots=True)
class Token:
    """What opens one repository for a while."""

    text: str
    expire_time: datetime


class TokenAnswer(msgspec.Struct):
    """What a token endpoint answers."""

    token: str | None = None
    access_token: str | None = None
    expires_in: int | None = None


class TagsAnswer(msgspec.Struct):
    """One page of tags."""

    tags: list[str] | None = None


class Registries:
    """Asks any number of registries. Keeps connections and tokens between questions, so it lives for one scan."""

    def __init__(self, policy: Policy, now: Callable[[], datetime]) -> None:
        """Builds the client.

        Args:
            policy: Where registries may be.
            now: The time.
        """
        self._public = build_client(replace(policy, allows_private=False, allows_plain=True))
        self._private = build_client(replace(policy, allows_plain=True)) if policy.allows_private else None
        self._now = now
        self._clients: dict[str, OutboundClient] = {}
        self._tokens: dict[tuple[str, str], Token] = {}

    async def close(self) -> None:
        """Closes connections."""
        await self._public.close()
        if self._private is not None:
            await self._private.close()

    async def list_tags(self, registry: str, repository: str) -> list[str]:
        """All tags of a repository.

        Raises:
            RegistryError: There is no full answer.
        """
        try:
            async with asyncio.timeout(IMAGE_SECONDS):
                return await self._read_pages(registry, repository)
        except TimeoutError as error:
            raise RegistryError(f"{registry} did not list its tags within {IMAGE_SECONDS:g} s") from error

    async def read_digest(self, registry: str, repository: str, tag: str) -> str:
        """The digest that a tag stands for now.

        Raises:
            RegistryError: There is none, or no answer.
        """
        try:
            async with asyncio.timeout(IMAGE_SECONDS):
                answer = await self._ask(registry, repository, "HEAD", build_url(registry, f"{repository}/manifests/{tag}"), MANIFESTS)
                digest = answer.headers.get("docker-content-digest", "")
                if not digest:  # not every registry tells it without the manifest
                    answer = await self._ask(registry, repository, "GET", build_url(registry, f"{repository}/manifests/{tag}"), MANIFESTS)
                    digest = answer.headers.get("docker-content-digest", "")
        except TimeoutError as error:
            raise RegistryError(f"{registry} did not answer within {IMAGE_SECONDS:g} s") from error
        if not DIGEST.fullmatch(digest):
            raise RegistryError(f"{registry} does not tell the digest of {repository}:{tag}")
        return digest

    async def _read_pages(self, registry: str, repository: str) -> list[str]:
        first = build_url(registry, f"{repository}/tags/list").with_query(n=str(PAGE_TAGS))
        url: URL | None = first
        tags: list[str] = []
        for _ in range(MAX_PAGES):
            if url is None:
                return tags
            answer = await self._ask(registry, repository, "GET", url, "application/json")
            page = read_json(answer, TagsAnswer, registry)
            tags += page.tags or []
            if len(tags) > MAX_TAGS:
                break
            url = find_next(answer, url, first)
        if url is None:
            return tags
        raise RegistryError(f"{registry} lists more than {MAX_TAGS} tags or {MAX_PAGES} pages of {repository}")

    async def _ask(self, registry: str, repository: str, method: str, url: URL, accept: str) -> OutboundAnswer:
        """The answer that succeeded, with a token when one is needed."""
        token = self._tokens.get((registry, repository))
        headers = {"Accept": accept}
        if token is not None and token.expire_time > self._now():
            headers["Authorization"] = f"Bearer {token.text}"
        answer = await self._send(registry, method, url, headers)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            challenge = read_challenge(answer.headers.get("www-authenticate", ""))
            if challenge is None:
                raise RegistryError(f"{registry} wants a login for {repository}")
            token = await self._fetch_token(registry, repository, challenge)
            self._tokens[(registry, repository)] = token
            answer = await self._send(registry, method, url, {"Accept": accept, "Authorization": f"Bearer {token.text}"})
        if answer.status != HTTPStatus.OK:
            raise refuse(answer, registry, repository, self._now())
        return answer

    async def _send(self, registry: str, method: str, url: URL, headers: Mapping[str, str]) -> OutboundAnswer:
        """An answer that is no redirect. A token goes to nobody but the registry."""
        kept = dict(headers)
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._send_once(registry, OutboundRequest(method, str(url), kept))
            if answer.status not in REDIRECTS:
                return answer
            target = join(url, answer.headers.get("location", ""))
            if target is None:
                raise RegistryError(f"{registry} redirects to nowhere")
            if url.scheme == "https" and target.scheme != "https":
                raise RegistryError(f"{registry} redirects to an address without encryption")
            if target.origin() != url.origin():
                kept.pop("Authorization", None)
            url = target
        raise RegistryError(f"{registry} redirects more than {MAX_REDIRECTS} times")

    async def _send_once(self, registry: str, request: OutboundRequest) -> OutboundAnswer:
        """Any answer. Whether the registry is a private one shows at the first request: then, and only then, the public client fails."""
        try:
            answer = await self._clients.get(registry, self._public).send(request)
        except OutboundError as error:
            if error.trouble is not Trouble.ADDRESS or registry in self._clients or self._private is None:
                raise RegistryError(f"{registry}: {error.message}") from error
            self._clients[registry] = self._private
            return await self._send_once(registry, request)
        self._clients.setdefault(registry, self._public)
        return answer

    async def _fetch_token(self, registry: str, repository: str, challenge: Challenge) -> Token:
        try:
            realm = URL(challenge.realm)
        except ValueError as error:
            raise RegistryError(f"{registry} names no usable token service") from error
        if realm.scheme not in ("http", "https") or not realm.host or realm.user is not None:
            raise RegistryError(f"{registry} names no usable token service")
        asked = {"service": challenge.service, "scope": challenge.scope or f"repository:{repository}:pull"}
        url = realm.update_query({name: value for name, value in asked.items() if value})
        answer = await self._send(registry, "GET", url, {"Accept": "application/json"})
        if answer.status != HTTPStatus.OK:
            raise refuse(answer, registry, repository, self._now())
        given = read_json(answer, TokenAnswer, registry)
        text = given.token or given.access_token or ""
        if not text or len(text) > MAX_TOKEN or not text.isascii() or not text.isprintable():
            raise RegistryError(f"{registry} gives no token for {repository}")
        lasting = min(max(given.expires_in or TOKEN_SECONDS, 0), 3600)
        return Token(text, self._now() + timedelta(seconds=lasting * 0.9))


def build_client(policy: Policy) -> OutboundClient:
    """A client with the limits of this area."""
    return OutboundClient(policy, total_seconds=REQUEST_SECONDS, body_seconds=BODY_SECONDS, max_answer_bytes=MAX_ANSWER_BYTES)


def build_url(registry: str, path: str) -> URL:
    """An address of the distribution API. Only this host itself is asked without encryption, as container tools do."""
    host = DEFAULT_HOST if registry == DEFAULT_REGISTRY else registry
    name = URL(f"http://{host}").host or ""
    return URL(f"{'http' if is_loopback(name) else 'https'}://{host}/v2/{path}")


def is_loopback(host: str) -> bool:
    """Whether a host is this one."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return is_this_host(host)


def join(base: URL, location: str) -> URL | None:
    """Where a redirect or a page leads; None for what is no address."""
    if not location:
        return None
    try:
        target = base.join(URL(location))
    except ValueError:
        return None
    return target if target.scheme in ("http", "https") and target.host else None


def find_next(answer: OutboundAnswer, url: URL, first: URL) -> URL | None:
    """The next page of a list; None after the last. It is never somewhere else."""
    match = NEXT.search(answer.headers.get("link", ""))
    if match is None:
        return None
    target = join(url, match[1])
    if target is None or target.path != first.path or target == url:
        return None
    return first.with_query(target.query)


def read_json(answer: OutboundAnswer, kind: type[S], registry: str) -> S:
    """An answer's body.

    Raises:
        RegistryError: It is not what it should be.
    """
    if len(answer.body) >= MAX_ANSWER_BYTES:
        raise RegistryError(f"{registry} answers with more than {MAX_ANSWER_BYTES} bytes")
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except msgspec.MsgspecError as error:
        raise RegistryError(f"{registry} answers with something else than the distribution API") from error


def read_challenge(header: str) -> Challenge | None:
    """What `WWW-Authenticate` asks for; None unless it is a token."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "bearer":
        return None
    values = {name.lower(): quoted or plain for name, quoted, plain in PARAMETER.findall(rest)}
    if not values.get("realm"):
        return None
    return Challenge(values["realm"], values.get("service", ""), values.get("scope", ""))


def refuse(answer: OutboundAnswer, registry: str, repository: str, now: datetime) -> RegistryError:
    """Why a registry gave no answer."""
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        seconds = answer.headers.get("retry-after", "")
        when = f", try again in {int(seconds)} s" if seconds.isdecimal() and len(seconds) < 8 else ""
        return RegistryError(f"{registry} takes no more requests now{when}", is_limited=True)
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return RegistryError(f"{registry} refuses access to {repository}")
    if answer.status == HTTPStatus.NOT_FOUND:
        return RegistryError(f"{registry} does not know {repository}")
    return RegistryError(f"{registry} answered with status {answer.status}")
