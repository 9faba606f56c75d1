"""Records on disk until they are delivered: append-only segment files, read in order, oldest dropped at the cap.

A record is framed by its length, its number of points and a CRC, and is on stable storage when `append` returns. It may carry a note of
the caller's. A crash can tear only the record being written, and a torn tail is ignored: a segment is never written again after the process
that began it. The cursor (how far delivery has come, and what each segment holds) is written without fsync: an old one makes records travel
twice, which changes nothing, and segments that it does not describe as they are on disk are read through when the buffer is opened.
"""

import os
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from lumetry_core.collectors.agent.frames import FRAME_BYTES, SIZES, Record, build_frame, count_records, read_frames
from lumetry_core.collectors.agent.wanted import DEFAULT_BUFFER_BYTES

log = structlog.get_logger(__name__)

SEGMENT_BYTES = 4 * 1024 * 1024
SEGMENTS_UNDER_CAP = 8
"""The cap holds at least so many segments, so that dropping one loses little."""
SUFFIX = ".segment"


@dataclass(slots=True)
class Segment:
    """A file of records. `size` ends its last good record; `points` are those not yet delivered."""

    number: int
    size: int
    points: int


class Cursor(msgspec.Struct, frozen=True):
    """What outlives the process besides records."""

    segment: int = 0
    offset: int = 0
    dropped_points: int = 0
    contents: Mapping[int, tuple[int, int]] = {}
    """By number of segment: its size, and its points not yet delivered at this cursor."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records read together, and where they stand."""

    records: tuple[Record, ...]
    segment: int
    start: int
    end: int

    @property
    def payload(self) -> bytes:
        """The records' payloads in a row."""
        return b"".join(record.payload for record in self.records)

    @property
    def point_count(self) -> int:
        """Points of all records."""
        return sum(record.point_count for record in self.records)

    @property
    def record_count(self) -> int:
        """How many records."""
        return len(self.records)


