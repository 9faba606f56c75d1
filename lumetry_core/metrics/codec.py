"""How points are packed in the store: the inbox fast, segments small. Changing a format needs a new version byte.

An inbox payload holds plain columns. A segment holds points sorted by series, then time: a run per series, times as differences, values
XORed with their predecessor, both transposed into byte planes (the high planes of regular series are constant) and compressed with zstd.
"""

import struct
import threading

import numpy as np
import zstandard
from numpy.typing import NDArray

from lumetry_core.metrics.model import Floats, Integers

PAYLOAD_HEAD = struct.Struct("<BBBxIq")
"""Version, bytes per series id, bytes per time, point count, first time in ms."""
PAYLOAD_VERSION = 1
SEGMENT_HEAD = struct.Struct("<BBxxII")
"""Version, value columns, point count, series count."""
SEGMENT_VERSION = 1
COMPRESSION_LEVEL = 1


class Compression(threading.local):
    """The codecs of one thread: their contexts are costly to make and not thread-safe."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(COMPRESSION_LEVEL).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


compression = Compression()


def encode_payload(series_ids: Integers, times_ms: Integers, values: Floats) -> bytes:
    """Packs points of an inbox entry in order of arrival."""
    count = len(values)
    base = int(times_ms.min()) if count else 0
    wide_ids = bool(count and series_ids.max() > UINT32_MAX)
    wide_times = bool(count and int(times_ms.max()) - base > UINT32_MAX)
    ids = series_ids.astype("<i8" if wide_ids else "<u4", copy=False)
    times = (times_ms - base).astype("<i8" if wide_times else "<u4", copy=False)
    head = PAYLOAD_HEAD.pack(PAYLOAD_VERSION, ids.itemsize, times.itemsize, count, base)
    return b"".join((head, ids.tobytes(), times.tobytes(), values.astype("<f8", copy=False).tobytes()))


def decode_payload(payload: bytes) -> tuple[Integers, Integers, Floats]:
    """Unpacks series ids, times in ms and values."""
    version, id_bytes, time_bytes, count, base = PAYLOAD_HEAD.unpack_from(payload)
    check_version(version, PAYLOAD_VERSION)
    start = PAYLOAD_HEAD.size
    ids = np.frombuffer(payload, "<u4" if id_bytes == 4 else "<i8", count, start)
    start += count * id_bytes
    times = np.frombuffer(payload, "<u4" if time_bytes == 4 else "<i8", count, start)
    start += count * time_bytes
    return ids.astype(np.int64), times.astype(np.int64) + base, np.frombuffer(payload, "<f8", count, start)


def encode_segment(series_ids: Integers, times_ms: Integers, *columns: Floats) -> bytes:
    """Packs points sorted by series, then time; one value column for raw points, more for roll-ups."""
    firsts = np.flatnonzero(np.diff(series_ids, prepend=-1))
    runs = np.diff(firsts, append=len(series_ids)).astype("<u4")
    parts = [series_ids[firsts].astype("<i8").tobytes(), runs.tobytes(), shuffle(np.diff(times_ms, prepend=0))]
    for column in columns:
        bits = np.ascontiguousarray(column, "<f8").view(np.uint64)
        parts.append(shuffle(bits ^ np.concatenate((np.zeros(1, np.uint64), bits[:-1]))))
    head = SEGMENT_HEAD.pack(SEGMENT_VERSION, len(columns), len(series_ids), len(firsts))
    return head + compression.compress(b"".join(parts))


def decode_segment(payload: bytes) -> tuple[Integers, Integers, list[Floats]]:
    """Unpacks series ids, times in ms and the value columns."""
    version, column_count, count, series_count = SEGMENT_HEAD.unpack_from(payload)
    check_version(version, SEGMENT_VERSION)
    body = compression.decompress(payload[SEGMENT_HEAD.size :])
    unique = np.frombuffer(body, "<i8", series_count)
    runs = np.frombuffer(body, "<u4", series_count, series_count * 8)
    start = series_count * 12
    times = np.cumsum(unshuffle(body, start, count).view(np.int64))
    columns = []
    for _ in range(column_count):
        start += count * 8
        columns.append(np.bitwise_xor.accumulate(unshuffle(body, start, count)).view(np.float64))
    return np.repeat(unique, runs), times, columns


def shuffle(column: NDArray[np.generic]) -> bytes:
    """Byte planes of a column of eight-byte numbers: all lowest bytes first."""
    return np.ascontiguousarray(column).view(np.uint8).reshape(-1, 8).T.tobytes()


def unshuffle(body: bytes, start: int, count: int) -> NDArray[np.uint64]:
    """The column of which `shuffle` made byte planes."""
    planes = np.frombuffer(body, np.uint8, count * 8, start).reshape(8, count)
    return np.ascontiguousarray(planes.T).view(np.uint64).reshape(count)


def check_version(found: int, known: int) -> None:
    """Refuses data of a newer version."""
    if found != known:
        raise ValueError(f"stored points have format {found}, this version reads {known}")


UINT32_MAX = 0xFFFFFFFF
