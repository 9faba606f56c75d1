import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar

from lumetry_core.alerts.calendar import clock_changes, describe_zone, write_calendar
from lumetry_core.alerts.maintenance import ScopeType, WindowEvent
from tests.core.alerts.planning import NOW, window


def test_calendar_has_one_event_for_each_window() -> None:
    """One-off windows are in UTC; recurring ones keep their zone, which is described, and their rule, whose end is in UTC."""
    once = WindowEvent(window(id=1, scope_type=ScopeType.SERVICE, scope_node_id=3, reason="Move; a, b\\\nnext \x07line"), "Shop")
    weekly = window(
        id=2, rrule="freq=weekly;byday=mo;until=20261231", time_zone="Europe/Berlin", scope_type=ScopeType.METRIC, metric_key="cpu"
    )
    counted = window(id=3, rrule="FREQ=MONTHLY;BYDAY=+1MO,-1SU;COUNT=3", time_zone="America/New_York")
    document = write_calendar([once, WindowEvent(weekly, None), WindowEvent(counted, None)], NOW)
    calendar = Calendar.from_ical(document)
    assert calendar.errors == []
    assert [str(zone["TZID"]) for zone in calendar.walk("VTIMEZONE")] == ["America/New_York", "Europe/Berlin"]
    events = calendar.walk("VEVENT")
    assert [str(event["SUMMARY"]) for event in events] == ["Move; a, b\\\nnext  line", weekly.reason, weekly.reason]
    assert [str(event["DESCRIPTION"]) for event in events] == ["Service Shop", "Metric cpu", "Global"]
    assert [event["DTSTART"].dt for event in events] == [each.start_time for each in (once.window, weekly, counted)]
    assert [event["DTEND"].dt for event in events] == [each.end_time for each in (once.window, weekly, counted)]
    assert events[0]["DTSTART"].to_ical() == b"20260601T090000Z"
    assert [event["RRULE"].to_ical().decode() for event in events[1:]] == [
        "FREQ=WEEKLY;UNTIL=20261231T225959Z;BYDAY=MO",
        "FREQ=MONTHLY;COUNT=3;BYDAY=+1MO,-1SU",
    ]
    assert "RRULE" not in events[0]
    assert len({str(event["UID"]) for event in events}) == 3
    assert all(len(line.encode()) <= 75 for line in document.split("\r\n"))


def test_calendar_without_windows() -> None:
    """An empty calendar is one too."""
    assert Calendar.from_ical(write_calendar([], NOW)).walk("VEVENT") == []


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"])
def test_described_zone_is_the_zone(name: str) -> None:
    """A reader that knows nothing but the description finds the zone's offset at every hour of the described years."""
    zone = ZoneInfo(name)
    onsets = []
    for part in describe_zone(name, 2025, 2028).subcomponents:
        assert part.name in ("STANDARD", "DAYLIGHT")
        before, since = part["TZOFFSETFROM"].td, part["TZOFFSETTO"].td
        times = part.get("RDATE", [])
        moments = [part["DTSTART"].dt, *(date.dt for date in getattr(times, "dts", []))]
        onsets += [((moment - before).replace(tzinfo=UTC), since) for moment in moments]
    onsets.sort()
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    while moment.year < 2029:
        offset = [since for onset, since in onsets if onset <= moment][-1]
        assert offset == moment.astimezone(zone).utcoffset(), moment
        moment += timedelta(hours=1)


def test_clock_changes_are_found_to_the_second() -> None:
    """Berlin changes at one o'clock UTC."""
    found = list(clock_changes(ZoneInfo("Europe/Berlin"), datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)))
    assert found == [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]
    assert re.search("DTSTART:20260329T020000", describe_zone("Europe/Berlin", 2026, 2026).to_ical().decode())
