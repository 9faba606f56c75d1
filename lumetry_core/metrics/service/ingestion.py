"""Accepting batches: checks, then the appender (contract 4.1 to 4.5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from lumetry_core.metrics.columns import Columns, PointFault, find_faults
from lumetry_core.metrics.definition import Definition
from lumetry_core.metrics.dictionary import SeriesDictionary
from lumetry_core.metrics.model import AcceptedBatch
from lumetry_core.metrics.senders import PLAIN, Marking, limit_series
from lumetry_core.metrics.service.append import Submission
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import Clock, to_ms
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.runtime.identifiers import new_uuid


class Append(Protocol):
    """Makes batches durable. Fails with OVERLOADED, STORE_UNAVAILABLE."""

    async def __call__(self, submission: Submission) -> list[AcceptedBatch]:
        """Gives the receipts in order."""


@dataclass(frozen=True, slots=True)
class PointInput:
    """A point as a message gives it. `time_ms` None: not given."""

    definition: Definition
    time_ms: int | None
    value: float


class NumberedPoint(NamedTuple):
    """A point whose series has a number in a dictionary. `time_ms` None: not given."""

    number: int
    time_ms: int | None
    value: float


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one batch of columns: accepted, or the faults; neither when it was only checked."""

    batch: AcceptedBatch | None
    faults: Sequence[PointFault]


async def ingest_columns(
    append: Append,
    clock: Clock,
    caller: Caller,
    dictionary: SeriesDictionary,
    columns: Columns,
    *,
    validate_only: bool,
    marking: Marking = PLAIN,
) -> list[BatchResult]:
    """Accepts the batches that are valid and tells the faults of the others. Fails as appending does."""
    faults = find_faults(columns, dictionary, to_ms(clock.now()))
    accepted: list[AcceptedBatch] = []
    valid = columns.without(set(faults))
    if len(valid.batch_sizes) and not validate_only:
        accepted = await submit(append, caller, dictionary, valid, marking)
    receipts = iter(accepted)
    return [
        BatchResult(None if batch in faults else next(receipts, None), faults.get(batch, ())) for batch in range(len(columns.batch_sizes))
    ]


async def ingest_points(
    append: Append, clock: Clock, caller: Caller, points: Sequence[PointInput], prefix: str = "", *, marking: Marking = PLAIN
) -> AcceptedBatch:
    """Accepts one batch of points. Fails with VALIDATION_FAILED, paths prefixed with `prefix`, and as appending does."""
    dictionary = SeriesDictionary()
    numbers: dict[Definition, int] = {}
    numbered = []
    for point in points:
        number = numbers.get(point.definition)
        if number is None:
            number = numbers[point.definition] = dictionary.add(point.definition)
        numbered.append(NumberedPoint(number, point.time_ms, point.value))
    return await ingest_numbered(append, clock, caller, dictionary, numbered, prefix, marking=marking)


async def ingest_numbered(
    append: Append,
    clock: Clock,
    caller: Caller,
    dictionary: SeriesDictionary,
    points: Sequence[NumberedPoint],
    prefix: str = "",
    *,
    marking: Marking = PLAIN,
) -> AcceptedBatch:
    """Accepts one batch of points over a dictionary. Fails as `ingest_points`."""
    if not points:
        raise LumetryError(
            Reason.VALIDATION_FAILED, "The request is not valid.", faults=(Fault(f"{prefix}metrics", "must hold at least one point"),)
        )
    now_ms = to_ms(clock.now())
    columns = Columns(
        np.array([point.number for point in points], np.int64),
        np.array([now_ms if point.time_ms is None else point.time_ms for point in points], np.int64),
        np.array([point.value for point in points], np.float64),
        np.array([len(points)], np.int64),
    )
    faults = [*find_faults(columns, dictionary, now_ms).get(0, ())]
    faults += [PointFault(position, "timestamp", "is required") for position, point in enumerate(points) if point.time_ms is None]
    if faults:
        raise invalid(faults, prefix)
    return (await submit(append, caller, dictionary, columns, marking))[0]


async def submit(append: Append, caller: Caller, dictionary: SeriesDictionary, columns: Columns, marking: Marking) -> list[AcceptedBatch]:
    """Makes valid batches durable, except points of series above the sender's cap. Fails as appending does.

    A batch of which nothing is left has a receipt without jobs.
    """
    resolution = dictionary.resolution(caller.organization_id, marking)
    if marking.cap is None:
        return await append(Submission(caller, resolution, columns))
    limited = limit_series(columns, resolution.identity, marking.cap)
    empty = set(np.flatnonzero(limited.batch_sizes == 0).tolist())
    kept = limited.without(empty)
    receipts = iter(await append(Submission(caller, resolution, kept)) if len(kept.batch_sizes) else ())
    return [AcceptedBatch(new_uuid(), 0, ()) if batch in empty else next(receipts) for batch in range(len(limited.batch_sizes))]


def invalid(faults: Sequence[PointFault], prefix: str = "") -> LumetryError:
    """The failure of a batch that is refused as a whole."""
    named = tuple(Fault(prefix + fault.path, fault.message) for fault in faults)
    return LumetryError(Reason.VALIDATION_FAILED, "The points are not valid; nothing was stored.", faults=named)
