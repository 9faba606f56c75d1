"""Points as columns, and their checks (contract 4.1): vectorised, with texts only for what is wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from lumetry_core.metrics.dictionary import SeriesDictionary
from lumetry_core.metrics.model import Floats, Integers
from lumetry_core.runtime.clock import to_ms

Mask = NDArray[np.bool_]
MAX_BATCH_POINTS = 10_000
MAX_FUTURE_MS = 600_000
MIN_TIME_MS = to_ms(datetime(2000, 1, 1, tzinfo=UTC))
MAX_FAULTS = 100
"""Faults reported per batch; the last one says how many more there are."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Batches of points in order of arrival. `indexes` are numbers of a dictionary, `batch_sizes` sum up to their length."""

    indexes: NDArray[np.integer]
    times_ms: Integers
    values: Floats
    batch_sizes: Integers

    def without(self, rejected: set[int]) -> "Columns":
        """The same without some of the batches."""
        if not rejected:
            return self
        kept = np.ones(len(self.batch_sizes), bool)
        kept[list(rejected)] = False
        points = np.repeat(kept, self.batch_sizes)
        return Columns(self.indexes[points], self.times_ms[points], self.values[points], self.batch_sizes[kept])


@dataclass(frozen=True, slots=True)
class PointFault:
    """A fault of a point: position in its batch (−1: the batch as a whole), field as in the proto, and text."""

    point_index: int
    field: str
    message: str

    @property
    def path(self) -> str:
        """Its JSON path, as in `metrics[3].value`."""
        if self.point_index < 0:
            return "metrics"
        return f"metrics[{self.point_index}].{self.field}"


def find_faults(columns: Columns, dictionary: SeriesDictionary, now_ms: int) -> dict[int, list[PointFault]]:
    """The faults of each faulty batch by its position; empty when all batches can be accepted."""
    if is_clean(columns, dictionary, now_ms):
        return {}
    flaws = find_flaws(columns, dictionary, now_ms)
    faulty = np.flatnonzero(flaws.any)
    found: dict[int, list[PointFault]] = {}
    begin = 0
    for batch, size in enumerate(columns.batch_sizes.tolist()):
        first, last = np.searchsorted(faulty, [begin, begin + size]).tolist()
        faults = describe_size(size)
        for point in faulty[first : min(last, first + MAX_FAULTS + 1)].tolist():
            misdefined = dictionary.definitions[int(columns.indexes[point])].faults if flaws.misdefined[point] else ()
            faults += [PointFault(point - begin, field, text) for field, text in (*misdefined, *flaws.describe(point))]
        if faults:
            found[batch] = cap_faults(faults, last - first)
        begin += size
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Flaws:
    """What is wrong with each point, as masks."""

    late: Mask
    early: Mask
    infinite: Mask
    misdefined: Mask

    @property
    def any(self) -> Mask:
        """Points with at least one flaw."""
        return self.late | self.early | self.infinite | self.misdefined

    def describe(self, point: int) -> Iterator[tuple[str, str]]:
        """Field and text of each flaw of the point itself."""
        if self.late[point]:
            yield "timestamp", "must be at most ten minutes in the future"
        if self.early[point]:
            yield "timestamp", "must not be before 2000-01-01"
        if self.infinite[point]:
            yield "value", "must be a finite number"


def find_flaws(columns: Columns, dictionary: SeriesDictionary, now_ms: int) -> Flaws:
    """Looks at every point."""
    return Flaws(
        late=columns.times_ms > now_ms + MAX_FUTURE_MS,
        early=columns.times_ms < MIN_TIME_MS,
        infinite=~np.isfinite(columns.values),
        misdefined=np.isin(columns.indexes, dictionary.faulty),
    )


def describe_size(size: int) -> list[PointFault]:
    """What is wrong with the size of a batch."""
    if size == 0:
        return [PointFault(-1, "", "a batch holds at least one point")]
    if size > MAX_BATCH_POINTS:
        return [PointFault(-1, "", f"a batch holds at most {MAX_BATCH_POINTS} points")]
    return []


def cap_faults(faults: list[PointFault], faulty_points: int) -> list[PointFault]:
    """At most so many faults that an answer stays readable; the last one tells of the rest.

    Args:
        faulty_points: How many points of the batch have a fault.
    """
    if len(faults) <= MAX_FAULTS:
        return faults
    kept = faults[: MAX_FAULTS - 1]
    more = faulty_points - len({fault.point_index for fault in kept} - {-1})
    text = f"{more} more points have faults" if more else "and more"
    return [*kept, PointFault(-1, "", text)]


def is_clean(columns: Columns, dictionary: SeriesDictionary, now_ms: int) -> bool:
    """Whether nothing is wrong: the question of nearly every request, answered without masks."""
    if not len(columns.values) or columns.batch_sizes.max() > MAX_BATCH_POINTS or columns.batch_sizes.min() < 1:
        return False
    return bool(
        columns.times_ms.min() >= MIN_TIME_MS
        and columns.times_ms.max() <= now_ms + MAX_FUTURE_MS
        and np.isfinite(columns.values).all()
        and not (len(dictionary.faulty) and np.isin(columns.indexes, dictionary.faulty).any())
    )
