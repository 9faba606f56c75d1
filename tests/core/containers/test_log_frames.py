from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.containers.engine import LogLine, Stream
from lumetry_core.containers.log_frames import MAX_LINE_BYTES, FrameError, LogReader, read_time
from tests.engine_double import frame

TIME = "2026-06-01T08:40:00.123456789Z"
MOMENT = datetime(2026, 6, 1, 8, 40, 0, 123_000, tzinfo=UTC)


def read(pieces: list[bytes], *, is_plain: bool = False) -> list[LogLine]:
    reader = LogReader(is_plain=is_plain)
    return [line for piece in pieces for line in reader.feed(piece)] + reader.finish()


def test_read_frames_of_two_streams() -> None:
    """Frames tell which stream a line is of, and their order is kept."""
    content = frame("stdout", f"{TIME} one\n".encode()) + frame("stderr", f"{TIME} two\n".encode())
    assert read([content]) == [LogLine("one", Stream.STDOUT, MOMENT, TIME), LogLine("two", Stream.STDERR, MOMENT, TIME)]


def test_read_plain_log_of_terminal() -> None:
    """The log of a terminal has no frames, and its lines end as terminals end them."""
    assert read([f"{TIME} one\r\n{TIME} tw".encode(), b"o"], is_plain=True) == [
        LogLine("one", Stream.STDOUT, MOMENT, TIME),
        LogLine("two", Stream.STDOUT, MOMENT, TIME),
    ]


@given(st.lists(st.integers(1, 40), max_size=20))
def test_read_frames_however_cut(sizes: list[int]) -> None:
    """Where the network cuts the bytes does not matter: inside headers, frames and characters."""
    whole = b"".join(frame(stream, f"{TIME} {stream} é\n".encode()) for stream in ("stdout", "stderr", "stdout"))
    pieces, rest = [], whole
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    assert read([*pieces, rest]) == read([whole])


def test_read_line_of_several_frames() -> None:
    """A line may come in pieces between which the other stream speaks."""
    content = frame("stdout", f"{TIME} be".encode()) + frame("stderr", f"{TIME} no\n".encode()) + frame("stdout", b"gin\n")
    assert [line.text for line in read([content])] == ["no", "begin"]


def test_cut_line_that_never_ends() -> None:
    """An endless line is cut into parts that have the time of its beginning; nothing grows."""
    reader = LogReader(is_plain=True)
    lines = reader.feed(f"{TIME} ".encode() + b"x" * (3 * MAX_LINE_BYTES))
    lines += reader.finish()
    assert sum(len(line.text) for line in lines) == 3 * MAX_LINE_BYTES
    assert {line.spelled_time for line in lines} == {TIME}
    assert max(len(line.text) for line in lines) <= MAX_LINE_BYTES


def test_refuse_what_is_no_frame() -> None:
    """Bytes that are no frames are refused instead of being taken for a length."""
    with pytest.raises(FrameError):
        read([b"<html>not a log</html>"])


def test_read_bytes_that_are_no_text() -> None:
    """Bytes that are no UTF-8, and NUL, become replacement characters."""
    assert read([f"{TIME} ".encode() + b"a\xff\0b\n"], is_plain=True)[0].text == "a\ufffd\ufffdb"


def test_read_times() -> None:
    """Engines write up to nine digits; the time that means none is none."""
    assert read_time(TIME) == MOMENT
    assert read_time("2026-06-01T10:40:00+02:00") == datetime(2026, 6, 1, 8, 40, tzinfo=UTC)
    assert [read_time(text) for text in ("0001-01-01T00:00:00Z", "", "hello", "2026-06-01 08:40:00Z", "2026-13-01T08:40:00Z")] == [None] * 5
