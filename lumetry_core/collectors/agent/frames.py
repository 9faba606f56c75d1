"""Records as they stand on disk: framed by length, number of points and a CRC, one after another."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SIZES = struct.Struct("<II")
"""Bytes of note and payload together; points in the payload and, in the highest eight bits, bytes of the note."""
NOTE_SHIFT = 24
CHECKSUM = struct.Struct("<I")
FRAME_BYTES = SIZES.size + CHECKSUM.size


@dataclass(frozen=True, slots=True)
class Record:
    """Points that were kept together. `note` is what the caller wrote on them."""

    payload: bytes
    point_count: int
    note: bytes = b""


def build_frame(payload: bytes, point_count: int, note: bytes = b"") -> bytes:
    """A record as it stands on disk."""
    sizes = SIZES.pack(len(note) + len(payload), point_count | len(note) << NOTE_SHIFT)
    return b"".join((sizes, CHECKSUM.pack(zlib.crc32(payload, zlib.crc32(note, zlib.crc32(sizes)))), note, payload))


def read_frames(content: bytes, start: int) -> Iterator[tuple[Record, int]]:
    """Each record from `start` on and the position behind it, up to the first that is torn or damaged."""
    position = start
    while position + FRAME_BYTES <= len(content):
        sizes = content[position : position + SIZES.size]
        length, counts = SIZES.unpack(sizes)
        (checksum,) = CHECKSUM.unpack_from(content, position + SIZES.size)
        position += FRAME_BYTES
        body = content[position : position + length]
        note_bytes = counts >> NOTE_SHIFT
        if len(body) < max(length, note_bytes) or zlib.crc32(body, zlib.crc32(sizes)) != checksum:
            return
        position += length
        yield Record(body[note_bytes:], counts & (1 << NOTE_SHIFT) - 1, body[:note_bytes]), position


def count_records(path: Path, start: int) -> tuple[int, int]:
    """Points of a segment from `start` on, and the end of its last good record."""
    points, end = 0, start
    for record, behind in read_frames(path.read_bytes(), start):
        points += record.point_count
        end = behind
    return points, end
