"""What a replay found: violations, alerts, and judged points with their limits."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lumetry_core.alerts.model import Trigger
from lumetry_core.baselines.bands import deviation_percent
from lumetry_core.evaluation.bands import Drawn
from lumetry_core.evaluation.compile import SEVERITY_OF
from lumetry_core.evaluation.effects import FoundViolation
from lumetry_core.evaluation.limits import Limits
from lumetry_core.evaluation.machine import MINUTE_MS, Escalated, Level, Opened, Watch
from lumetry_core.evaluation.state import EvaluationState
from lumetry_core.evaluation.survey import Chunk, Sights
from lumetry_core.metrics.model import Floats, Integers
from lumetry_core.rules.model import Rule, Severity
from lumetry_core.runtime.clock import from_ms
from lumetry_core.violations.model import NewViolation

NOT_BREACHED = -1


@dataclass(slots=True)
class ReplayedViolation:
    """A violation as live evaluation would record it, apart from numbers.

    Args:
        time: In ms since the Unix epoch.
        rank: Of its severity.
        alert: The place of its alert among all; None: it belongs to none.
    """

    new: NewViolation
    time: int
    rank: int
    alert: int | None


def describe_violation(found: FoundViolation, dimension_key: str | None) -> NewViolation:
    """A breach as violations take it, with the limits of the level that it names; it counts as recorded when it happened."""
    rule, level, limits = found.watch.rule, found.level, found.limits
    lower, upper = limits.shown[found.watch.levels.index(level)]
    return NewViolation(
        rule_id=rule.id,
        rule_name=rule.name,
        rule_epoch=rule.counting_epoch,
        metric_key=rule.metric_key,
        metric_display_name=rule.metric_display_name,
        dimension_key=dimension_key,
        time=from_ms(found.time),
        actual_value=found.value,
        expected_value=limits.expected,
        lower_threshold=lower,
        upper_threshold=upper,
        deviation_percent=None if limits.expected is None else deviation_percent(found.value, limits.expected),
        baseline_confidence=limits.confidence,
        direction=rule.direction,
        severity=SEVERITY_OF[level.rank],
        alert_level_id=level.id,
        detect_time=from_ms(found.time),
        is_late=found.is_late,
    )


@dataclass(slots=True)
class ReplayedAlert:
    """An alert. Times are ms since the Unix epoch; `end` None: it is still open.

    `violated` are times and ranks of its violations that are not late, unordered.
    """

    rule: Rule
    dimension_key: str | None
    opened: Opened
    start: int
    first_violation: int
    end: int | None = None
    escalated: list[Escalated] = field(default_factory=list)
    violation_count: int = 0
    violated: list[tuple[int, int]] = field(default_factory=list)

    @property
    def level(self) -> Level:
        """The level of its severity in the end."""
        return self.escalated[-1].level if self.escalated else self.opened.level

    @property
    def severity(self) -> Severity:
        """In the end."""
        return SEVERITY_OF[self.level.rank]

    @property
    def first_severity(self) -> Severity:
        """At its opening."""
        return SEVERITY_OF[self.opened.level.rank]

    @property
    def opening_trigger(self) -> Trigger:
        """The trigger that opened it."""
        return Trigger(len(self.opened.carried), self.opened.level.trigger_count, self.opened.level.window_minutes)

    @property
    def trigger(self) -> Trigger:
        """The trigger of its severity in the end."""
        if not self.escalated:
            return self.opening_trigger
        risen = self.escalated[-1]
        return Trigger(risen.violations, risen.level.trigger_count, risen.level.window_minutes)

    @property
    def escalate_time(self) -> int | None:
        """When it rose to its severity: at the first violation after its start at which that level's trigger was met."""
        if not self.escalated:
            return None
        level = self.escalated[-1].level
        counting = np.sort(np.array([time for time, rank in self.violated if rank >= level.rank], np.int64))
        since = np.searchsorted(counting, counting - level.window_minutes * MINUTE_MS)
        met = counting[(np.arange(1, len(counting) + 1) - since >= level.trigger_count) & (counting > self.start)]
        return int(met[0]) if len(met) else self.start


