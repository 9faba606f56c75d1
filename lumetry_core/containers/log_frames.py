"""Reading the logs that an engine streams: framed by eight bytes before each piece, or plain for a container with a terminal."""

from datetime import datetime

from lumetry_core.containers.engine import LogLine, Stream
from lumetry_core.runtime.clock import truncate

HEADER_BYTES = 8
STREAMS = {0: Stream.STDOUT, 1: Stream.STDOUT, 2: Stream.STDERR}
"""By the first byte of a frame; 0 is what is echoed of standard input."""
MAX_LINE_BYTES = 16 * 1024
"""Longer lines are cut into several, so that a container that never ends a line does not fill the memory."""


class FrameError(Exception):
    """What came is no frame."""


class LogReader:
    """Turns the bytes of a log into lines, however they are cut into pieces."""

    def __init__(self, *, is_plain: bool) -> None:
        """Builds a reader.

        Args:
            is_plain: The container has a terminal: no frames, one stream.
        """
        self._is_plain = is_plain
        self._rest = bytearray()
        self._left = 0
        self._stream = Stream.STDOUT
        self._open = {Stream.STDOUT: bytearray(), Stream.STDERR: bytearray()}
        self._spelled: dict[Stream, str] = {}

    def feed(self, content: bytes) -> list[LogLine]:
        """The lines that are complete with more bytes.

        Raises:
            FrameError: The bytes are no frames.
        """
        if self._is_plain:
            return self._add(Stream.STDOUT, content)
        lines: list[LogLine] = []
        self._rest += content
        while self._rest:
            if not self._left:
                if len(self._rest) < HEADER_BYTES:
                    break
                kind = self._rest[0]
                if kind not in STREAMS or any(self._rest[1:4]):
                    raise FrameError("a log frame has an unknown header")
                self._stream, self._left = STREAMS[kind], int.from_bytes(self._rest[4:HEADER_BYTES])
                del self._rest[:HEADER_BYTES]
            piece = bytes(self._rest[: self._left])
            del self._rest[: len(piece)]
            self._left -= len(piece)
            lines += self._add(self._stream, piece)
        return lines

    def finish(self) -> list[LogLine]:
        """The last lines, which nothing ended."""
        return [self._read(stream, bytes(content)) for stream, content in self._open.items() if content]

    def _add(self, stream: Stream, piece: bytes) -> list[LogLine]:
        *ended, last = bytes(self._open[stream] + piece).split(b"\n")
        lines: list[LogLine] = []
        for line in ended:
            lines += [self._read(stream, part) for part in cut(line)]
            self._spelled.pop(stream, None)
        while len(last) > MAX_LINE_BYTES:
            lines.append(self._read(stream, last[:MAX_LINE_BYTES]))
            last = last[MAX_LINE_BYTES:]
        self._open[stream] = bytearray(last)
        return lines

    def _read(self, stream: Stream, line: bytes) -> LogLine:
        """A line from its bytes, which begin with its time; later parts of one that was cut have the time of the first."""
        text = line.decode("utf-8", "replace").removesuffix("\r").replace("\0", "\ufffd")
        spelled = self._spelled.get(stream, "")
        if not spelled:
            spelled, text = split_time(text)
            self._spelled[stream] = spelled
        return LogLine(text, stream, read_time(spelled), spelled)


def cut(line: bytes) -> list[bytes]:
    """The parts of a line, one unless it is too long."""
    return [line[start : start + MAX_LINE_BYTES] for start in range(0, len(line), MAX_LINE_BYTES)] or [b""]


def split_time(line: str) -> tuple[str, str]:
    """The time before a line, and the line; without one the time is empty."""
    spelled, space, text = line.partition(" ")
    if (space or not text) and read_time(spelled) is not None:
        return spelled, text
    return "", line


def read_time(spelled: str) -> datetime | None:
    """A time as engines spell it, with up to nine digits of a second; None for other text and for the time that means none."""
    if len(spelled) < len("2026-06-01T08:40:00Z") or spelled[10] != "T":
        return None
    head, dot, rest = spelled.partition(".")
    if dot:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        head = f"{head}.{digits[:6]:0<6}{rest[len(digits) :]}"
    try:
        moment = datetime.fromisoformat(head)
        return None if moment.tzinfo is None or moment.year <= 1 else truncate(moment)
    except (ValueError, OverflowError):
        return None
