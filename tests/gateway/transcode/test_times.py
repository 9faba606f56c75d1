"""Reading and writing of times."""

from datetime import UTC, datetime

import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from gateway.transcode.times import format_ms, format_time, parse_column, parse_ms, parse_timestamp

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ms_of(moment: datetime) -> int:
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-06-01T08:40:00Z", "2026-06-01T08:40:00+00:00"),
        ("2026-06-01T08:40:00", "2026-06-01T08:40:00+00:00"),
        ("2026-06-01 08:40z", "2026-06-01T08:40:00+00:00"),
        ("2026-06-01T10:40:00.1239999999+02", "2026-06-01T08:40:00.123+00:00"),
        ("2026-06-01T03:10:00,5-0530", "2026-06-01T08:40:00.500+00:00"),
        ("1969-12-31T23:59:59.9Z", "1969-12-31T23:59:59.900+00:00"),
    ],
)
def test_parse_any_layout(text: str, same: str) -> None:
    """Any offset is taken, none is UTC, finer digits are cut off."""
    assert parse_ms(text) == ms_of(datetime.fromisoformat(same))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-06-01",
        "2026-02-30T00:00:00Z",
        "2026-06-01T24:00:00Z",
        "2026-06-01T00:60Z",
        "2026-06-01T00:00:00+24:00",
        "２026-06-01T00:00:00Z",
        "2026-06-01T00:00:00ZZ",
        " 2026-06-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-W01-1T00:00:00Z",
    ],
)
def test_refuse_what_is_no_time(text: str) -> None:
    """Nothing else is a time, alone or in a column."""
    assert parse_ms(text) is None
    assert parse_column(["2026-06-01T00:00:00Z", text]) is None


@given(st.lists(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)), min_size=1, max_size=12), st.data())  # noqa: DTZ001
def test_read_column_like_its_texts(moments: list[datetime], data: st.DataObject) -> None:
    """A column read together has the values of its texts read one by one, whatever layout they share."""
    timespec = data.draw(st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"]))
    tail = data.draw(st.sampled_from(["", "Z", "+02:00", "-0530"]))
    texts = [moment.isoformat(timespec=timespec)[:-6] + tail for moment in moments]
    read = parse_column(texts)
    assert read is not None
    expected = [parse_ms(text) for text in texts]
    limit = 9_223_372_036_854
    assert read.tolist() == [min(max(ms or 0, -limit), limit) * 1_000_000 for ms in expected]


@given(st.lists(st.text("0123456789-:.TZ+ ", min_size=1, max_size=24), min_size=1, max_size=6))
def test_read_column_of_anything(texts: list[str]) -> None:
    """A column is refused exactly when one of its texts is."""
    assert (parse_column(texts) is None) == any(parse_ms(text) is None for text in texts)


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1, "1970-01-01T00:00:00.001Z"), (-1, "1969-12-31T23:59:59.999Z"), (1500, "1970-01-01T00:00:01.500Z")],
)
def test_format_fraction_only_when_not_zero(ms: int, text: str) -> None:
    """Milliseconds appear when there are some."""
    assert format_ms(ms) == text
    assert format_time(Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000 + 999_999)) == text


def test_saturate_timestamps() -> None:
    """A time outside the calendar becomes its first or last moment, so that every reader can take it."""
    assert parse_timestamp("0001-01-01T00:00:00+10:00") == Timestamp(seconds=-62_135_596_800)
    assert parse_timestamp("9999-12-31T23:59:59-10:00") == Timestamp(seconds=253_402_300_799, nanos=999_000_000)


def test_read_long_column_with_repetitions() -> None:
    """Many repetitions of few texts are read text by text."""
    texts = ["2026-06-01T00:00:00Z", "2026-06-01T00:00:01.5Z"] * 50
    read = parse_column(texts)
    assert read is not None
    assert np.array_equal(np.diff(read[:3]), [1_500_000_000, -1_500_000_000])
