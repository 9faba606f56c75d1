"""One request as decode functions see it: typed path values, query and body, and the means to call the core for it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.transcode.bodies import MediaRule, check_content_type, parse_json
from gateway.transcode.channel import Core, Rates
from gateway.transcode.credentials import Metadata
from gateway.transcode.cross_origin import CrossOrigin
from gateway.transcode.failures import Failure, Fault, Reason, validation_failure
from gateway.transcode.reading import read_body, read_query

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
INTEGER = re.compile(r"[0-9]{1,16}", re.ASCII)
LARGEST_INTEGER = 2**53 - 1
MAX_PARAMETERS = 100

S = TypeVar("S", bound=msgspec.Struct)


class Manners(Protocol):
    """What the family of a request decides of its reading and answering; see `families.Family`."""

    @property
    def render(self) -> Callable[[Failure, str], Any]:
        """Turns a failure and the request id into a documented answer."""

    @property
    def is_media(self) -> MediaRule:
        """Whether the Content-Type of a body is accepted."""

    @property
    def bad_media(self) -> Reason:
        """How one that is not accepted fails."""

    @property
    def bad_id(self) -> Reason:
        """How an identity of the wrong form in the path fails."""

    @property
    def cross_origin(self) -> CrossOrigin:
        """Which pages of other origins may read answers."""

    @property
    def size_outranks_credential(self) -> bool:
        """Whether a body that is too large is reported to strangers as well."""


@dataclass(slots=True)
class Request:
    """A request whose route was found. Every reading method raises `Failure` with all faults it finds."""

    http: web.BaseRequest
    family: Manners
    request_id: str
    address: str | None
    """Where the client is."""
    metadata: Metadata
    core: Core
    services: Any
    """What the rows with a `handle` of their own share; see `gateway.app`."""
    rates: Rates
    """What the core said of the caller's rate while it worked on this request."""
    values: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""

    def number(self, name: str) -> int:
        """An integer of the path; anything else is no identity."""
        text = self.values[name]
        if INTEGER.fullmatch(text) and 0 < int(text) <= LARGEST_INTEGER:
            return int(text)
        raise self.bad_id()

    def uuid(self, name: str) -> str:
        """A UUID of the path in lower case; anything else is no identity."""
        text = self.values[name].lower()
        if UUID.fullmatch(text):
            return text
        raise self.bad_id()

    def bad_id(self) -> Failure:
        """The failure of an identity of the wrong form in the path."""
        return Failure(self.family.bad_id, "No such resource." if self.family.bad_id is Reason.NOT_FOUND else "The id has the wrong form.")

    def key(self, name: str) -> str:
        """A text of the path, percent-decoded once."""
        return self.values[name]

    def query(self, kind: type[S], *, ordered: tuple[str, str] | None = None) -> S:
        """Reads the query parameters.

        Args:
            kind: What they are.
            ordered: Two fields of which the first must not be after the second.
        """
        faults: list[Fault] = []
        parsed = read_query(kind, parse_parameters(self.http.rel_url.raw_query_string), faults)
        if ordered:
            start, end = (getattr(parsed, name) for name in ordered)
            if start is not None and end is not None and is_after(start, end):
                faults.append(Fault(ordered[0].rstrip("_"), f"must not be after {ordered[1]}"))
        if faults:
            raise validation_failure(tuple(faults), part="query")
        return parsed

    def body(self, kind: type[S], *, optional: bool = False, check: Callable[[S, list[Fault]], None] | None = None) -> S:
        """Reads the JSON body; without content an optional one has its defaults.

        Args:
            kind: What it is.
            optional: Whether it may be left out.
            check: Notes what is wrong between fields. Those that are faulty themselves are None or have their default.
        """
        faults: list[Fault] = []
        if not self.content and optional:
            data: object = {}
        else:
            check_content_type(self.http, self.family.is_media, self.family.bad_media)
            data = parse_json(self.content)
        if data is None and optional:
            data = {}
        parsed = read_body(kind, data, faults)
        if check and isinstance(data, dict):
            check(parsed, faults)
        if faults:
            raise validation_failure(tuple(faults))
        return parsed


def is_after(start: Timestamp, end: Timestamp) -> bool:
    """Whether a time is later than another."""
    return (start.seconds, start.nanos) > (end.seconds, end.nanos)


def parse_parameters(query_string: str) -> Mapping[str, str]:
    """Reads a query string; of a repeated name the last value counts.

    Raises:
        Failure: VALIDATION_FAILED when there are too many.
    """
    try:
        return dict(parse_qsl(query_string, keep_blank_values=True, errors="replace", max_num_fields=MAX_PARAMETERS))
    except ValueError as error:
        raise validation_failure((Fault("", f"at most {MAX_PARAMETERS} query parameters are read"),), part="query") from error
