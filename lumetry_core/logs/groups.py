"""Error groups and what changes their status (contract logs 7.5)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from lumetry_core.logs.grouping import MAX_ENVIRONMENTS, MAX_TRACES, Sighting

MAX_NOTE = 2000
MAX_UNTIL_COUNT = 2**53 - 1


class GroupStatus(StrEnum):
    """Whether people still have to look at a group."""

    OPEN = "open"
    RESOLVED = "resolved"
    IGNORED = "ignored"


class Turn(StrEnum):
    """What entries made of a group."""

    SEEN = "seen"
    REGRESSED = "regressed"
    REOPENED = "reopened"
    """It is no longer ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogGroup:
    """An error group; its counts are of entries that retention has left."""

    id: int = 0
    organization_id: int
    project_id: str
    fingerprint: bytes
    title: str
    error_type: str | None
    error_message: str | None
    culprit: str | None
    level: int
    """The highest seen."""
    levels: Mapping[int, int]
    environments: Sequence[str]
    trace_ids: Sequence[str]
    """The last distinct ones, newest last."""
    count: int
    first_time: datetime
    last_time: datetime
    status: GroupStatus = GroupStatus.OPEN
    is_regressed: bool = False
    resolve_time: datetime | None = None
    resolved_by: str | None = None
    ignore_until: datetime | None = None
    ignore_count: int | None = None
    """After so many further entries it is open again."""
    ignore_end_count: int | None = None
    """The count that is reached then."""
    note: str | None = None


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """A group as it is shown."""

    group: LogGroup
    hours: Sequence[tuple[datetime, int]]
    """The last 24 hours with their entries, ascending."""
    alert_ids: Sequence[int] = field(default=())

    @property
    def day_count(self) -> int:
        """Entries of these hours."""
        return sum(count for _, count in self.hours)


def found(organization_id: int, sighting: Sighting) -> LogGroup:
    """A new group."""
    levels = levels_of(sighting)
    return LogGroup(
        organization_id=organization_id,
        project_id=sighting.project_id,
        fingerprint=sighting.fingerprint,
        title=sighting.title,
        error_type=sighting.error_type,
        error_message=sighting.error_message,
        culprit=sighting.culprit,
        level=max(levels),
        levels=levels,
        environments=sighting.environments,
        trace_ids=sighting.trace_ids,
        count=sighting.count,
        first_time=sighting.first_time,
        last_time=sighting.last_time,
    )


def levels_of(sighting: Sighting) -> Counter[int]:
    """How many entries each level has."""
    levels: Counter[int] = Counter()
    for (_, level), count in sighting.hours.items():
        levels[level] += count
    return levels


def see(group: LogGroup, sighting: Sighting, now: datetime) -> tuple[LogGroup, Turn]:
    """A group after further entries."""
    levels = Counter(group.levels) + levels_of(sighting)
    traces = [trace for trace in group.trace_ids if trace not in sighting.trace_ids]
    seen = replace(
        group,
        level=max(group.level, *levels),
        levels=levels,
        environments=tuple(sorted({*group.environments, *sighting.environments})[:MAX_ENVIRONMENTS]),
        trace_ids=(*traces, *sighting.trace_ids)[-MAX_TRACES:],
        count=group.count + sighting.count,
        first_time=min(group.first_time, sighting.first_time),
        last_time=max(group.last_time, sighting.last_time),
    )
    if seen.status is GroupStatus.RESOLVED and seen.resolve_time is not None and sighting.last_time > seen.resolve_time:
        return replace(reopen(seen), is_regressed=True), Turn.REGRESSED
    if seen.status is GroupStatus.IGNORED and is_ignored_no_longer(seen, now):
        return reopen(seen), Turn.REOPENED
    return seen, Turn.SEEN


def is_ignored_no_longer(group: LogGroup, now: datetime) -> bool:
    """Whether the time of an ignored group has passed or its count is reached."""
    has_passed = group.ignore_until is not None and group.ignore_until <= now
    return has_passed or (group.ignore_end_count is not None and group.count >= group.ignore_end_count)


def as_of(group: LogGroup, now: datetime) -> LogGroup:
    """A group as it is now: one whose time to be ignored has passed is open, though no entry has told so."""
    return reopen(group) if group.status is GroupStatus.IGNORED and is_ignored_no_longer(group, now) else group


def reopen(group: LogGroup) -> LogGroup:
    """An open group; its note stays."""
    return replace(
        group,
        status=GroupStatus.OPEN,
        is_regressed=False,
        resolve_time=None,
        resolved_by=None,
        ignore_until=None,
        ignore_count=None,
        ignore_end_count=None,
    )


def resolve(group: LogGroup, note: str | None, resolved_by: str, now: datetime) -> LogGroup:
    """A resolved group; one that is resolved already stays as it was, but for its note."""
    kept = group.note if note is None else note
    if group.status is GroupStatus.RESOLVED:
        return replace(group, note=kept)
    return replace(reopen(group), status=GroupStatus.RESOLVED, resolve_time=now, resolved_by=resolved_by, note=kept)


def ignore(group: LogGroup, note: str | None, until: datetime | None, until_count: int | None) -> LogGroup:
    """An ignored group; for good without an end."""
    return replace(
        reopen(group),
        status=GroupStatus.IGNORED,
        ignore_until=until,
        ignore_count=until_count,
        ignore_end_count=None if until_count is None else group.count + until_count,
        note=group.note if note is None else note,
    )


def forget(group: LogGroup, gone: Mapping[int, int]) -> LogGroup:
    """A group without entries of some levels that retention has dropped."""
    levels = {level: left for level, count in group.levels.items() if (left := count - gone.get(level, 0)) > 0}
    count = sum(levels.values())
    end = group.ignore_end_count
    return replace(group, levels=levels, count=count, ignore_end_count=None if end is None else end - (group.count - count))
