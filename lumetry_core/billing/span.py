"""The span of time that usage is asked for (contract workspace 8, logs 10)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lumetry_core.billing.model import Period, bounds_of, day_of, hour_of
from lumetry_core.runtime.errors import Faults


class Interval(StrEnum):
    """How finely usage is told."""

    HOUR = "hour"
    DAY = "day"


LONGEST = {Interval.HOUR: timedelta(days=31), Interval.DAY: timedelta(days=400)}


@dataclass(frozen=True, slots=True)
class Span:
    """From one time on and before another."""

    begin: datetime
    end: datetime
    interval: Interval

    @property
    def first_hour(self) -> datetime:
        """The hour in which it begins, which counts whole."""
        return hour_of(self.begin)

    def interval_of(self, hour: datetime) -> datetime:
        """The beginning of the interval that an hour belongs to."""
        return hour if self.interval is Interval.HOUR else day_of(hour)


def read_span(begin: datetime | None, end: datetime | None, interval: str, now: datetime, faults: Faults) -> Span:
    """Reads what was asked for and notes what is wrong with it; without bounds it is the running month.

    Args:
        interval: Empty: `day`.
    """
    month_begin, month_end = bounds_of(Period.MONTH, now)
    span = Span(begin or month_begin, end or month_end, Interval.HOUR if interval == Interval.HOUR else Interval.DAY)
    faults.check(interval in ("", *Interval), "interval", "must be hour or day")
    faults.check_range(span.begin <= span.end, "from", "must not be after to")
    longest = LONGEST[span.interval]
    faults.check_range(span.end - span.begin <= longest, "from", f"must be at most {longest.days} days before to")
    return span
