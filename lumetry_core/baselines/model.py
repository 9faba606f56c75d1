"""Nouns of baselines (contract lumetry 9.4, 12.4)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

DEFAULT_NAME = "Default"
DEFAULT_LOOKBACK_DAYS = 28
DEFAULT_MINIMUM_POINTS = 4
DEFAULT_TIME_ZONE = "UTC"


@dataclass(frozen=True, slots=True)
class ProfileDefinition:
    """What people write of a profile, checked and with every default filled in."""

    name: str
    lookback_days: int = DEFAULT_LOOKBACK_DAYS
    minimum_points: int = DEFAULT_MINIMUM_POINTS
    time_zone: str = DEFAULT_TIME_ZONE


@dataclass(frozen=True, slots=True)
class BaselineProfile:
    """How baselines are learned. `time_zone` is an IANA name; `minimum_points` are needed before a baseline judges."""

    id: int
    organization_id: int
    name: str
    lookback_days: int
    minimum_points: int
    time_zone: str
    is_default: bool
    create_time: datetime
    update_time: datetime


@dataclass(frozen=True, slots=True)
class ProfileUse:
    """What refers to a profile: its kind, such as `Rule`, and its number."""

    kind: str
    number: int


class ExclusionKind(StrEnum):
    """Why a period is left out; the words are the entity types of the audit log."""

    INCIDENT_WINDOW = "IncidentWindow"
    PUBLIC_HOLIDAY = "PublicHoliday"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A period [start, end) that nothing is learned from.

    `metric_key` None: all metrics. `created_by` None: the system.
    """

    id: int
    organization_id: int
    kind: ExclusionKind
    metric_key: str | None
    start_time: datetime
    end_time: datetime
    reason: str
    created_by: int | None
    create_time: datetime


@dataclass(frozen=True, slots=True)
class Rebuild:
    """A request to learn stored points again.

    `profile_id` None: all profiles. `metric_id`, the metric's number in the catalog, None: all metrics. `start_ms` and `end_ms` None:
    everything, else the buckets that [start, end) touches.
    """

    id: int
    organization_id: int
    profile_id: int | None
    metric_id: int | None
    start_ms: int | None
    end_ms: int | None
    include_violations: bool
    create_time: datetime


def learns_anew(before: BaselineProfile, after: BaselineProfile) -> bool:
    """Whether what was learned under a profile no longer fits it: its buckets mean other minutes, or history is missing."""
    return after.time_zone != before.time_zone or after.lookback_days > before.lookback_days


def touches_learned_time(exclusion: Exclusion, now: datetime) -> bool:
    """Whether points of the period may have been learned already."""
    return exclusion.start_time < now
