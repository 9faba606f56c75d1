"""Records on disk until they are delivered: append-only segment files, read in order, oldest dropped at the cap.

A record is framed by its length, its number of points and a CRC, and is on stable storage when `append` returns. A crash can tear
only the record being written, and a torn tail is ignored: a segment is never written again after the process that began it. The
cursor (how far delivery has come) is written without fsync: an old one makes records travel twice, which changes nothing.
"""

import os
import struct
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

log = structlog.get_logger(__name__)

DEFAULT_CAP_BYTES = 500 * 1024 * 1024
"""Contract lumetry 17.1."""
SEGMENT_BYTES = 4 * 1024 * 1024
SEGMENTS_UNDER_CAP = 8
"""The cap holds at least so many segments, so that dropping one loses little."""
SUFFIX = ".segment"
SIZES = struct.Struct("<II")
"""Bytes of the payload, points in it."""
CHECKSUM = struct.Struct("<I")
FRAME_BYTES = SIZES.size + CHECKSUM.size


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


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records read together, and where they stand. `payload` is their concatenation."""

    payload: bytes
    point_count: int
    record_count: int
    segment: int
    start: int
    end: int


class DiskBuffer:
    """The records that wait. One process at a time may have a folder open."""

    def __init__(self, folder: Path, cap_bytes: int = DEFAULT_CAP_BYTES, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Opens the folder, making it if need be, and counts what waits in it."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._cap_bytes = cap_bytes
        self._segment_bytes = max(1, min(segment_bytes, cap_bytes // SEGMENTS_UNDER_CAP))
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

    def append(self, payload: bytes, point_count: int) -> None:
        """Stores a record durably, dropping the oldest segments when the cap demands it.

        Raises:
            OSError: It could not be written; its points are counted as dropped.
        """
        frame = build_frame(payload, point_count)
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
            content = path.read_bytes()
            start = cursor.offset if number == cursor.segment else 0
            points, end = 0, start
            for count, payload in read_frames(content, start):
                points += count
                end += FRAME_BYTES + len(payload)
            if number < cursor.segment or points == 0:
                path.unlink()
                continue
            if end < len(content):
                log.warning("the end of a segment is unreadable and is ignored", segment=number, bytes=len(content) - end)
            if number == cursor.segment:
                self._offset = start
            self._segments.append(Segment(number, end, points))

    def _writable_segment(self, frame_bytes: int) -> Segment:
        if self._descriptor is not None and self._segments[-1].size + frame_bytes <= self._segment_bytes:
            return self._segments[-1]
        self._end_segment()
        number = self._next_number
        self._next_number += 1
        self._descriptor = os.open(self._path(number), os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        self._segments.append(Segment(number, 0, 0))
        sync_folder(self._folder)
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
        payloads: list[bytes] = []
        point_count = 0
        end = self._offset
        for count, payload in read_frames(content, 0):
            if payloads and (point_count + count > max_points or len(payloads) == max_records):
                break
            payloads.append(payload)
            point_count += count
            end += FRAME_BYTES + len(payload)
        if not payloads:
            return None
        return Chunk(b"".join(payloads), point_count, len(payloads), segment.number, self._offset, end)

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
        temporary = self._cursor_path.with_suffix(".new")
        try:
            temporary.write_bytes(msgspec.json.encode(Cursor(segment, self._offset, self.dropped_points)))
            temporary.replace(self._cursor_path)
        except OSError as error:
            log.warning("the cursor of the buffer could not be saved", error=str(error))


def build_frame(payload: bytes, point_count: int) -> bytes:
    """A record as it stands on disk."""
    sizes = SIZES.pack(len(payload), point_count)
    return sizes + CHECKSUM.pack(zlib.crc32(payload, zlib.crc32(sizes))) + payload


def read_frames(content: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Number of points and payload of each record from `start` on, up to the first that is torn or damaged."""
    position = start
    while position + FRAME_BYTES <= len(content):
        sizes = content[position : position + SIZES.size]
        length, point_count = SIZES.unpack(sizes)
        (checksum,) = CHECKSUM.unpack_from(content, position + SIZES.size)
        payload = content[position + FRAME_BYTES : position + FRAME_BYTES + length]
        if len(payload) < length or zlib.crc32(payload, zlib.crc32(sizes)) != checksum:
            return
        yield point_count, payload
        position += FRAME_BYTES + length


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
