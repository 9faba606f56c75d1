"""What evaluating a chunk of points means for the world, before anything is written."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lumetry_core.baselines.candidates import Candidates
from lumetry_core.evaluation.limits import Limits
from lumetry_core.evaluation.machine import Closed, Escalated, Level, Opened, State, Watch

Pair = tuple[int, int]
"""A rule's number and the slot of an evaluation series."""


@dataclass(slots=True)
class FoundViolation:
    """A breach.

    Args:
        position: Of the point in the chunk.
        limits: Those by which it was judged.
        handle: The alert it belongs to, a number or the negative handle of one that opens in this chunk; None: to none so far.
    """

    position: int
    watch: Watch
    slot: int
    time: int
    value: float
    limits: Limits
    level: Level
    is_late: bool
    handle: int | None


@dataclass(slots=True)
class AlertChange:
    """All that a chunk does to one alert.

    Args:
        handle: Its number; negative for an alert that opens in this chunk.
        generation: Alerts of the same rule and member that this chunk touches before it: an earlier one closes before a later one opens.
        position: Of the point that touched it first.
        opened: How it opened, at `start_time`.
        is_extended: A violation older than all before, by its time, became part of it after its opening.
        joined: Violations that become part of it after its opening.
        attached: Times of violations, recorded before this chunk, that become part of it.
        last_not_clear: Newest point of its series that was not clear.
        closed: How it closed, at `end_time`.
    """

    handle: int
    watch: Watch
    slot: int
    generation: int
    position: int
    first_violation: int
    last_not_clear: int
    opened: Opened | None = None
    start_time: int = 0
    is_extended: bool = False
    joined: int = 0
    attached: list[int] = field(default_factory=list)
    escalated: list[Escalated] = field(default_factory=list)
    closed: Closed | None = None
    end_time: int = 0


@dataclass(slots=True)
class Effects:
    """What a chunk does.

    Args:
        outcomes: A `Disposition` for each job.
        rows: Stored series of the points, and
        times: their times, ordered so that the newest of a series in order comes last.
        unordered: Positions in these two of the series that were not in order.
        pairs: New states, each with its rule.
        violations: In order of arrival, then of rules.
        alerts: Ordered by generation, then arrival.
        ambiguous: Metrics on which two label sets fell on one member and time.
        overflowing: Metrics with points of members beyond the limit.
        learnable: Points that baselines will learn.
    """

    outcomes: NDArray[np.uint8]
    rows: NDArray[np.int64]
    times: NDArray[np.int64]
    unordered: NDArray[np.bool_] | None = None
    pairs: dict[Pair, tuple[Watch, State]] = field(default_factory=dict)
    violations: list[FoundViolation] = field(default_factory=list)
    alerts: list[AlertChange] = field(default_factory=list)
    ambiguous: set[int] = field(default_factory=set)
    overflowing: set[int] = field(default_factory=set)
    learnable: list[Candidates] = field(default_factory=list)
