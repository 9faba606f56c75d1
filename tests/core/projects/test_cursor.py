import base64
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from lumetry_core.projects.cursor import Content, Position, digest, read_cursor, write_cursor

HERE = Position(datetime(2026, 6, 1, 8, 0, 1, tzinfo=UTC), datetime(2026, 6, 1, 8, 0, 0, 5000, tzinfo=UTC), "id")


def test_read_cursor_finds_what_was_written() -> None:
    """A cursor leads back to its position, under the same filters only."""
    cursor = write_cursor(("active", "", "a"), HERE)
    assert read_cursor(cursor, ("active", "", "a")) == HERE
    assert read_cursor(cursor, ("active", "a", "")) is None


@pytest.mark.parametrize("cursor", ["x", "é", "AAAA", "bnVsbA", "W10", "===="])
def test_read_cursor_knows_what_is_malformed(cursor: str) -> None:
    """Anything else is not a cursor."""
    assert read_cursor(cursor, ()) is None


@pytest.mark.parametrize("change", [{"as_of_ms": 10**18}, {"update_ms": -1}, {"as_of_ms": 0}, {"id": "\0"}])
def test_read_cursor_refuses_what_nobody_wrote(change: dict[str, Any]) -> None:
    """Times outside the calendar, or later than the first page, and texts no database takes do no harm."""
    content = msgspec.structs.replace(Content(digest(()), 5, 4, "id"), **change)
    forged = base64.urlsafe_b64encode(msgspec.json.encode(content)).decode()
    assert read_cursor(forged, ()) is None
