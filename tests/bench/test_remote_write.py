import struct
from collections import defaultdict

import numpy as np
import pytest

from lumetry_core.bench.payload import JsonEncoder, Lane, Layout, ValuePool, make_series
from lumetry_core.bench.remote_write import RemoteWriteEncoder, format_varints, snappy_opening, varint

POOL = ValuePool(10_000)
START_MS = 1_780_300_800_000


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """A varint and the place behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def decompress(block: bytes) -> bytes:
    """A snappy block without copies, read as the format's description says."""
    length, at = read_varint(block, 0)
    content = b""
    while at < len(block):
        tag = block[at]
        assert tag & 3 == 0, "only literals are expected"
        size, at = tag >> 2, at + 1
        if size >= 60:
            more = size - 59
            size, at = int.from_bytes(block[at : at + more], "little"), at + more
        content += block[at : at + size + 1]
        at += size + 1
    assert len(content) == length
    return content


def fields(data: bytes) -> list[tuple[int, bytes | int | float]]:
    """Field numbers and contents of a protobuf message."""
    found: list[tuple[int, bytes | int | float]] = []
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 2:
            length, at = read_varint(data, at)
            found.append((key >> 3, data[at : at + length]))
            at += length
        elif key & 7 == 1:
            found.append((key >> 3, struct.unpack_from("<d", data, at)[0]))
            at += 8
        else:
            assert key & 7 == 0
            value, at = read_varint(data, at)
            found.append((key >> 3, value))
    return found


def decode(block: bytes) -> list[tuple[list[tuple[str, str]], float, int]]:
    """Labels, value and milliseconds of every sample of a write request."""
    samples = []
    for number, series in fields(decompress(block)):
        assert (number, type(series)) == (1, bytes)
        labels, found = [], []
        for kind, content in fields(series):  # type: ignore[arg-type]
            parts = dict(fields(content))  # type: ignore[arg-type]
            if kind == 1:
                labels.append((parts[1].decode(), parts[2].decode()))  # type: ignore[union-attr]
            else:
                found.append((parts[1], parts[2]))
        ((value, milliseconds),) = found
        samples.append((labels, value, milliseconds))
    return samples


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, START_MS])
def test_varint_reads_back(value: int) -> None:
    """Numbers survive their encoding."""
    encoded = varint(value)
    assert read_varint(encoded, 0) == (value, len(encoded))


def test_format_varints_of_present_times_have_one_width() -> None:
    """The patched form equals the plain one."""
    times = [START_MS, START_MS + 127, START_MS + 128, 1 << 36]
    assert [bytes(one) for one in format_varints(np.array(times, np.int64))] == [varint(time) for time in times]


@pytest.mark.parametrize("length", [1, 59, 60, 61, 65_536, 100_000])
def test_snappy_opening_makes_a_valid_block(length: int) -> None:
    """A decoder finds the content whatever its length."""
    content = bytes(n % 251 for n in range(length))
    assert decompress(snappy_opening(length) + content) == content


@pytest.mark.parametrize(("series_count", "batch_size"), [(3, 2), (4, 8), (30, 30)])
def test_remote_write_carries_growing_times_of_every_series(series_count: int, batch_size: int) -> None:
    """Decoded requests hold sorted labels and, per series, one step after another."""
    series, layout = make_series(series_count), Layout(series_count, batch_size)
    lane = Lane(layout, RemoteWriteEncoder(series, layout, POOL, lambda _length: b""), POOL, START_MS)
    times = defaultdict(list)
    for batch in range(9):
        samples = decode(bytes(lane.next()))
        start = POOL.start(batch, batch_size)
        assert [value for _labels, value, _ms in samples] == POOL.doubles[start : start + batch_size].tolist()
        for labels, _value, milliseconds in samples:
            assert labels == sorted(labels)
            times[tuple(labels)].append(milliseconds)
    expected = {(("__name__", one.metric_key), ("host", one.host), ("region", one.region)) for one in series}
    assert set(times) == expected
    for moments in times.values():
        assert moments == list(range(START_MS, START_MS + len(moments)))


def test_remote_write_head_sees_the_length_of_the_compressed_body() -> None:
    """What the head announces is what follows it."""
    series, layout = make_series(4), Layout(4, 4)
    lengths: list[int] = []

    def head(length: int) -> bytes:
        lengths.append(length)
        return b"HEAD"

    message = Lane(layout, RemoteWriteEncoder(series, layout, POOL, head), POOL, START_MS).next()
    assert lengths == [len(message) - 4]
    assert len(decode(bytes(message[4:]))) == 4


def test_both_encoders_send_the_same_values() -> None:
    """The peer is fed with the very points that the product is fed with."""
    series, layout = make_series(4), Layout(4, 4)
    ours = Lane(layout, JsonEncoder(series, layout, POOL, lambda _length: b""), POOL, START_MS).next()
    theirs = Lane(layout, RemoteWriteEncoder(series, layout, POOL, lambda _length: b""), POOL, START_MS).next()
    for _labels, value, _ms in decode(bytes(theirs)):
        assert f'"value":{value:07.3f}'.encode() in ours
