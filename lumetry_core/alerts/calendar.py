"""Maintenance windows for people's calendars, as an iCalendar document (contract lumetry 22.20).

Loaded only when somebody asks: icalendar is large.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, Timezone, TimezoneDaylight, TimezoneStandard, vRecur

from lumetry_core.alerts.maintenance import WindowEvent
from lumetry_core.alerts.recurrence import DAY, Recurrence, end_of_rule

PRODUCT = "-//Lumetry//Maintenance windows//EN"
YEARS_AHEAD = 10
"""For which clock changes are described."""
SECOND = timedelta(seconds=1)


def write_calendar(events: Sequence[WindowEvent], now: datetime) -> str:
    """One event for each window; recurring ones in their time zones, of which the clock changes are described."""
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("name", "Maintenance windows")
    recurring = [event.window for event in events if event.window.recurrence is not None]
    first_years: dict[str, int] = {}
    for window in recurring:
        if window.time_zone is not None:
            first_years[window.time_zone] = min(first_years.get(window.time_zone, now.year), window.start_time.year - 1)
    last_year = max([now.year, *(window.start_time.year for window in recurring)]) + YEARS_AHEAD
    for name, first_year in sorted(first_years.items()):
        calendar.add_component(describe_zone(name, first_year, last_year))
    for event in events:
        calendar.add_component(write_event(event))
    document: bytes = calendar.to_ical()
    return document.decode()


def write_event(event: WindowEvent) -> Event:
    """A window's event."""
    window, recurrence = event.window, event.window.recurrence
    zone = UTC if recurrence is None else recurrence.zone
    written = Event()
    written.add("uid", f"maintenance-window-{window.id}-{window.create_time:%Y%m%dT%H%M%S}@lumetry")
    written.add("dtstamp", window.create_time)
    written.add("dtstart", window.start_time.astimezone(zone))
    written.add("dtend", window.end_time.astimezone(zone))
    written.add("summary", printable(window.reason))
    written.add("description", printable(f"{window.scope_type} {event.scope_node_name or window.metric_key or ''}".strip()))
    written.add("transp", "TRANSPARENT")
    if recurrence is not None and window.rrule is not None:
        written.add("rrule", write_rule(window.rrule, recurrence))
    return written


def write_rule(text: str, recurrence: Recurrence) -> vRecur:
    """A rule as calendars want it: its end in UTC."""
    rule: vRecur = vRecur.from_ical(text.upper())
    end = end_of_rule(recurrence)
    if end is not None:
        rule["UNTIL"] = [end.replace(microsecond=0)]
    return rule


def printable(text: str) -> str:
    """Text without control characters, which calendars cannot hold; lines stay."""
    return "".join(character if character.isprintable() or character == "\n" else " " for character in text.replace("\r\n", "\n"))


@lru_cache(maxsize=256)
def describe_zone(name: str, first_year: int, last_year: int) -> Timezone:
    """The clock changes of a time zone in some years."""
    zone = ZoneInfo(name)
    described = Timezone()
    described.add("tzid", name)
    begin = datetime(first_year, 1, 1, tzinfo=UTC)
    onsets: dict[tuple[timedelta, timedelta, str, bool], list[datetime]] = {}
    offset = begin.astimezone(zone).utcoffset() or timedelta(0)
    for change in [begin, *clock_changes(zone, begin, datetime(last_year + 1, 1, 1, tzinfo=UTC))]:
        after = change.astimezone(zone)
        new_offset = after.utcoffset() or timedelta(0)
        key = (offset, new_offset, after.tzname() or name, bool(after.dst()))
        # RFC 5545 writes the onset in the local time that ends
        onsets.setdefault(key, []).append((change + offset).replace(tzinfo=None))
        offset = new_offset
    for (before, since, zone_name, is_daylight), moments in onsets.items():
        part = TimezoneDaylight() if is_daylight else TimezoneStandard()
        part.add("dtstart", moments[0])
        if moments[1:]:
            part.add("rdate", moments[1:])
        part.add("tzname", zone_name)
        part.add("tzoffsetfrom", before)
        part.add("tzoffsetto", since)
        described.add_component(part)
    return described


def clock_changes(zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[datetime]:
    """When the zone's offset or name changes, ascending, to the second."""
    before = begin
    while before < end:
        after = before + DAY
        if state_of(before, zone) != state_of(after, zone):
            low, high = before, after
            while high - low > SECOND:
                middle = low + (high - low) // 2 // SECOND * SECOND
                low, high = (middle, high) if state_of(middle, zone) == state_of(before, zone) else (low, middle)
            yield high
        before = after


def state_of(moment: datetime, zone: ZoneInfo) -> tuple[timedelta | None, str | None]:
    """Offset and name of a zone at a time."""
    local = moment.astimezone(zone)
    return local.utcoffset(), local.tzname()
