import base64

import pytest

from lumetry_core.notices.cursor import LARGEST_ID, read_cursor, write_cursor


def test_read_cursor_of_its_own_list() -> None:
    """What was written for a list is read for it again, and for no other."""
    cursor = write_cursor(("True", "system", ""), 41)
    assert (read_cursor(cursor, ("True", "system", "")), read_cursor(cursor, ("False", "system", ""))) == (41, None)


@pytest.mark.parametrize(
    "cursor", ["x", "=", "é", base64.urlsafe_b64encode(b"[1]").decode(), write_cursor((), 0), write_cursor((), LARGEST_ID + 1)]
)
def test_read_cursor_malformed(cursor: str) -> None:
    """Nothing is read from what nobody wrote."""
    assert read_cursor(cursor, ()) is None
