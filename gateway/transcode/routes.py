"""Route rows and the router made of them."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import web
from google.protobuf.message import Message

from gateway.transcode.bodies import MEBIBYTE
from gateway.transcode.channel import DEFAULT_DEADLINE_SECONDS, Rpc
from gateway.transcode.failures import Failure, Reason
from gateway.transcode.request import Request

Decode = Callable[[Request], Message]
Encode = Callable[[Any, Any], object]
Handle = Callable[[Request], Awaitable[web.StreamResponse]]

NOTHING: Mapping[str, str] = {}
PLACEHOLDER = re.compile(r"\{(\w+):(\w+)\}")
REST = re.compile(r"\{\w+:rest\}")
"""Takes what is left of the path, slashes included; only at the end of a row's path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One documented endpoint.

    Either `decode` and `encode` surround the call of `rpc`, or `handle` does all of it and `rpc` only tells who may call.
    """

    method: str
    path: str
    """Placeholders carry their kind: `{id:int}`, `{id:key}`, at the end also `{id:rest}`."""
    heading: str
    """The heading in the family's document that describes it."""
    rpc: Rpc | None = None
    decode: Decode | None = None
    encode: Encode | None = None
    handle: Handle | None = None
    status: int = 200
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    body_optional: bool = False
    body_limit: int = MEBIBYTE
    gzip: bool = False
    answer: Any = None
    """The type of the JSON answer; None: no JSON."""
    media_type: str = "application/json"
    tagged: bool = False
    """The answer has an `ETag`; a client that names it in `If-None-Match` gets 304."""
    may_queue: bool = False
    """What takes longer is answered with 202 instead, in the same form."""
    existence: tuple[Rpc, Callable[[Request], Message]] | None = None
    """Reads the resource; asked only when the request is faulty, because an unknown resource outranks faults."""
    deadline_seconds: float = DEFAULT_DEADLINE_SECONDS

    @property
    def public(self) -> bool:
        """Whether no credential is needed."""
        return self.rpc is None or self.rpc.public

    @property
    def template(self) -> str:
        """The path as documents write it, without kinds."""
        return PLACEHOLDER.sub(r"{\1}", self.path)

    @property
    def parameters(self) -> Mapping[str, str]:
        """Kind of each placeholder."""
        return dict(PLACEHOLDER.findall(self.path))

    @property
    def name(self) -> str:
        """Method and path as headings of documents write them."""
        return f"{self.method} {self.template}"


@dataclass(frozen=True, slots=True)
class Match:
    """What the router found."""

    route: Route
    values: Mapping[str, str]


@dataclass(slots=True)
class Router:
    """Finds the row of a request. Literal paths win over placeholders."""

    literal: dict[str, dict[str, Route]] = field(default_factory=dict)
    patterns: dict[int, list[tuple[tuple[str, ...], dict[str, Route]]]] = field(default_factory=dict)
    rests: list[tuple[tuple[str, ...], dict[str, Route]]] = field(default_factory=list)
    """Those whose last placeholder takes the rest of a path; the rows of its own length win over them."""

    def find(self, method: str, raw_path: str) -> Match:
        """Finds a row; HEAD finds the row of GET.

        Raises:
            Failure: ROUTE_NOT_FOUND or METHOD_NOT_ALLOWED.
        """
        found = self.literal.get(raw_path)
        methods, values = (found, NOTHING) if found is not None else self._search(raw_path)
        route = methods.get(method) or (methods.get("GET") if method == "HEAD" else None)
        if route is None or (method == "HEAD" and route.rpc is not None and route.rpc.streaming):
            allowed = sorted({*methods, *(("HEAD",) if "GET" in methods else ())})
            raise Failure(Reason.METHOD_NOT_ALLOWED, f"This route answers {', '.join(allowed)}.", metadata={"allow": ", ".join(allowed)})
        return Match(route, values)

    def _search(self, raw_path: str) -> tuple[Mapping[str, Route], Mapping[str, str]]:
        try:
            segments = tuple(unquote(segment, errors="strict") for segment in raw_path.split("/"))
        except UnicodeDecodeError:
            segments = ()
        for pattern, methods in self.patterns.get(len(segments), ()):
            values = match_segments(pattern, segments)
            if values is not None:
                return methods, values
        for pattern, methods in self.rests:
            fixed = len(pattern) - 1
            if len(segments) > fixed and (values := match_segments(pattern, (*segments[:fixed], "/".join(segments[fixed:])))) is not None:
                return methods, values
        raise Failure(Reason.ROUTE_NOT_FOUND, "No such route.")


def match_segments(pattern: Sequence[str], segments: Sequence[str]) -> Mapping[str, str] | None:
    """The values of the placeholders; None when the pattern does not match. A value is never empty and holds no NUL."""
    values = {}
    for expected, given in zip(pattern, segments, strict=True):
        placeholder = PLACEHOLDER.fullmatch(expected)
        if placeholder is None:
            if expected != given:
                return None
        elif not given or "\0" in given:
            return None
        else:
            values[placeholder[1]] = given
    return values


def build_router(routes: Iterable[Route]) -> Router:
    """Makes the router of all rows."""
    router = Router()
    paths: dict[str, dict[str, Route]] = {}
    for route in routes:
        methods = paths.setdefault(route.path, {})
        if route.method in methods:
            raise ValueError(f"{route.name} has two rows")
        methods[route.method] = route
    for path, methods in paths.items():
        if PLACEHOLDER.search(path):
            pattern = tuple(path.split("/"))
            if REST.fullmatch(pattern[-1]):
                router.rests.append((pattern, methods))
                continue
            router.patterns.setdefault(len(pattern), []).append((pattern, methods))
        else:
            router.literal[path] = methods
    return router
