"""IANA time zones, and when days begin in them."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

FOREIGN = frozenset({"Factory", "localtime"})
"""Files beside those of the zones: a placeholder, and whatever this machine happens to be set to."""


@cache
def time_zone_names() -> frozenset[str]:
    """The names that are known here. `UTC` needs no data, so it is known everywhere."""
    return frozenset(available_timezones()) - FOREIGN | {"UTC"}


def find_zone(name: str) -> ZoneInfo:
    """The zone of a name that has been checked."""
    return ZoneInfo(name)


def day_period(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From midnight to midnight, in UTC: 23 or 25 hours where clocks change, none where the zone skipped the day.

    A midnight that a clock change skips is the moment of the change, one that comes twice the first of them.
    """
    return midnight(day, zone), midnight(day + timedelta(days=1), zone)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
