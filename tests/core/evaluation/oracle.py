"""Evaluation as the contract tells it, done the naive way: with the whole history, and counting everything anew at each point."""

from dataclasses import dataclass, field

from lumetry_core.evaluation.machine import MINUTE_MS
from lumetry_core.rules.model import Rule, Severity

RANKS = {Severity.WARNING: 0, Severity.CRITICAL: 1}


@dataclass
class SeenViolation:
    """A violation: its point, rank, and the alert it belongs to."""

    time: int
    value: float
    rank: int
    is_late: bool
    alert: "SeenAlert | None" = None
    is_void: bool = False
    """Recorded before a close by hand or a new start of counting."""


@dataclass(eq=False)
class SeenAlert:
    """An alert as it stands."""

    start: int
    rank: int
    reasons: list[tuple[int, int]]
    """Rank and count of the opening, then of each escalation."""
    end: int | None = None
    evaluated: list["SeenViolation"] = field(default_factory=list)


@dataclass
class SeenMember:
    """All points of one evaluation series that were evaluated, for all rules."""

    times: list[int] = field(default_factory=list)


@dataclass
class Oracle:
    """One rule on one member."""

    rule: Rule
    grace_ms: int
    points: list[tuple[int, float]] = field(default_factory=list)
    violations: list[SeenViolation] = field(default_factory=list)
    alerts: list[SeenAlert] = field(default_factory=list)

    def take(self, time: int, value: float, newest: int) -> None:
        """Takes a point that is no repetition; `newest` includes it."""
        rank = max((RANKS[level.severity] for level in self.rule.levels if breaches(level, value)), default=None)
        is_late = time < newest - self.grace_ms
        self.points.append((time, value))
        active = next((alert for alert in self.alerts if alert.end is None), None)
        if rank is not None:
            self.take_breach(SeenViolation(time, value, rank, is_late), active, newest)
        elif active is not None and self.is_clear(value) and self.rule.auto_recover and time == newest:
            unclear = [at for at, seen in self.points if not self.is_clear(seen)]
            level = next((level for level in self.rule.levels if RANKS[level.severity] == active.rank), self.rule.levels[0])
            if time - max(unclear) >= level.recovery_minutes * MINUTE_MS:
                active.end = time

    def take_breach(  # noqa: C901 -- one text, in the order of the contract
        self, violation: SeenViolation, active: SeenAlert | None, newest: int
    ) -> None:
        self.violations.append(violation)
        if violation.is_late:
            for alert in reversed(self.alerts):
                first = min(other.time for other in self.violations if other.alert is alert)
                if first <= violation.time and (alert.end is None or violation.time <= alert.end):
                    violation.alert = alert
                    break
            return
        if active is not None:
            violation.alert = active
        for level in sorted(self.rule.levels, key=lambda level: -RANKS[level.severity]):
            rank = RANKS[level.severity]
            if active is not None and rank <= active.rank:
                continue
            width = level.trigger_window_minutes * MINUTE_MS
            ends = {
                other.time
                for other in self.violations
                if not other.is_late and not other.is_void and violation.time <= other.time <= violation.time + width
            }
            for end in sorted(ends):
                carrying = [
                    other
                    for other in self.violations
                    if not other.is_late
                    and not other.is_void
                    and other.rank >= rank
                    and (other.alert is None or other.alert is active)
                    and end - level.trigger_window_minutes * MINUTE_MS <= other.time <= end
                ]
                if len(carrying) >= level.trigger_count:
                    if active is None:
                        active = SeenAlert(end, rank, [])
                        self.alerts.append(active)
                    active.rank = rank
                    active.reasons.append((rank, len(carrying)))
                    for other in carrying:
                        other.alert = active
                    for other in self.violations:
                        if other.alert is None and other.time > end and not other.is_late and not other.is_void and not active.reasons[1:]:
                            other.alert = active
                    return

    def is_clear(self, value: float) -> bool:
        """Whether the value breaches no level and lies inside the recovery limits of the least severe one."""
        if any(breaches(level, value) for level in self.rule.levels):
            return False
        least = min(self.rule.levels, key=lambda level: RANKS[level.severity])
        above = least.recovery_upper is not None and value > least.recovery_upper
        below = least.recovery_lower is not None and value < least.recovery_lower
        return not above and not below

    def void(self) -> None:
        """What was recorded so far no longer counts."""
        for violation in self.violations:
            violation.is_void = True


def breaches(level: object, value: float) -> bool:
    upper, lower = level.static_upper, level.static_lower  # type: ignore[attr-defined]
    return (upper is not None and value > upper) or (lower is not None and value < lower)
