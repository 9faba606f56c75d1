"""Accepting batches: checks, then the appender (contract 4.1 to 4.5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lumetry_core.metrics.columns import Columns, PointFault, find_faults
from lumetry_core.metrics.definition import Definition
from lumetry_core.metrics.dictionary import SeriesDictionary
from lumetry_core.metrics.model import AcceptedBatch
from lumetry_core.metrics.service.append import Submission
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import Clock, to_ms
from lumetry_core.runtime.errors import Fault, LumetryError, Reason


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


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one batch of columns: accepted, or the faults; neither when it was only checked."""

    batch: AcceptedBatch | None
    faults: Sequence[PointFault]


async def ingest_columns(
    append: Append, clock: Clock, caller: Caller, dictionary: SeriesDictionary, columns: Columns, *, validate_only: bool
) -> list[BatchResult]:
    """Accepts the batches that are valid and tells the faults of the others. Fails as appending does."""
    faults = find_faults(columns, dictionary, to_ms(clock.now()))
    accepted: list[AcceptedBatch] = []
    valid = columns.without(set(faults))
    if len(valid.batch_sizes) and not validate_only:
        resolution = dictionary.resolution(caller.organization_id, caller.collector_id)
        accepted = await append(Submission(caller, resolution, valid))
    receipts = iter(accepted)
    return [
        BatchResult(None if batch in faults else next(receipts, None), faults.get(batch, ())) for batch in range(len(columns.batch_sizes))
    ]


async def ingest_points(append: Append, clock: Clock, caller: Caller, points: Sequence[PointInput], prefix: str = "") -> AcceptedBatch:
    """Accepts one batch of messages. Fails with VALIDATION_FAILED, paths prefixed with `prefix`, and as appending does."""
    if not points:
        raise LumetryError(
            Reason.VALIDATION_FAILED, "The request is not valid.", faults=(Fault(f"{prefix}metrics", "must hold at least one point"),)
        )
    dictionary = SeriesDictionary()
    numbers: dict[Definition, int] = {}
    indexes = []
    for point in points:
        number = numbers.get(point.definition)
        if number is None:
            number = numbers[point.definition] = dictionary.add(point.definition)
        indexes.append(number)
    now_ms = to_ms(clock.now())
    columns = Columns(
        np.array(indexes, np.int64),
        np.array([now_ms if point.time_ms is None else point.time_ms for point in points], np.int64),
        np.array([point.value for point in points], np.float64),
        np.array([len(points)], np.int64),
    )
    faults = [*find_faults(columns, dictionary, now_ms).get(0, ())]
    faults += [PointFault(position, "timestamp", "is required") for position, point in enumerate(points) if point.time_ms is None]
    if faults:
        raise invalid(faults, prefix)
    submission = Submission(caller, dictionary.resolution(caller.organization_id, caller.collector_id), columns)
    return (await append(submission))[0]


def invalid(faults: Sequence[PointFault], prefix: str = "") -> LumetryError:
    """The failure of a batch that is refused as a whole."""
    named = tuple(Fault(prefix + fault.path, fault.message) for fault in faults)
    return LumetryError(Reason.VALIDATION_FAILED, "The points are not valid; nothing was stored.", faults=named)
