"""The envelope around every answer, and values as contract workspace 1 spells them."""

import hashlib
import uuid
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from gateway.transcode.bodies import check_content_type, parse_json, read_bytes
from gateway.transcode.failures import malformed_body
from gateway.transcode.request import UUID, Request

MAX_BODY_BYTES = 131_072
"""1.7: of a JSON body."""
LARGEST_INT32 = 2**31 - 1

Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""A time in answers."""

T = TypeVar("T")


class Success(msgspec.Struct, Generic[T]):
    """1.2: the body of every answer that is no error."""

    data: T
    success: bool = True


class Listing(msgspec.Struct, Generic[T], rename="camel"):
    """1.8: a page of a list, and where the next one begins."""

    items: list[T]
    next_cursor: str | None
    has_more: bool


class Items(msgspec.Struct, Generic[T]):
    """1.8: a list that has no pages."""

    items: list[T]


class Deleted(msgspec.Struct):
    """1.2: what was deleted."""

    id: str
    deleted: bool = True


def make_listing(items: list[T], next_cursor: str) -> Success[Listing[T]]:
    """A page in its envelope."""
    return Success(Listing(items=items, next_cursor=next_cursor or None, has_more=bool(next_cursor)))


def identity_of(kind: str, number: int) -> str:
    """The UUID by which this family knows a user or an organization, for which the others use numbers; the same everywhere and always."""
    return str(uuid.UUID(bytes=hashlib.sha256(f"lumetry {kind} {number}".encode()).digest()[:16], version=4))


def read_identity(request: Request) -> str:
    """The UUID, in lower case, or slug in the path."""
    text = request.key("id")
    return text.lower() if UUID.fullmatch(text.lower()) else text


async def read_object(request: Request) -> dict[str, Any]:
    """The body as an object, in which `null` differs from absence.

    Raises:
        Failure: PAYLOAD_TOO_LARGE, MALFORMED_BODY.
    """
    request.content = await read_bytes(request.http, MAX_BODY_BYTES, gzip=False)
    check_content_type(request.http, request.family.is_media, request.family.bad_media)
    data = parse_json(request.content)
    if not isinstance(data, dict):
        raise malformed_body("The body must be a JSON object.")
    return data


def read_limit(limit: int | None) -> int | None:
    """A limit as the core takes it, whose range the core judges."""
    return None if limit is None else max(-LARGEST_INT32, min(limit, LARGEST_INT32))
