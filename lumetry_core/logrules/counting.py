"""What a rule makes of the entries that it found: which of them count, whether its alert is open, and what it remembers. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from lumetry_core.logrules.matching import LATE_NS, MINUTE_NS, Found, receive_ms_of
from lumetry_core.logrules.model import MAX_GROUPS, LogRule, Mark, State, Trigger
from lumetry_core.logrules.windows import Limits, advance, pack_times, unpack_times
from lumetry_core.logs.columns import Batch, id_at, traces_of
from lumetry_core.logs.entry_id import to_text
from lumetry_core.logs.model import NS_PER_MS
from lumetry_core.logs.service.grouping import Grouped

KEPT_MARKS = 50
"""Matches among which ten traces are looked for."""
Place = tuple[Batch, int]
"""A batch and a position in it."""
Firsts = Mapping[int, Place]
"""Of groups: the entry that began or reopened each."""


@dataclass(frozen=True, slots=True)
class Tally:
    """A rule after its matches.

    Attributes:
        is_firing: Whether its alert is open, or opens now.
        opened_ns: Time of the match that opens it; None: none does.
        peak: How many matches its window held when it opened, or at the end.
        project_id: UUID of the deciding project of the entry that opens it, else of the last one.
        new_group_ids: Groups that its alert did not name before.
    """

    rule: LogRule
    state: State
    is_firing: bool
    opened_ns: int | None
    peak: int
    project_id: str
    new_group_ids: Sequence[int]


def limits_of(rule: LogRule) -> Limits:
    """How a rule counts."""
    width = None if rule.time_window_minutes is None else rule.time_window_minutes * MINUTE_NS
    return Limits(rule.threshold, width, max(width or 0, LATE_NS))


def count_found(rule: LogRule, state: State, found: Sequence[Found], grouped: Grouped, firsts: Firsts, *, is_open: bool) -> Tally | None:
    """Counts what a rule found; None when nothing of it counts."""
    places = [(each.batch, position) for each in found for position in choose(rule.trigger, each, grouped, firsts)]
    if not places:
        return None
    limits = limits_of(rule)
    times = [int(batch.times[position]) for batch, position in places]
    latest_ns = max(int(receive_ms_of(each.batch).max()) for each in found) * NS_PER_MS
    moved = advance(unpack_times(state.times), times, limits, latest_ns, is_open=is_open)
    opened = moved.opened_at
    since = places if opened is None else places[opened:]
    earlier = state.marks if opened is None else within(state.marks, times[opened], limits.width_ns)
    before = [] if opened is None else [make_mark(place, grouped) for place in places[:opened][-KEPT_MARKS:]]
    if opened is not None:
        before = list(within(before, times[opened], limits.width_ns))
    marks = [*earlier, *before, *(make_mark(place, grouped) for place in since[-KEPT_MARKS:])]
    is_firing = is_open or opened is not None
    count = state.count + len(places) if is_open else 0 if opened is None else moved.opened_with + len(since) - 1
    groups = gather_groups(state.group_ids if is_open else [mark.group_id for mark in marks], since if is_firing else (), grouped)
    after = replace(
        state, times=pack_times(moved.times), count=count, marks=tuple(marks[-KEPT_MARKS:]), group_ids=groups if is_firing else ()
    )
    opened_ns = None if opened is None else times[opened]
    project_id = places[-1 if opened is None else opened][0].project_id
    named = state.group_ids if is_open else ()
    return Tally(rule, after, is_firing, opened_ns, moved.peak, project_id, [each for each in after.group_ids if each not in named])


def choose(trigger: Trigger, found: Found, grouped: Grouped, firsts: Firsts) -> Sequence[int]:
    """Positions of the matches that count."""
    if trigger is Trigger.MATCH:
        if not grouped.ignored:
            return found.positions
        return [position for position in found.positions if group_of((found.batch, position), grouped) not in grouped.ignored]
    wanted = grouped.created if trigger is Trigger.NEW_GROUP else grouped.reopened
    chosen = []
    for position in found.positions:
        group_id = group_of((found.batch, position), grouped)
        if group_id is not None and group_id in wanted and firsts.get(group_id) == (found.batch, position):
            chosen.append(position)
    return chosen


def group_of(place: Place, grouped: Grouped) -> int | None:
    """The error group of an entry."""
    batch, position = place
    number = batch.columns.grouped.get(position)
    return None if number is None else grouped.ids.get((batch.project_id, batch.columns.fingerprints[number]))


def find_firsts(batches: Sequence[Batch], grouped: Grouped) -> dict[int, Place]:
    """Which entry began each group that is new, and which reopened each that regressed: the newest of those read together, by its time."""
    firsts: dict[int, Place] = {}
    wanted = grouped.created | grouped.reopened
    if not wanted:
        return firsts
    for batch in batches:
        for position in sorted(batch.columns.grouped):
            group_id = group_of((batch, position), grouped)
            if group_id is None or group_id not in wanted:
                continue
            known = firsts.get(group_id)
            # An entry that reopens its group happened after it was resolved, as the newest certainly did.
            if known is None or (group_id in grouped.reopened and batch.times[position] > known[0].times[known[1]]):
                firsts[group_id] = batch, position
    return firsts


def within(marks: Collection[Mark], end_ns: int, width_ns: int | None) -> list[Mark]:
    """The marks that lie in a window; without one, none of those before."""
    return [] if width_ns is None else [mark for mark in marks if end_ns - width_ns < mark.time_ns <= end_ns]


def make_mark(place: Place, grouped: Grouped) -> Mark:
    """What is remembered of a match."""
    batch, position = place
    trace_id, _, _ = traces_of(batch.columns.traces[position], batch.columns.metadata[position] or b"{}")
    return Mark(int(batch.times[position]), to_text(id_at(batch, position)), trace_id, group_of(place, grouped))


def gather_groups(known: Sequence[int | None], places: Sequence[Place], grouped: Grouped) -> tuple[int, ...]:
    """The first distinct groups of matches."""
    found = dict.fromkeys(group_id for group_id in known if group_id is not None)
    for place in places:
        if len(found) >= MAX_GROUPS:
            break
        group_id = group_of(place, grouped)
        if group_id is not None:
            found.setdefault(group_id)
    return tuple(found)
