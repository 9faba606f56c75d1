"""The contract families: which paths are theirs, how they read a request's head and how they answer failures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from aiohttp import web

from gateway.transcode.bodies import MediaRule, is_json
from gateway.transcode.channel import Rates
from gateway.transcode.credentials import read_credential
from gateway.transcode.cross_origin import NOBODY, CrossOrigin
from gateway.transcode.failures import Failure, Reason
from gateway.transcode.openapi import BEARER
from gateway.transcode.routes import Match, Route, Router, build_router


@dataclass(frozen=True, slots=True)
class Rendered:
    """A failure as a family documents it."""

    status: int
    body: bytes
    headers: Mapping[str, str]


Render = Callable[[Failure, str], Rendered]
"""Turns a failure and the request id into a family's documented answer."""


def accept_head(_http: web.BaseRequest) -> None:
    """Asks nothing of a request's head."""


def no_headers(_rates: Rates) -> Mapping[str, str]:
    """Adds nothing."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One contract family. What it does not say is as in the `lumetry` contract."""

    name: str
    """As the core knows it; see `x-lumetry-family`."""
    prefixes: Sequence[str]
    """A path is the family's when it is one of these or lies below one; the longest prefix of all families wins. Empty: every path."""
    routes: Sequence[Route]
    render: Render
    problem: type[msgspec.Struct]
    """The body of its errors."""
    schemes: Mapping[str, Mapping[str, object]] = field(default_factory=lambda: BEARER)
    """How credentials travel, as OpenAPI's security schemes; any one is enough."""
    problem_type: str = "application/json"
    trailing_slash: bool = False
    """Whether one slash more means the same path."""
    read_credential: Callable[[Mapping[str, str]], str] = read_credential
    """The `authorization` metadata for the headers of a request; empty when there is none. May raise `Failure`."""
    check_head: Callable[[web.BaseRequest], None] = accept_head
    """Refuses a request after its route was found and before anything else; raises `Failure`."""
    is_media: MediaRule = is_json
    """Whether the Content-Type of a body is accepted."""
    bad_media: Reason = Reason.MALFORMED_BODY
    """How one that is not accepted fails."""
    bad_id: Reason = Reason.NOT_FOUND
    """How an identity of the wrong form in the path fails."""
    size_outranks_credential: bool = False
    """Whether a body that is too large is reported to strangers as well."""
    headers: Callable[[Rates], Mapping[str, str]] = no_headers
    """Of every answer, given what the core said of the caller's rates."""
    cross_origin: CrossOrigin = NOBODY
    """Which pages of other origins may read its answers."""
    router: Router = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "router", build_router(self.routes))

    def find(self, method: str, raw_path: str) -> Match:
        """Finds the row of a request.

        Raises:
            Failure: ROUTE_NOT_FOUND or METHOD_NOT_ALLOWED.
        """
        if self.trailing_slash and raw_path.endswith("/"):
            raw_path = raw_path[:-1]
        return self.router.find(method, raw_path)


class Families:
    """All families of a gateway.

    A path belongs to the longest prefix that is the path itself or ends at one of its slashes. Paths are compared as they were sent:
    nothing is decoded, resolved or joined first, so a prefix has one spelling and no other leads below it.
    """

    def __init__(self, families: Iterable[Family]) -> None:
        self.all = tuple(families)
        self._by_prefix: dict[str, Family] = {}
        for family in self.all:
            for prefix in family.prefixes:
                other = self._by_prefix.setdefault(prefix, family)
                if other is not family:
                    raise ValueError(f"{prefix} is claimed by {other.name} and {family.name}")
        self._depth = max(prefix.count("/") for prefix in self._by_prefix)

    def of(self, raw_path: str) -> Family:
        """The family that answers a path."""
        segments = raw_path.split("/", self._depth + 1)[: self._depth + 1]
        while segments:
            family = self._by_prefix.get("/".join(segments))
            if family is not None:
                return family
            segments.pop()
        return self._by_prefix[""]