def open_alert(watch: Watch, opened: Opened, start: int, dimension_key: str | None) -> ReplayedAlert:
    """A new alert, still without its violations."""
    return ReplayedAlert(watch.rule, dimension_key, opened, start, opened.carried[0])


def join_alert(alert: ReplayedAlert, violation: ReplayedViolation) -> None:
    """Counts a violation in."""
    alert.violation_count += 1
    if not violation.new.is_late:
        alert.violated.append((violation.time, violation.rank))


@dataclass(frozen=True, slots=True, eq=False)
class ReplayedPoints:
    """Points that a rule covers, as parallel columns, in the order in which they were taken.

    Args:
        slots: The members.
        expected: NaN where no baseline says.
        lowers: Below it the least severe level is breached; NaN where there is no limit.
        uppers: Above it the least severe level is breached; NaN where there is no limit.
        ranks: Of the highest level breached; -1: none.
    """

    slots: Integers
    times: Integers
    values: Floats
    expected: Floats
    lowers: Floats
    uppers: Floats
    ranks: NDArray[np.int8]

    def __getitem__(self, chosen: Integers) -> "ReplayedPoints":
        return ReplayedPoints(*(getattr(self, name)[chosen] for name in ReplayedPoints.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.times)

    def with_slots(self, slots: Integers) -> "ReplayedPoints":
        """The same points with other numbers for their members."""
        return replace(self, slots=slots)


def join_points(parts: Sequence[ReplayedPoints]) -> ReplayedPoints:
    """Points one after another."""
    names = ReplayedPoints.__dataclass_fields__
    if not parts:
        return ReplayedPoints(*(np.zeros(0, np.int64 if name in ("slots", "times") else np.float64) for name in names))  # type: ignore[arg-type]
    return ReplayedPoints(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def judged_points(
    state: EvaluationState, chunk: Chunk, watch: Watch, sights: Sights, drawn: Drawn | None, violations: Sequence[FoundViolation]
) -> ReplayedPoints:
    """The points of a chunk that a rule covers, but repetitions, with the limits by which they were judged."""
    covered = {row: watch in state.watches_on(row) for row in np.unique(chunk.rows).tolist()}
    is_shown = np.array([covered[row] for row in chunk.rows.tolist()], np.bool_)
    is_shown[sights.repeated] = False
    positions = np.flatnonzero(is_shown)
    ranks = np.full(len(chunk.rows), NOT_BREACHED, np.int8)
    for violation in violations:
        if violation.watch is watch:
            ranks[violation.position] = violation.level.rank
    expected, lowers, uppers = fixed_band(watch.limits, len(positions)) if watch.limits else drawn_band(watch, drawn, positions)
    return ReplayedPoints(
        state.slot[chunk.rows[positions]],
        chunk.times[positions],
        chunk.values[positions],
        expected,
        lowers,
        uppers,
        ranks[positions],
    )


def fixed_band(limits: Limits, points: int) -> tuple[Floats, Floats, Floats]:
    """The limits of a static rule for each of some points."""
    lower, upper = limits.shown[0]
    return tuple(np.full(points, np.nan if value is None else value) for value in (None, lower, upper))  # type: ignore[return-value]


def drawn_band(watch: Watch, drawn: Drawn | None, positions: Integers) -> tuple[Floats, Floats, Floats]:
    """The limits that were drawn for points; NaN where too little was learned."""
    expected, lowers, uppers = (np.full(len(positions), np.nan) for _ in range(3))
    band = drawn.bands.get(watch.rule.id) if drawn else None
    if drawn is None or band is None:
        return expected, lowers, uppers
    columns = drawn.place[positions]
    known = columns >= 0
    known[known] = band.confidences[columns[known]] > 0
    expected[known], lowers[known], uppers[known] = (
        np.where(np.isfinite(column), column, np.nan)
        for column in (band.expected[columns[known]], band.lowers[0, columns[known]], band.uppers[0, columns[known]])
    )
    return expected, lowers, uppers
