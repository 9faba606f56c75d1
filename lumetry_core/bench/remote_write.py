"""Prometheus remote-write messages: a protobuf `WriteRequest` inside a snappy block, patched in place.

The snappy block is one literal: valid, and it spares the receiver the work of decompression, which favours the peer.
Sources: prometheus/prompb/remote.proto and types.proto; google/snappy format_description.txt.
"""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lumetry_core.bench.payload import Head, Layout, RowMessage, Series, Times, ValuePool

TIME_BYTES = 6
"""Length of the varint of a present time in milliseconds: from 1971 to 2109 it takes six bytes."""
LITERAL_OF_THREE_LENGTH_BYTES = 62 << 2


class RemoteWriteEncoder:
    """Bodies of `POST /api/v1/write` with one sample per series entry, as Prometheus itself sends them."""

    def __init__(self, series: Sequence[Series], layout: Layout, pool: ValuePool, head: Head) -> None:
        self._pool = pool
        self._steps = [layout.rows(number)[1] for number in range(layout.cycle)]
        self._messages = [write_message([series[i] for i in layout.rows(number)[0]], head) for number in range(layout.cycle)]

    def encode(self, number: int, step_times: Times, values: slice) -> bytearray:
        """See `payload.Encoder`."""
        message = self._messages[number]
        doubles = self._pool.doubles[values].astype("<f8").view("V8")
        message.patch(format_varints(step_times)[self._steps[number]], doubles)
        return message.content


def write_message(series: Sequence[Series], head: Head) -> RowMessage:
    """A compressed request with one sample of each series, in this order; times and values are still blank."""
    rows = [encode_series(one) for one in series]
    opening = snappy_opening(sum(map(len, rows)))
    width = len(rows[0])
    return RowMessage(
        head(len(opening) + sum(map(len, rows))) + opening,
        rows,
        b"",
        time=slice(width - TIME_BYTES, width),
        value=slice(width - TIME_BYTES - 1 - 8, width - TIME_BYTES - 1),
    )


def encode_series(series: Series) -> bytes:
    """`WriteRequest.timeseries` (field 1) with labels in the order of their names and one blank sample at its end."""
    pairs = (("__name__", series.metric_key), ("host", series.host), ("region", series.region))
    labels = b"".join(field(1, field(1, name.encode()) + field(2, value.encode())) for name, value in pairs)
    blank_time = varint((1 << (7 * TIME_BYTES)) - 1)
    sample = b"\x09" + struct.pack("<d", 0.0) + b"\x10" + blank_time  # double value = 1; int64 timestamp = 2
    return field(1, labels + field(2, sample))


def field(number: int, content: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    """A protobuf varint of a number that is not negative."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def format_varints(milliseconds: Times) -> NDArray[np.void]:
    """Varints of `TIME_BYTES` bytes each."""
    groups = milliseconds[:, None] >> (7 * np.arange(TIME_BYTES)) & 0x7F
    groups[:, :-1] |= 0x80
    return np.ascontiguousarray(groups.astype(np.uint8)).view(f"V{TIME_BYTES}").ravel()


def snappy_opening(length: int) -> bytes:
    """What precedes `length` (1 to 2^24) bytes of plain content in a snappy block."""
    return varint(length) + bytes([LITERAL_OF_THREE_LENGTH_BYTES]) + (length - 1).to_bytes(3, "little")