class DiskBuffer:
    """The records that wait. One process at a time may have a folder open."""

    def __init__(self, folder: Path, cap_bytes: int = DEFAULT_BUFFER_BYTES, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Opens the folder, making it if need be, and counts what waits in it."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._cap_bytes = cap_bytes
        self._largest_segment_bytes = segment_bytes
        self._descriptor: int | None = None
        """The newest segment's file while this process appends to it."""
        cursor = load_cursor(self._cursor_path)
        self.dropped_points = cursor.dropped_points
        """Points lost since the installation: over the cap, damaged, refused or not writable."""
        self._offset = 0
        self._segments: deque[Segment] = deque()
        self._load(cursor)
        self._next_number = max([cursor.segment, *(segment.number for segment in self._segments)]) + 1

    @property
    def pending_points(self) -> int:
        """Points not yet delivered."""
        return sum(segment.points for segment in self._segments)

    @property
    def size_bytes(self) -> int:
        """Space that the segments take."""
        return sum(segment.size for segment in self._segments)

    def resize(self, cap_bytes: int) -> None:
        """Sets another cap, dropping the oldest segments when it demands that."""
        self._cap_bytes = cap_bytes
        while self._segments and self.size_bytes > cap_bytes:
            self._drop_oldest()

    def append(self, payload: bytes, point_count: int, note: bytes = b"") -> None:
        """Stores a record durably, dropping the oldest segments when the cap demands it. A note has at most 255 bytes.

        Raises:
            OSError: It could not be written; its points are counted as dropped.
        """
        frame = build_frame(payload, point_count, note)
        while self._segments and self.size_bytes + len(frame) > self._cap_bytes:
            self._drop_oldest()
        try:
            segment = self._writable_segment(len(frame))
            self._write(frame)
        except OSError:
            self._end_segment()
            self.dropped_points += point_count
            raise
        segment.size += len(frame)
        segment.points += point_count

    def peek(self, max_points: int, max_bytes: int, max_records: int | None = None) -> Chunk | None:
        """The oldest records within the limits, at least one; None when nothing waits. They stay until `commit` or `discard`.

        Args:
            max_points: Points in all records together.
            max_bytes: Bytes of all records together, their frames included.
            max_records: None: as many as fit.
        """
        while self._segments:
            segment = self._segments[0]
            chunk = self._read(segment, max_points, max_bytes, max_records)
            if chunk is not None:
                return chunk
            if segment.points:
                log.error("a part of the buffer is damaged and was dropped", segment=segment.number, points=segment.points)
                self.dropped_points += segment.points
                segment.points = 0
                self._offset = segment.size
            if self._is_open(segment):
                return None
            self._remove_oldest()
        return None

    def commit(self, chunk: Chunk) -> None:
        """Forgets the records of the newest `peek`. Those dropped meanwhile stay counted as dropped."""
        if not self._segments or (self._segments[0].number, self._offset) != (chunk.segment, chunk.start):
            return
        segment = self._segments[0]
        segment.points -= chunk.point_count
        self._offset = chunk.end
        if chunk.end >= segment.size and not self._is_open(segment):
            self._remove_oldest()
        self._save_cursor()

    def discard(self, chunk: Chunk) -> None:
        """Forgets records that can never be delivered and counts their points as dropped."""
        self.dropped_points += chunk.point_count
        self.commit(chunk)

    def close(self) -> None:
        """Ends the use of the folder."""
        self._end_segment()
        self._save_cursor()

    @property
    def _cursor_path(self) -> Path:
        return self._folder / "cursor.json"

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:016d}{SUFFIX}"

    def _is_open(self, segment: Segment) -> bool:
        return self._descriptor is not None and segment is self._segments[-1]

    def _load(self, cursor: Cursor) -> None:
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            number = int(path.stem)
            start = cursor.offset if number == cursor.segment else 0
            size = path.stat().st_size
            known_size, points = cursor.contents.get(number, (-1, 0))
            if number >= cursor.segment and known_size != size:
                points, end = count_records(path, start)
                if end < size:
                    log.warning("the end of a segment is unreadable and is ignored", segment=number, bytes=size - end)
                    size = end
            if number < cursor.segment or points == 0:
                path.unlink()
                continue
            if number == cursor.segment:
                self._offset = start
            self._segments.append(Segment(number, size, points))

    def _writable_segment(self, frame_bytes: int) -> Segment:
        limit = max(1, min(self._largest_segment_bytes, self._cap_bytes // SEGMENTS_UNDER_CAP))
        if self._descriptor is not None and self._segments[-1].size + frame_bytes <= limit:
            return self._segments[-1]
        self._end_segment()
        number = self._next_number
        self._next_number += 1
        self._descriptor = os.open(self._path(number), os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        self._segments.append(Segment(number, 0, 0))
        sync_folder(self._folder)
        self._save_cursor()
        return self._segments[-1]

    def _write(self, frame: bytes) -> None:
        if self._descriptor is None:
            raise OSError("no segment is open")
        rest = memoryview(frame)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        os.fsync(self._descriptor)

    def _end_segment(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _read(self, segment: Segment, max_points: int, max_bytes: int, max_records: int | None) -> Chunk | None:
        with self._path(segment.number).open("rb") as file:
            file.seek(self._offset)
            head = file.read(min(FRAME_BYTES, segment.size - self._offset))
            if len(head) < FRAME_BYTES:
                return None
            length, _ = SIZES.unpack_from(head)
            content = head + file.read(min(segment.size - self._offset - FRAME_BYTES, max(max_bytes - FRAME_BYTES, length)))
        records: list[Record] = []
        point_count = 0
        end = self._offset
        for record, behind in read_frames(content, 0):
            if records and (point_count + record.point_count > max_points or len(records) == max_records):
                break
            records.append(record)
            point_count += record.point_count
            end = self._offset + behind
        return Chunk(tuple(records), segment.number, self._offset, end) if records else None

    def _drop_oldest(self) -> None:
        segment = self._segments[0]
        if self._is_open(segment):
            self._end_segment()
        self.dropped_points += segment.points
        log.warning("the buffer is full, its oldest points were dropped", points=segment.points, dropped_points=self.dropped_points)
        self._remove_oldest()
        self._save_cursor()

    def _remove_oldest(self) -> None:
        segment = self._segments.popleft()
        self._offset = 0
        self._path(segment.number).unlink(missing_ok=True)

    def _save_cursor(self) -> None:
        segment = self._segments[0].number if self._segments else self._next_number
        contents = {known.number: (known.size, known.points) for known in self._segments}
        temporary = self._cursor_path.with_suffix(".new")
        try:
            temporary.write_bytes(msgspec.json.encode(Cursor(segment, self._offset, self.dropped_points, contents)))
            temporary.replace(self._cursor_path)
        except OSError as error:
            log.warning("the cursor of the buffer could not be saved", error=str(error))


def load_cursor(path: Path) -> Cursor:
    """The saved cursor; the beginning when there is none or it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Cursor)
    except FileNotFoundError:
        return Cursor()
    except msgspec.DecodeError:
        log.warning("the cursor of the buffer is unreadable, everything kept is delivered again")
        return Cursor()


def sync_folder(folder: Path) -> None:
    """Makes new names in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
