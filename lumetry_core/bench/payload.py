"""Batches of points, encoded once and patched in place: a generator must cost little beside the server it measures.

The rows of a message have one width, so that the times and values of the next batch are copied over those of the last one. Times of a
series only ever grow and no value repeats soon, so that no side can treat a batch as a repetition.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

SERIES_PER_METRIC = 10
STEP_MS = 1
"""Distance of a series' points: small, so that millions of points stay within minutes of the present."""
LOWEST_VALUE, HIGHEST_VALUE = 100.0, 999.999
VALUE_WIDTH = 7
TIME_WIDTH = 24

Times = NDArray[np.int64]
Message_co = TypeVar("Message_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Series:
    """Identity of a generated series; names of one kind have one length."""

    metric_key: str
    host: str
    region: str = "eu-west-1"


def make_series(count: int) -> list[Series]:
    """The first `count` series, ten to a metric."""
    return [Series(f"bench_metric_{i // SERIES_PER_METRIC:05d}", f"host-{i % SERIES_PER_METRIC:02d}") for i in range(count)]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which series and which step of time each row of a lane's batches holds: series after series, step after step.

    The assignment repeats after `cycle` batches, `steps_per_cycle` steps later.
    """

    series_count: int
    batch_size: int

    @property
    def cycle(self) -> int:
        """Batches with different rows."""
        return self.series_count // math.gcd(self.series_count, self.batch_size)

    @property
    def steps_per_cycle(self) -> int:
        """Points that each series gets in one cycle."""
        return self.batch_size // math.gcd(self.series_count, self.batch_size)

    def rows(self, number: int) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Series (position within the lane) and step of each row of the batch `number` of a cycle."""
        points = np.arange(number * self.batch_size, (number + 1) * self.batch_size)
        return points % self.series_count, points // self.series_count


class ValuePool:
    """A long run of seeded random values as text and as doubles; batches take neighbouring values from moving places."""

    def __init__(self, size: int = 1 << 20, seed: int = 1) -> None:
        thousandths = np.random.default_rng(seed).integers(100_000, 1_000_000, size)
        self.doubles: NDArray[np.float64] = thousandths / 1000
        digits = thousandths[:, None] // np.array([100_000, 10_000, 1000, 1, 100, 10, 1]) % 10 + ord("0")
        digits[:, 3] = ord(".")
        self.texts = digits.astype(np.uint8).view(f"V{VALUE_WIDTH}").ravel()

    def start(self, batch: int, batch_size: int) -> int:
        """Where the values of the batch with this running number start."""
        return batch * batch_size % (len(self.doubles) - batch_size)


class RowMessage:
    """A message of rows of one width, whose times and values can be replaced in place."""

    def __init__(self, before: bytes, rows: Sequence[bytes], after: bytes, *, time: slice, value: slice) -> None:
        width = len(rows[0])
        self.content = bytearray(before + b"".join(rows) + after)
        fields = np.dtype(
            {
                "names": ["time", "value"],
                "formats": [f"V{time.stop - time.start}", f"V{value.stop - value.start}"],
                "offsets": [time.start, value.start],
                "itemsize": width,
            }
        )
        self._rows = np.frombuffer(self.content, fields, count=len(rows), offset=len(before))

    def patch(self, times: NDArray[np.void], values: NDArray[np.void]) -> None:
        """Replaces the times and values of all rows."""
        self._rows["time"] = times
        self._rows["value"] = values


class Encoder(Protocol[Message_co]):
    """Makes a transport's messages for one lane."""

    def encode(self, number: int, step_times: Times, values: slice) -> Message_co:
        """The batch `number` of a cycle; valid until the same number is encoded again.

        Args:
            step_times: Milliseconds since the Unix epoch of the cycle's steps, ascending.
            values: Place of the batch's values in the pool.
        """


class Lane(Generic[Message_co]):
    """Endless batches of one connection's series; every call moves time on."""

    def __init__(self, layout: Layout, encoder: Encoder[Message_co], pool: ValuePool, start_ms: int) -> None:
        self._layout = layout
        self._encoder = encoder
        self._pool = pool
        self._start_ms = start_ms
        self._batch = 0

    @property
    def newest_ms(self) -> int:
        """A time that no point made so far exceeds."""
        return self._start_ms + (self._batch // self._layout.cycle + 1) * self._layout.steps_per_cycle * STEP_MS

    def next(self) -> Message_co:
        """Encodes the next batch."""
        layout = self._layout
        cycles, number = divmod(self._batch, layout.cycle)
        first = cycles * layout.steps_per_cycle
        steps = np.arange(first, first + layout.steps_per_cycle, dtype=np.int64) * STEP_MS + self._start_ms
        value = self._pool.start(self._batch, layout.batch_size)
        self._batch += 1
        return self._encoder.encode(number, steps, slice(value, value + layout.batch_size))


class JsonEncoder:
    """Bodies of `POST /v1/metrics`, each behind the same head."""

    def __init__(self, series: Sequence[Series], layout: Layout, pool: ValuePool, head: "Head") -> None:
        self._pool = pool
        self._steps = [layout.rows(number)[1] for number in range(layout.cycle)]
        self._messages = [json_message([series[i] for i in layout.rows(number)[0]], head) for number in range(layout.cycle)]

    def encode(self, number: int, step_times: Times, values: slice) -> bytearray:
        """See `Encoder`."""
        message = self._messages[number]
        message.patch(format_times(step_times)[self._steps[number]], self._pool.texts[values])
        return message.content


class Head(Protocol):
    """Makes what precedes a body, such as the head of an HTTP request."""

    def __call__(self, length: int, /) -> bytes:
        """The bytes before a body of this length."""


def json_message(series: Sequence[Series], head: Head) -> RowMessage:
    """A body with one point of each series, in this order; times and values are still blank."""
    prefix, suffix = b'{"metrics":[', b"]}"
    rows = [
        f'{{"metricName":"{one.metric_key}","timestamp":"{"0" * TIME_WIDTH}","value":{"0" * VALUE_WIDTH},'
        f'"labels":{{"host":"{one.host}","region":"{one.region}"}}}},'.encode()
        for one in series
    ]
    rows[-1] = rows[-1][:-1] + b" "  # the comma after the last point
    time = rows[0].index(b'"timestamp":"') + len(b'"timestamp":"')
    value = rows[0].index(b'"value":') + len(b'"value":')
    length = len(prefix) + len(suffix) + sum(map(len, rows))
    return RowMessage(head(length) + prefix, rows, suffix, time=slice(time, time + TIME_WIDTH), value=slice(value, value + VALUE_WIDTH))


def format_times(milliseconds: Times) -> NDArray[np.void]:
    """ISO 8601 texts of one width, in UTC with milliseconds."""
    texts = [datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z" for ms in milliseconds.tolist()]
    return np.array(texts, dtype=f"S{TIME_WIDTH}").view(f"V{TIME_WIDTH}")


@dataclass(frozen=True, slots=True)
class Columns:
    """A batch as packed columns: uint32 series numbers, int64 nanoseconds, doubles."""

    series_indexes: bytes
    times: bytes
    values: bytes


class ColumnEncoder:
    """Columns over the dictionary in which the lane's first series has the number `first_index`."""

    def __init__(self, layout: Layout, pool: ValuePool, first_index: int) -> None:
        self._pool = pool
        rows = [layout.rows(number) for number in range(layout.cycle)]
        self._indexes = [(series + first_index).astype("<u4").tobytes() for series, _ in rows]
        self._steps = [steps for _, steps in rows]

    def encode(self, number: int, step_times: Times, values: slice) -> Columns:
        """See `Encoder`."""
        nanoseconds = step_times * 1_000_000
        return Columns(self._indexes[number], nanoseconds[self._steps[number]].tobytes(), self._pool.doubles[values].tobytes())
