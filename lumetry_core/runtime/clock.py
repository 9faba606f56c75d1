"""Where time comes from. Nothing else in the core asks the operating system for it."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of the present."""

    def now(self) -> datetime:
        """The present in UTC, aware, truncated to milliseconds."""


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """See `Clock.now`."""
        return truncate(datetime.now(UTC))


def truncate(moment: datetime) -> datetime:
    """Cuts an aware time to the product's precision of one millisecond, in UTC."""
    utc = moment.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def to_ms(moment: datetime) -> int:
    """Milliseconds since the Unix epoch, exact for any aware time of the calendar."""
    delta = moment - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def from_ms(milliseconds: int) -> datetime:
    """The aware UTC time that is so many milliseconds after the Unix epoch."""
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


def spell_time(moment: datetime) -> str:
    """A time in UTC with `Z` as contracts write it; the fraction appears only when it is not zero."""
    utc = truncate(moment)
    return f"{utc.isoformat(timespec='milliseconds' if utc.microsecond else 'seconds').removesuffix('+00:00')}Z"


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
