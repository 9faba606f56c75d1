"""Times of entries in all their forms."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.logs.times import format_time, parse_moment

SECONDS = 1_769_437_800
"""2026-01-26T14:30:00Z."""


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-26T14:30:00Z", (SECONDS, 0)),
        ("2026-01-26 14:30:00", (SECONDS, 0)),
        ("2026-01-26T14:30:00.5", (SECONDS, 500_000_000)),
        ("2026-01-26T14:30:00.123Z", (SECONDS, 123_000_000)),
        ("2026-01-26T14:30:00.123456Z", (SECONDS, 123_456_000)),
        ("2026-01-26T14:30:00.123456789Z", (SECONDS, 123_456_789)),
        ("2026-01-26T16:30:00.1+02:00", (SECONDS, 100_000_000)),
        ("2026-01-26T13:00:00-0130", (SECONDS, 0)),
        ("2026-01-26T13:00:00.123456789-01:30", (SECONDS, 123_456_789)),
        ("2016-12-31T23:59:60Z", (1_483_228_799, 0)),
        ("1969-12-31T23:59:59.9Z", (-1, 900_000_000)),
        ("0001-01-01T00:00:00+01:00", (-62_135_596_800, 0)),
        ("9999-12-31T23:59:59-01:00", (253_402_300_799, 0)),
    ],
)
def test_parse_time(text: str, moment: tuple[int, int]) -> None:
    """Every documented form keeps all its digits."""
    assert parse_moment(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-26",
        "2026-01-26T14:30Z",
        "2026-01-26t14:30:00z",
        "2026-01-26  14:30:00",
        "2026-01-26T14:30:00.Z",
        "2026-01-26T14:30:00.1234567890Z",
        "2026-01-26T14:30:00,5Z",
        "2026-01-26T14:30:00+2",
        "2026-01-26T14:30:00+24:00",
        "2026-01-26T14:30:00+00:60",
        "2026-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-01-26T24:00:00Z",
        "2026-01-26T14:60:00Z",
        "2026-01-26T14:30:61Z",
        "２026-01-26T14:30:00Z",
        "2026-01-26T14:30:00Z\n",
        "1769437800",
        "2026-01-26T14:30:00Z" + " " * 100,
    ],
)
def test_refuse_other_text(text: str) -> None:
    """Anything else, and times that do not exist, are none."""
    assert parse_moment(text) is None


@pytest.mark.parametrize(
    ("nanos", "text"),
    [(0, ""), (1, ".000000001"), (120_000_000, ".120"), (123_456_000, ".123456"), (100, ".000000100")],
)
def test_format_time(nanos: int, text: str) -> None:
    """The fraction has as many groups of three digits as it needs."""
    assert format_time(Timestamp(seconds=SECONDS, nanos=nanos)) == f"2026-01-26T14:30:00{text}Z"
