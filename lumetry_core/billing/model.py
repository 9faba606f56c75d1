"""Meters, usage and budgets (contract workspace 8)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

CREDIT = 1_000_000
"""Micro-units of a credit."""
MAX_RATE = CREDIT
"""Micro-units of a unit: what an hour comes to has to fit into the ledger."""
NO_PROJECT = ""
"""Stands for usage that belongs to no project."""


class Meter(StrEnum):
    """What is counted."""

    LOG_BYTES = "log_bytes"
    LOG_ENTRIES = "log_entries"
    METRIC_POINTS = "metric_points"
    FILE_BYTES = "file_bytes"
    SESSION_MESSAGES = "session_messages"
    DOCS_QUESTIONS = "docs_questions"
    CHECK_RUNS = "check_runs"
    NOTIFICATIONS_SENT = "notifications_sent"
    CREDITS = "credits"


@dataclass(frozen=True, slots=True)
class MeterFacts:
    """What is true of a meter whatever it reads."""

    unit: str
    description: str
    is_gauge: bool = False
    stops: bool = True
    """Whether a hard budget stops what it counts."""
    must_fit: bool = False
    """Whether a hard budget also stops what would pass it."""


FACTS: Mapping[Meter, MeterFacts] = {
    Meter.LOG_BYTES: MeterFacts("bytes", "Bytes of accepted log entries, as they were sent", must_fit=True),
    Meter.LOG_ENTRIES: MeterFacts("entries", "Accepted log entries", must_fit=True),
    Meter.METRIC_POINTS: MeterFacts("points", "Accepted metric points"),
    Meter.FILE_BYTES: MeterFacts("bytes", "Bytes of files that are kept, those in the trash included", is_gauge=True, must_fit=True),
    Meter.SESSION_MESSAGES: MeterFacts("messages", "Messages by users and agents in sessions"),
    Meter.DOCS_QUESTIONS: MeterFacts("questions", "Answered questions of members about the documentation"),
    Meter.CHECK_RUNS: MeterFacts("runs", "Checks of endpoints and certificates", stops=False),
    Meter.NOTIFICATIONS_SENT: MeterFacts("deliveries", "Delivered messages of channels, webhooks and integrations", stops=False),
    Meter.CREDITS: MeterFacts("micro-units", "What all other meters come to at their rates"),
}
COUNTED: tuple[Meter, ...] = tuple(meter for meter in Meter if meter is not Meter.CREDITS)
"""The meters that are counted; credits follow from them."""
GAUGES: frozenset[Meter] = frozenset(meter for meter in COUNTED if FACTS[meter].is_gauge)


@dataclass(frozen=True, slots=True)
class Usage:
    """What is added to a meter; a gauge's may be negative."""

    meter: Meter
    quantity: int
    project_id: str | None = None


class Period(StrEnum):
    """Over which time a budget adds up, in UTC."""

    DAY = "day"
    MONTH = "month"


class Mode(StrEnum):
    """What a budget that is used up does."""

    SOFT = "soft"
    HARD = "hard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit on a meter. `id` is a UUID."""

    organization_id: int
    id: str
    name: str
    meter: Meter
    period: Period
    """Means nothing to a gauge."""
    limit: int
    mode: Mode
    project_id: str | None
    """None: the whole organization."""
    thresholds: tuple[int, ...]
    """Percent, ascending."""
    is_active: bool
    create_time: datetime
    update_time: datetime

    @property
    def is_gauge(self) -> bool:
        """Whether it limits what is there now instead of what adds up over a period."""
        return self.meter in GAUGES

    @property
    def blocks(self) -> bool:
        """Whether it can stop anything."""
        return self.is_active and self.mode is Mode.HARD


@dataclass(frozen=True, slots=True)
class Spent:
    """A budget with what its running period has used up."""

    budget: Budget
    used: int
    reset_time: datetime | None
    """When the period ends; None: never."""

    @property
    def remaining(self) -> int:
        """What is left."""
        return max(self.budget.limit - self.used, 0)

    @property
    def is_exceeded(self) -> bool:
        """Whether nothing is left."""
        return self.used >= self.budget.limit

    def stops(self, addition: int) -> bool:
        """Whether it keeps so much from being added."""
        return self.is_exceeded or (FACTS[self.budget.meter].must_fit and self.used + addition > self.budget.limit)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What a closed hour came to for a meter and project. `id` is a UUID; a gauge's quantity is by how much it changed."""

    id: str
    meter: Meter
    project_id: str | None
    hour: datetime
    quantity: int
    microunits: int
    """By the rates of the time when the entry was made."""
    create_time: datetime


@dataclass(frozen=True, slots=True)
class Reading:
    """What a meter read over a period, a gauge at its end; `microunits` is what the period is worth."""

    meter: Meter
    quantity: int
    microunits: int


def hour_of(moment: datetime) -> datetime:
    """The beginning of the hour in which usage of a moment is counted."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def day_of(moment: datetime) -> datetime:
    """The beginning of a moment's UTC day."""
    return hour_of(moment).replace(hour=0)


def month_of(moment: datetime) -> datetime:
    """The beginning of a moment's calendar month in UTC."""
    return day_of(moment).replace(day=1)


def bounds_of(period: Period, moment: datetime) -> tuple[datetime, datetime]:
    """Beginning and end of the period in which a moment is."""
    if period is Period.DAY:
        return day_of(moment), day_of(moment) + timedelta(days=1)
    return month_of(moment), month_of(month_of(moment) + timedelta(days=31))
