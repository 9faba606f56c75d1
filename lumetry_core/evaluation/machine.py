"""The state machine of one rule on one member of its metric (contract lumetry 8.2, 8.3, 19.5).

Times are milliseconds since the Unix epoch. The machine sees the points of an evaluation series in order of arrival, each timestamp at
most once; repetitions are sorted out before. It is the definition of what evaluation means: `evaluate` only spares calling it for
points that cannot change its state.
"""

from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import NamedTuple

from lumetry_core.evaluation.limits import Learning, Limits
from lumetry_core.rules.model import Rule

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Level:
    """A level of a rule. `rank` rises with severity from 0."""

    id: int
    rank: int
    trigger_count: int
    window_minutes: int
    recovery_minutes: int


@dataclass(frozen=True, slots=True)
class Watch:
    """What the machine knows of a rule.

    Args:
        levels: In rising severity, at least one.
        limits: Of a static rule; None: those of each point are drawn from a baseline as `learning` says.
        learning: Of a dynamic rule.
        memory_ms: How far behind the newest point a violation can still count: the longest window and the grace period.
    """

    rule: Rule
    levels: tuple[Level, ...]
    limits: Limits | None
    learning: Learning | None
    memory_ms: int


class Verdict(NamedTuple):
    """What a point means to a rule: the most severe level that it breaches, and whether it is clear. Neither: it is neutral."""

    level: Level | None
    is_clear: bool


CLEAR = Verdict(None, is_clear=True)
NEUTRAL = Verdict(None, is_clear=False)


def judge(watch: Watch, limits: Limits, value: float) -> Verdict:
    """Compares a value with limits; a value on a limit does not breach, and on a recovery limit it is clear."""
    for level, lower, upper in zip(reversed(watch.levels), reversed(limits.lowers), reversed(limits.uppers), strict=True):
        if value > upper or value < lower:
            return Verdict(level, is_clear=False)
    return CLEAR if limits.clear_lower <= value <= limits.clear_upper else NEUTRAL


class Counted(NamedTuple):
    """A violation with trigger weight: the time of its point and the rank of the highest level that it breached."""

    time: int
    rank: int


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """The active alert of a state.

    Args:
        handle: The alert's number; negative for an alert that is not stored yet.
        rank: Of its present severity.
        first_violation: Oldest violation that belongs to it.
        own: Its violations that count for a more severe level, ascending by time.
    """

    handle: int
    rank: int
    first_violation: int
    own: tuple[Counted, ...]


@dataclass(frozen=True, slots=True)
class State:
    """What the past of a rule on a member means for its next point.

    Args:
        loose: Violations with trigger weight that belong to no alert, ascending by time; those too old to count may be missing.
        last_not_clear: Newest point that was not clear; None when there is none.
    """

    loose: tuple[Counted, ...] = ()
    alert: OpenAlert | None = None
    last_not_clear: int | None = None


class Violated(NamedTuple):
    """The point breached `level`, the highest of those it breached. `handle`: the active alert that the violation joins."""

    level: Level
    is_late: bool
    handle: int | None


class Opened(NamedTuple):
    """An alert opens at `level`, whose trigger was met at `time`; the violations at `carried` carry it and become the alert's.

    Those at `following` are later than that and were waiting; they join.
    """

    handle: int
    level: Level
    time: int
    carried: tuple[int, ...]
    following: tuple[int, ...]


class Escalated(NamedTuple):
    """The active alert rises to `level`, whose trigger so many `violations` carry; those at `carried` become the alert's only now."""

    handle: int
    level: Level
    violations: int
    carried: tuple[int, ...]


class Closed(NamedTuple):
    """The active alert closes: nothing but clear points since `last_not_clear`."""

    handle: int
    first_violation: int
    last_not_clear: int
    recovery_minutes: int


class Step(NamedTuple):
    """What a point does: the state after it and what is to be recorded."""

    state: State
    violated: Violated | None = None
    opened: Opened | None = None
    escalated: Escalated | None = None
    closed: Closed | None = None


START = State()


def step(watch: Watch, state: State, time: int, verdict: Verdict, *, newest: int, is_late: bool, handle: int) -> Step:
    """Takes the next point of the series.

    Args:
        verdict: What `judge` said of the point.
        newest: The newest timestamp evaluated on the series, this point included.
        is_late: The point is further behind the newest than the grace period, and so carries no trigger weight.
        handle: The negative number that an alert gets if this point opens one.
    """
    level = verdict.level
    if level is None:
        if verdict.is_clear:
            return take_clear(watch, state, time, newest)
        return Step(State(state.loose, state.alert, later(state.last_not_clear, time)))
    state = State(state.loose, state.alert, later(state.last_not_clear, time))
    if is_late:
        return take_late(state, time, level)
    if state.alert is not None:
        return take_joining(watch, state, state.alert, time, newest, level)
    return take_loose(watch, state, time, newest, level, handle)


def take_clear(watch: Watch, state: State, time: int, newest: int) -> Step:
    """A clear point closes the alert when it is the newest point and the quiet period of the alert's level is over."""
    alert = state.alert
    if alert is None or time < newest or not watch.rule.auto_recover:
        return Step(state)
    last_not_clear = alert.first_violation if state.last_not_clear is None else state.last_not_clear
    recovery_minutes = present_level(watch, alert).recovery_minutes
    if time - last_not_clear < recovery_minutes * MINUTE_MS:
        return Step(state)
    closed = Closed(alert.handle, alert.first_violation, last_not_clear, recovery_minutes)
    return Step(State(state.loose, None, state.last_not_clear), closed=closed)


