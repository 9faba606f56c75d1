"""What pushes come to, and what becomes of them (contract logs 10): pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lumetry_core.billing.model import Meter, Spent, Usage
from lumetry_core.billing.span import Span
from lumetry_core.logs.model import LEVELS

QUOTA_METERS = (Meter.LOG_BYTES, Meter.LOG_ENTRIES)


@dataclass(frozen=True, slots=True)
class Charge:
    """What the entries of a push come to for their deciding project."""

    project_id: str
    bytes_used: int
    level_counts: tuple[int, ...]
    """Entries by ascending level."""

    @property
    def entry_count(self) -> int:
        """All entries."""
        return sum(self.level_counts)


class Outcome(StrEnum):
    """What becomes of a push."""

    ACCEPTED = "accepted_requests"
    REJECTED = "rejected_requests"
    RATE_LIMITED = "rate_limited_requests"
    QUOTA_REFUSED = "quota_refused_requests"


@dataclass(frozen=True, slots=True)
class LogUsage:
    """Pushes by what became of them, and what was stored of them."""

    outcomes: tuple[int, ...]
    """In the order of `Outcome`."""
    bytes_used: int
    level_counts: tuple[int, ...]

    @property
    def request_count(self) -> int:
        """All pushes with a valid credential but for repetitions."""
        return sum(self.outcomes)

    @property
    def entry_count(self) -> int:
        """Stored entries."""
        return sum(self.level_counts)


NOTHING = LogUsage((0,) * len(Outcome), 0, (0,) * len(LEVELS))


@dataclass(frozen=True, slots=True)
class LogUsageReport:
    """Usage of a span: in all, by project and by interval where something was stored, and how quotas stand now."""

    span: Span
    total: LogUsage
    by_project: Sequence[tuple[str, LogUsage]]
    series: Sequence[tuple[datetime, LogUsage]]
    quotas: Sequence[Spent]


def charge_of(project_id: str, levels: bytes, bytes_used: int) -> Charge:
    """What entries of these levels come to."""
    return Charge(project_id, bytes_used, tuple(levels.count(level) for level in range(1, len(LEVELS) + 1)))


def usages_of(charges: Iterable[Charge]) -> list[Usage]:
    """The same for meters."""
    return [
        usage
        for charge in charges
        for usage in (
            Usage(Meter.LOG_BYTES, charge.bytes_used, charge.project_id),
            Usage(Meter.LOG_ENTRIES, charge.entry_count, charge.project_id),
        )
    ]


def add_up(usages: Iterable[LogUsage]) -> LogUsage:
    """The sum of usages."""
    total = NOTHING
    for each in usages:
        total = LogUsage(
            tuple(map(sum, zip(total.outcomes, each.outcomes, strict=True))),
            total.bytes_used + each.bytes_used,
            tuple(map(sum, zip(total.level_counts, each.level_counts, strict=True))),
        )
    return total


def outcome_of(outcome: Outcome, count: int = 1) -> LogUsage:
    """So many pushes of which one thing became."""
    return LogUsage(tuple(count if each is outcome else 0 for each in Outcome), 0, NOTHING.level_counts)
