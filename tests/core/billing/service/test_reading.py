from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lumetry_core.billing.model import Meter, Reading, Usage
from lumetry_core.billing.service.rates import publish_rates
from lumetry_core.billing.service.reading import UsageReport, read_overview, read_spend, read_usage
from lumetry_core.projects.draft import Draft
from lumetry_core.projects.service import create, default_project
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.billing.counting import draft, make_caller, put, use

JUNE, JULY = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def read(database: Database, organization_id: int, now: datetime, **asked: Any) -> UsageReport:
    wanted = {"begin": None, "end": None, "interval": "", "meter": "", "project": ""} | asked
    async with database.read() as tx:
        return await read_usage(tx, make_caller(organization_id), now=now, **wanted)


async def make_project(database: Database, organization_id: int, now: datetime) -> str:
    async with database.write() as tx:
        return (await default_project(tx, organization_id, now)).id


async def test_read_usage_by_hour_and_day(database: Database, organization_id: int, clock: FakeClock) -> None:
    """Intervals with usage add up to the totals; the others are left out."""
    project = await make_project(database, organization_id, clock.now())
    now = clock.now()
    await use(database, organization_id, now, Usage(Meter.LOG_BYTES, 10, project), Usage(Meter.LOG_ENTRIES, 1, project))
    await use(database, organization_id, now + HOUR, Usage(Meter.LOG_BYTES, 5, project), Usage(Meter.CHECK_RUNS, 3))
    await use(database, organization_id, now + 30 * HOUR, Usage(Meter.LOG_BYTES, 7))
    async with database.write() as tx:
        await publish_rates(tx, {Meter.LOG_BYTES: 2, Meter.CHECK_RUNS: 1})
    by_hour = await read(database, organization_id, now, interval="hour")
    assert (by_hour.span.begin, by_hour.span.end) == (JUNE, JULY)
    assert list(by_hour.totals) == [
        Reading(Meter.LOG_BYTES, 22, 44),
        Reading(Meter.LOG_ENTRIES, 1, 0),
        Reading(Meter.METRIC_POINTS, 0, 0),
        Reading(Meter.FILE_BYTES, 0, 0),
        Reading(Meter.SESSION_MESSAGES, 0, 0),
        Reading(Meter.DOCS_QUESTIONS, 0, 0),
        Reading(Meter.CHECK_RUNS, 3, 3),
        Reading(Meter.NOTIFICATIONS_SENT, 0, 0),
        Reading(Meter.CREDITS, 47, 47),
    ]
    assert list(by_hour.series) == [
        (now, Reading(Meter.LOG_BYTES, 10, 20)),
        (now, Reading(Meter.LOG_ENTRIES, 1, 0)),
        (now + HOUR, Reading(Meter.CHECK_RUNS, 3, 3)),
        (now + HOUR, Reading(Meter.LOG_BYTES, 5, 10)),
        (now + 30 * HOUR, Reading(Meter.LOG_BYTES, 7, 14)),
    ]
    assert list(by_hour.by_project) == [(project, Meter.LOG_BYTES, 15), (project, Meter.LOG_ENTRIES, 1)]
    by_day = await read(database, organization_id, now, meter="log_bytes")
    assert list(by_day.series) == [
        (JUNE, Reading(Meter.LOG_BYTES, 15, 30)),
        (JUNE + timedelta(days=1), Reading(Meter.LOG_BYTES, 7, 14)),
    ]
    assert list(by_day.totals) == [Reading(Meter.LOG_BYTES, 22, 44)]


async def test_read_usage_of_a_project_and_a_span(database: Database, organization_id: int, clock: FakeClock) -> None:
    """Only what the project used counts, from the hour on in which the span begins and before its end."""
    project, now = await make_project(database, organization_id, clock.now()), clock.now()
    for hours, size in enumerate((1, 10, 100, 1000)):
        await use(database, organization_id, now + hours * HOUR, Usage(Meter.LOG_BYTES, size, project), Usage(Meter.LOG_BYTES, 5))
    begin, end = now + HOUR + timedelta(minutes=30), now + 3 * HOUR
    report = await read(database, organization_id, now, begin=begin, end=end, meter="log_bytes", project="default", interval="hour")
    assert list(report.totals) == [Reading(Meter.LOG_BYTES, 110, 0)]
    assert [(time, each.quantity) for time, each in report.series] == [(now + HOUR, 10), (now + 2 * HOUR, 100)]


async def test_read_usage_does_not_name_private_projects_of_others(database: Database, organization_id: int, clock: FakeClock) -> None:
    """What they used counts in all, and is named to their owner only."""
    owner = make_caller(organization_id)
    async with database.write() as tx:
        project = await create(tx, owner, Draft(name="Secret", visibility="private"), clock.now())
    await use(database, organization_id, clock.now(), Usage(Meter.LOG_BYTES, 10, project.id))
    asked: dict[str, Any] = {"begin": None, "end": None, "interval": "", "meter": "log_bytes", "project": "", "now": clock.now()}
    async with database.read() as tx:
        seen = await read_usage(tx, owner, **asked)
        seen_by_other = await read_usage(tx, replace(owner, user_id=2), **asked)
    assert list(seen.by_project) == [(project.id, Meter.LOG_BYTES, 10)]
    assert (list(seen_by_other.totals), list(seen_by_other.by_project)) == ([Reading(Meter.LOG_BYTES, 10, 0)], [])