def take_late(state: State, time: int, level: Level) -> Step:
    """A late violation is evidence only: it joins an alert whose time it falls into and changes nothing else about it."""
    joins = state.alert is not None and state.alert.first_violation <= time
    return Step(state, violated=Violated(level, is_late=True, handle=state.alert.handle if joins and state.alert else None))


def take_joining(watch: Watch, state: State, alert: OpenAlert, time: int, newest: int, level: Level) -> Step:
    """A violation joins the active alert, which rises when a more severe level triggers with the alert's own violations counted in."""
    violated = Violated(level, is_late=False, handle=alert.handle)
    first_violation = min(alert.first_violation, time)
    own = remembered(watch, with_one(alert.own, Counted(time, level.rank)), newest)
    loose = remembered(watch, state.loose, newest)
    counting = tuple(sorted(own + loose))
    for higher in reversed(watch.levels):
        if higher.rank <= alert.rank:
            break
        _, carrying = trigger(higher, counting, time)
        if carrying:
            carried = times_of(tuple(violation for violation in carrying if violation in loose))
            loose = without(loose, carrying)
            first_violation = min(first_violation, carrying[0].time)
            own = for_escalation(watch, tuple(sorted({*own, *carrying})), higher.rank)
            risen = OpenAlert(alert.handle, higher.rank, first_violation, own)
            escalated = Escalated(alert.handle, higher, len(carrying), carried)
            return Step(State(loose, risen, state.last_not_clear), violated, escalated=escalated)
    same = OpenAlert(alert.handle, alert.rank, first_violation, for_escalation(watch, own, alert.rank))
    return Step(State(loose, same, state.last_not_clear), violated)


def take_loose(watch: Watch, state: State, time: int, newest: int, level: Level, handle: int) -> Step:
    """A violation without active alert counts; an alert opens at the most severe level that it triggers."""
    loose = remembered(watch, with_one(state.loose, Counted(time, level.rank)), newest)
    for candidate in reversed(watch.levels):
        end, carrying = trigger(candidate, loose, time)
        if carrying:
            rest = without(loose, carrying)
            following = tuple(violation for violation in rest if violation.time > end)
            opened = Opened(handle, candidate, end, times_of(carrying), times_of(following))
            own = for_escalation(watch, tuple(sorted(carrying + following)), candidate.rank)
            alert = OpenAlert(handle, candidate.rank, carrying[0].time, own)
            violated = Violated(level, is_late=False, handle=handle if time in opened.carried else None)
            return Step(State(without(rest, following), alert, state.last_not_clear), violated, opened)
    return Step(State(loose, None, state.last_not_clear), Violated(level, is_late=False, handle=None))


def trigger(level: Level, violations: tuple[Counted, ...], time: int) -> tuple[int, tuple[Counted, ...]]:
    """When a point makes a level trigger, and the violations that carry the trigger; none if it does not.

    The window ends at the point; for a point behind others also at each later violation, as it would have if points had come in order.
    """
    counting = tuple(violation for violation in violations if violation.rank >= level.rank)
    width = level.window_minutes * MINUTE_MS
    for end in (time, *(violation.time for violation in counting if time < violation.time <= time + width)):
        carrying = tuple(violation for violation in counting if end - width <= violation.time <= end)
        if len(carrying) >= level.trigger_count:
            return end, carrying
    return time, ()


def times_of(violations: tuple[Counted, ...]) -> tuple[int, ...]:
    """The times of violations."""
    return tuple(violation.time for violation in violations)


def present_level(watch: Watch, alert: OpenAlert) -> Level:
    """The level of the alert's severity; the nearest one when an update of the rule took that level away."""
    return min(watch.levels, key=lambda level: abs(level.rank - alert.rank))


def remembered(watch: Watch, violations: tuple[Counted, ...], newest: int) -> tuple[Counted, ...]:
    """Forgets violations that no window can reach any more."""
    horizon = newest - watch.memory_ms
    if not violations or violations[0].time >= horizon:
        return violations
    return violations[bisect_left(violations, (horizon, 0)) :]


def for_escalation(watch: Watch, violations: tuple[Counted, ...], rank: int) -> tuple[Counted, ...]:
    """Keeps of an alert's violations those that count for a level above its own."""
    if watch.levels[-1].rank <= rank:
        return ()
    return tuple(violation for violation in violations if violation.rank > rank)


def with_one(violations: tuple[Counted, ...], violation: Counted) -> tuple[Counted, ...]:
    """Adds a violation in its place."""
    if not violations or violations[-1].time < violation.time:
        return (*violations, violation)
    longer = list(violations)
    insort(longer, violation)
    return tuple(longer)


def without(violations: tuple[Counted, ...], taken: tuple[Counted, ...]) -> tuple[Counted, ...]:
    """The violations that are not among those taken."""
    if len(violations) == len(taken):
        return ()
    gone = set(taken)
    return tuple(violation for violation in violations if violation not in gone)


def later(one: int | None, other: int) -> int:
    """The later of two times."""
    return other if one is None or other > one else one


def is_idle(watch: Watch, state: State, newest: int) -> bool:
    """Whether the state no longer differs from a fresh one for any point that may come."""
    horizon = newest - watch.memory_ms
    if state.alert is not None or (state.loose and state.loose[-1].time >= horizon):
        return False
    return state.last_not_clear is None or state.last_not_clear < horizon


def restart_counting(state: State) -> State:
    """Counting for triggers starts anew; an active alert stays."""
    alert = state.alert
    return State((), alert and OpenAlert(alert.handle, alert.rank, alert.first_violation, ()), state.last_not_clear)
