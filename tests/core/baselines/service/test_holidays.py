from dataclasses import replace
from datetime import UTC, date, datetime

from sqlalchemy import select

from lumetry_core.access.store.audit import audit_logs
from lumetry_core.baselines.calendars import Calendar, read_calendar
from lumetry_core.baselines.drafts import CalendarDraft, ExclusionDraft, ProfileDraft
from lumetry_core.baselines.model import Exclusion, ExclusionKind, Rebuild
from lumetry_core.baselines.service.exclusions import create_exclusion, exclusions_of
from lumetry_core.baselines.service.holidays import import_public_holidays
from lumetry_core.baselines.service.profiles import create_profile
from lumetry_core.baselines.service.rebuilds import list_rebuilds
from lumetry_core.runtime.clock import Clock, to_ms
from lumetry_core.runtime.database import Database
from tests.core.baselines.building import CALLER, OTHER

HOLIDAY = ExclusionKind.PUBLIC_HOLIDAY


async def take_over(database: Database, clock: Clock, calendar: Calendar) -> list[Exclusion]:
    async with database.write() as tx:
        return await import_public_holidays(tx, CALLER, calendar, clock.now())


def calendar(*days: date, time_zone: str | None = "Europe/Berlin") -> Calendar:
    return Calendar(tuple((day, f"Day {day.day}") for day in days), time_zone)


async def test_import_adds_whole_local_days(database: Database, clock: Clock) -> None:
    """Days are those of the time zone, the ones of 23 and 25 hours too, for all metrics; their author is who asked."""
    added = await take_over(database, clock, calendar(date(2026, 3, 29), date(2026, 10, 25), date(2026, 12, 25)))
    spans = [
        (datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC), "Day 29"),
        (datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC), "Day 25"),
        (datetime(2026, 12, 24, 23, tzinfo=UTC), datetime(2026, 12, 25, 23, tzinfo=UTC), "Day 25"),
    ]
    assert [replace(holiday, id=0) for holiday in added] == [
        Exclusion(0, 7, HOLIDAY, None, start, end, reason, CALLER.user_id, clock.now()) for start, end, reason in spans
    ]
    async with database.read() as tx:
        assert await exclusions_of(tx, 7) == added
        rows = (await tx.execute(select(audit_logs))).all()
    assert [(row.action, row.actor_user_id) for row in rows] == [("PublicHoliday.Created", 42)] * 3


async def test_import_repeated_adds_nothing(database: Database, clock: Clock) -> None:
    """Neither days that are there, whoever added them, nor requests come twice; a wider calendar adds what is new."""
    start, end = datetime(2026, 4, 30, 22, tzinfo=UTC), datetime(2026, 5, 1, 22, tzinfo=UTC)
    async with database.write() as tx:
        by_hand = await create_exclusion(
            tx, CALLER, HOLIDAY, ExclusionDraft(start_time=start, end_time=end, reason="Labour Day"), clock.now()
        )
        await create_exclusion(tx, OTHER, HOLIDAY, ExclusionDraft(start_time=start, end_time=end, reason="Elsewhere"), clock.now())
    first = await take_over(database, clock, calendar(date(2026, 1, 1), date(2026, 5, 1)))
    assert [holiday.reason for holiday in first] == ["Day 1"]
    async with database.read() as tx:
        before = await list_rebuilds(tx, 7)
    assert await take_over(database, clock, calendar(date(2026, 1, 1), date(2026, 5, 1))) == []
    wider = await take_over(database, clock, calendar(date(2026, 1, 1), date(2026, 1, 6), date(2026, 5, 1)))
    async with database.read() as tx:
        assert await exclusions_of(tx, 7) == [*first, *wider, by_hand]
        assert len(await list_rebuilds(tx, 7)) == len(before) + 1


async def test_import_leaves_out_days_that_a_zone_skipped(database: Database, clock: Clock) -> None:
    """A day without a moment is no period."""
    assert await take_over(database, clock, calendar(date(2011, 12, 30), time_zone="Pacific/Apia")) == []


async def test_import_has_past_days_learned_again_at_once(database: Database, clock: Clock) -> None:
    """One request spans what has begun; coming days need none."""
    await take_over(database, clock, calendar(date(2026, 1, 1), date(2026, 5, 1), date(2026, 10, 3)))
    await take_over(database, clock, calendar(date(2026, 12, 25)))
    async with database.read() as tx:
        [request] = await list_rebuilds(tx, 7)
    start, end = to_ms(datetime(2025, 12, 31, 23, tzinfo=UTC)), to_ms(datetime(2026, 5, 1, 22, tzinfo=UTC))
    assert request == Rebuild(request.id, 7, None, None, start, end, include_violations=False, create_time=clock.now())


async def test_import_without_a_zone_takes_that_of_the_default_profile(database: Database, clock: Clock) -> None:
    """The weeks that are learned by default decide what a day is; UTC until somebody says otherwise."""
    [utc] = await take_over(database, clock, calendar(date(2026, 7, 4), time_zone=None))
    async with database.write() as tx:
        await create_profile(tx, CALLER, ProfileDraft(name="US", time_zone="America/New_York", is_default=True), clock.now())
    [eastern] = await take_over(database, clock, calendar(date(2026, 7, 4), time_zone=None))
    assert (utc.start_time, eastern.start_time) == (datetime(2026, 7, 4, tzinfo=UTC), datetime(2026, 7, 4, 4, tzinfo=UTC))


async def test_import_takes_the_calendars_of_the_package(database: Database, clock: Clock) -> None:
    """A country's year becomes its holidays."""
    found = read_calendar(CalendarDraft(country="DE", subdivision="BY", years=(2026,), time_zone="Europe/Berlin"))
    added = await take_over(database, clock, found)
    assert [holiday.reason for holiday in added] == [name for _, name in found.days]
    assert added[0].start_time == datetime(2025, 12, 31, 23, tzinfo=UTC)