async def test_read_usage_of_credits(database: Database, organization_id: int, clock: FakeClock) -> None:
    """What all meters are worth together is told like a meter when it is asked for."""
    now = clock.now()
    async with database.write() as tx:
        await publish_rates(tx, {Meter.LOG_BYTES: 2, Meter.FILE_BYTES: 3})
    await use(database, organization_id, now, Usage(Meter.LOG_BYTES, 10), Usage(Meter.FILE_BYTES, 5))
    await use(database, organization_id, now + 24 * HOUR, Usage(Meter.FILE_BYTES, -5))
    report = await read(database, organization_id, now, meter="credits")
    assert list(report.totals) == [Reading(Meter.CREDITS, 20, 20)]
    assert list(report.series) == [
        (JUNE, Reading(Meter.CREDITS, 35, 35)),
        (JUNE + timedelta(days=1), Reading(Meter.CREDITS, -15, -15)),
    ]


async def test_read_usage_of_a_gauge(database: Database, organization_id: int, clock: FakeClock) -> None:
    """A gauge reads what was there at the end of an interval, and is worth what it rose by."""
    async with database.write() as tx:
        await publish_rates(tx, {Meter.FILE_BYTES: 1})
    now = clock.now()
    for hours, change in ((-24, 1000), (0, 100), (1, -30), (26, 5)):
        await use(database, organization_id, now + hours * HOUR, Usage(Meter.FILE_BYTES, change))
    report = await read(database, organization_id, now, meter="file_bytes", end=JUNE + timedelta(days=2))
    assert list(report.totals) == [Reading(Meter.FILE_BYTES, 1075, 75)]
    assert list(report.series) == [
        (JUNE, Reading(Meter.FILE_BYTES, 1070, 70)),
        (JUNE + timedelta(days=1), Reading(Meter.FILE_BYTES, 1075, 5)),
    ]
    earlier = await read(database, organization_id, now, meter="file_bytes", begin=JUNE - timedelta(days=1), end=JUNE)
    assert list(earlier.totals) == [Reading(Meter.FILE_BYTES, 1000, 1000)]


@pytest.mark.parametrize(
    ("asked", "reason", "faults"),
    [
        ({"interval": "week"}, Reason.VALIDATION_FAILED, [Fault("interval", "must be hour or day")]),
        ({"begin": JULY, "end": JUNE}, Reason.OUT_OF_RANGE, [Fault("from", "must not be after to")]),
        (
            {"begin": JUNE, "end": JUNE + timedelta(days=31, seconds=1), "interval": "hour"},
            Reason.OUT_OF_RANGE,
            [Fault("from", "must be at most 31 days before to")],
        ),
        ({"begin": JUNE, "end": JUNE + timedelta(days=401)}, Reason.OUT_OF_RANGE, [Fault("from", "must be at most 400 days before to")]),
        ({"project": "nowhere"}, Reason.NOT_FOUND, []),
    ],
)
async def test_read_usage_refuses(
    database: Database, organization_id: int, clock: FakeClock, asked: dict[str, Any], reason: Reason, faults: list[Fault]
) -> None:
    """What is asked for must make sense."""
    with pytest.raises(LumetryError) as raised:
        await read(database, organization_id, clock.now(), **asked)
    assert (raised.value.reason, list(raised.value.faults)) == (reason, faults)


async def test_read_overview(database: Database, organization_id: int, clock: FakeClock) -> None:
    """The running month, and how many budgets have nothing left."""
    now = clock.now()
    await use(database, organization_id, JUNE - HOUR, Usage(Meter.LOG_BYTES, 1))
    await use(database, organization_id, now, Usage(Meter.LOG_BYTES, 2))
    await put(database, organization_id, now, draft(Meter.LOG_BYTES, 2), draft(Meter.LOG_BYTES, 3))
    async with database.read() as tx:
        overview = await read_overview(tx, organization_id, now)
    assert (overview.begin, overview.end, overview.budget_count, overview.exceeded_count) == (JUNE, JULY, 2, 1)
    assert overview.readings[0] == Reading(Meter.LOG_BYTES, 2, 0)


async def test_read_spend(database: Database, organization_id: int, clock: FakeClock) -> None:
    """What the month of a project is worth."""
    async with database.write() as tx:
        await publish_rates(tx, {Meter.LOG_BYTES: 2})
    await use(database, organization_id, clock.now(), Usage(Meter.LOG_BYTES, 4, "p"), Usage(Meter.LOG_BYTES, 9))
    async with database.read() as tx:
        assert await read_spend(tx, organization_id, "p", clock.now()) == 8
