"""What people send, unchecked. None means absent."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileDraft:
    """A profile."""

    name: str = ""
    lookback_days: int | None = None
    minimum_points: int | None = None
    time_zone: str | None = None
    is_default: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExclusionDraft:
    """A period that is not to be learned from."""

    metric_key: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarDraft:
    """Which public holidays are meant."""

    country: str = ""
    subdivision: str | None = None
    years: tuple[int, ...] = ()
    time_zone: str | None = None
