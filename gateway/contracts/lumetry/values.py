"""Values as contract lumetry 1 spells them: times, numbers, enum words and pages."""

from collections.abc import Iterable
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.transcode.times import format_time

LARGEST_INTEGER = 2**53 - 1
LARGEST_INT32 = 2**31 - 1

Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""A time in answers."""
Id = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_INTEGER)]
Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_INTEGER)]
Int32 = Annotated[int, msgspec.Meta(ge=-LARGEST_INT32, le=LARGEST_INT32)]
"""A number whose range the core judges, as long as it fits."""
Limit = Annotated[int, msgspec.Meta(ge=1, le=5000)]
PageNumber = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_INT32)]
PageSize = Annotated[int, msgspec.Meta(ge=1, le=200)]
Severity = Literal["Warning", "Critical"]

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], rename="camel"):
    """A page of a list (1.6)."""

    items: list[T]
    page: int
    page_size: int
    total_count: int
    total_pages: int
    has_previous_page: bool
    has_next_page: bool


def make_page(items: list[T], *, page: int, page_size: int, total_count: int) -> Page[T]:
    """A page with what follows from its position. Past the end there is a previous page exactly when anything matches."""
    total_pages = -(-total_count // page_size)
    return Page(
        items=items,
        page=page,
        page_size=page_size,
        total_count=total_count,
        total_pages=total_pages,
        has_previous_page=page > 1 and total_count > 0,
        has_next_page=page < total_pages,
    )


def optional_time(message: Any, name: str) -> str | None:  # noqa: ANN401 -- any protobuf message
    """A time field of a message; None when absent."""
    return format_time(getattr(message, name)) if message.HasField(name) else None


def optional_value(message: Any, name: str) -> Any:  # noqa: ANN401 -- any field of any protobuf message
    """A field with presence; None when absent."""
    return getattr(message, name) if message.HasField(name) else None


def seconds_between(start: Timestamp, end: Timestamp) -> int:
    """Whole seconds from one time to another."""
    return (end.seconds * 1_000_000_000 + end.nanos - start.seconds * 1_000_000_000 - start.nanos) // 1_000_000_000


def words(names: Iterable[tuple[str, int]], prefix: str) -> dict[int, str]:
    """How the contract spells the values of a protobuf enum: `ALERT_STATE_OPEN` is `Open`."""
    return {number: name.removeprefix(prefix).capitalize() for name, number in names}
