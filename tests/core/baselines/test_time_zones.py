from datetime import UTC, date, datetime, timedelta

import pytest

from lumetry_core.baselines.time_zones import day_period, find_zone, time_zone_names


def test_names_are_those_of_the_zones_alone() -> None:
    """Zones are known by their exact names; what depends on this machine or is a placeholder is none."""
    assert {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"} <= time_zone_names()
    assert {"localtime", "Factory", "europe/berlin", "", "Berlin", "posix/UTC"} & time_zone_names() == set()


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("UTC", date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), 24),
        ("Europe/Berlin", date(2026, 12, 25), datetime(2026, 12, 24, 23, tzinfo=UTC), 24),
        ("Europe/Berlin", date(2026, 3, 29), datetime(2026, 3, 28, 23, tzinfo=UTC), 23),
        ("Europe/Berlin", date(2026, 10, 25), datetime(2026, 10, 24, 22, tzinfo=UTC), 25),
        ("Asia/Kolkata", date(2026, 1, 26), datetime(2026, 1, 25, 18, 30, tzinfo=UTC), 24),
        ("America/Havana", date(2026, 3, 8), datetime(2026, 3, 8, 5, tzinfo=UTC), 23),  # midnight is skipped
        ("America/Havana", date(2026, 11, 1), datetime(2026, 11, 1, 4, tzinfo=UTC), 25),  # midnight comes twice
        ("Pacific/Apia", date(2011, 12, 30), datetime(2011, 12, 30, 10, tzinfo=UTC), 0),  # the day was skipped
    ],
)
def test_day_period_goes_from_midnight_to_midnight(zone: str, day: date, start: datetime, hours: int) -> None:
    """Days are as long as they are in their zone, and the next one begins where they end."""
    assert day_period(day, find_zone(zone)) == (start, start + timedelta(hours=hours))
    assert day_period(day + timedelta(days=1), find_zone(zone))[0] == start + timedelta(hours=hours)
