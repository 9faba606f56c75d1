from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from lumetry_core.billing.model import LedgerEntry, Meter, Usage
from lumetry_core.billing.service.rates import publish_rates
from lumetry_core.billing.service.reading import list_ledger
from lumetry_core.billing.store.usage import usage_hours
from lumetry_core.billing.worker import BudgetTeller, LedgerKeeper
from lumetry_core.projects.draft import Draft
from lumetry_core.projects.service import create
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.billing.counting import draft, make_caller, put, told, use

KEPT = timedelta(days=400)
HOUR = timedelta(hours=1)


async def ledger(database: Database, organization_id: int, **asked: Any) -> tuple[list[LedgerEntry], str]:
    wanted = {"meter": "", "begin": None, "end": None, "limit": None, "cursor": ""} | asked
    async with database.read() as tx:
        return await list_ledger(tx, make_caller(organization_id), **wanted)


async def test_teller_tells_each_threshold_once_in_a_period(database: Database, organization_id: int, clock: FakeClock) -> None:
    """Passing a share is told once; the next period tells anew."""
    teller = BudgetTeller(database)
    await put(database, organization_id, clock.now(), draft(Meter.LOG_BYTES, 100, period="day", thresholds=(100, 50)))
    await use(database, organization_id, clock.now(), Usage(Meter.LOG_BYTES, 49))
    await teller.tick(clock.now())
    assert await told(database, organization_id) == ([], [])
    half = "50 % of budget log_bytes is used"
    for size, count in ((1, 1), (10, 1), (40, 2)):
        await use(database, organization_id, clock.now(), Usage(Meter.LOG_BYTES, size))
        await teller.tick(clock.now())
        assert len((await told(database, organization_id))[0]) == count
    notices, items = await told(database, organization_id)
    assert notices[0] == ("budget_threshold", "warning", half)
    assert items[0] == ("billing", "budget_threshold", half)
    await use(database, organization_id, clock.advance(days=1), Usage(Meter.LOG_BYTES, 50))
    await BudgetTeller(database).tick(clock.now())
    assert len((await told(database, organization_id))[0]) == 3


async def test_teller_of_a_gauge(database: Database, organization_id: int, clock: FakeClock) -> None:
    """A gauge that has fallen below a share tells anew when it rises above it again."""
    teller = BudgetTeller(database)
    await put(database, organization_id, clock.now(), draft(Meter.FILE_BYTES, 100, thresholds=(80,)))
    counts = []
    for change in (80, 5, -10, 10):
        await use(database, organization_id, clock.advance(hours=30), Usage(Meter.FILE_BYTES, change))
        await teller.tick(clock.now())
        counts.append(len((await told(database, organization_id))[0]))
    assert counts == [1, 1, 1, 2]


async def test_teller_leaves_inactive_budgets_alone(database: Database, organization_id: int, clock: FakeClock) -> None:
    """A budget that is switched off tells nothing."""
    await put(database, organization_id, clock.now(), draft(Meter.LOG_BYTES, 1, is_active=False))
    await use(database, organization_id, clock.now(), Usage(Meter.LOG_BYTES, 5))
    await BudgetTeller(database).tick(clock.now())
    assert await told(database, organization_id) == ([], [])


async def test_keeper_enters_each_closed_hour_once(database: Database, organization_id: int, clock: FakeClock) -> None:
    """Hours are entered a little after their end, each once, at the rates of then, and never change."""
    keeper, begin = LedgerKeeper(database, KEPT), clock.now()
    async with database.write() as tx:
        await publish_rates(tx, {Meter.LOG_BYTES: 2})
    await use(database, organization_id, begin, Usage(Meter.LOG_BYTES, 5, "p"), Usage(Meter.FILE_BYTES, -3))
    await keeper.tick(clock.advance(minutes=64, seconds=59))
    assert await ledger(database, organization_id) == ([], "")
    await keeper.tick(clock.advance(seconds=1))
    entered = await ledger(database, organization_id)
    bytes_used = LedgerEntry(entered[0][0].id, Meter.LOG_BYTES, "p", begin, 5, 10, clock.now())
    files = LedgerEntry(entered[0][1].id, Meter.FILE_BYTES, None, begin, -3, 0, clock.now())
    assert entered == ([bytes_used, files], "")
    async with database.write() as tx:
        await publish_rates(tx, {Meter.LOG_BYTES: 7})
    await keeper.tick(clock.advance(hours=1))
    await LedgerKeeper(database, KEPT).tick(clock.now())
    assert await ledger(database, organization_id) == entered


async def test_ledger_by_pages_and_filters(database: Database, organization_id: int, clock: FakeClock) -> None:
    """Pages go from the newest hour back, repeat and skip nothing, and belong to their filters."""
    begin = clock.now()
    for hours in range(5):
        usages = [Usage(Meter.LOG_BYTES, hours + 1, project) for project in ("p", "q")]
        await use(database, organization_id, begin + hours * HOUR, *usages, Usage(Meter.LOG_ENTRIES, 1))
    keeper = LedgerKeeper(database, KEPT)
    await keeper.tick(begin + 4 * HOUR)
    first, cursor = await ledger(database, organization_id, meter="log_bytes", limit=3)
    await keeper.tick(begin + 10 * HOUR)
    seen = list(first)
    while cursor:
        page, cursor = await ledger(database, organization_id, meter="log_bytes", limit=3, cursor=cursor)
        seen += page
    assert [(entry.hour, entry.project_id) for entry in seen] == [
        (begin + hours * HOUR, project) for hours in (2, 1, 0) for project in ("q", "p")
    ]
    span, _ = await ledger(database, organization_id, meter="log_entries", begin=begin + HOUR, end=begin + 3 * HOUR)
    assert [entry.hour for entry in span] == [begin + 2 * HOUR, begin + HOUR]
    _, cursor = await ledger(database, organization_id, limit=1)
    with pytest.raises(LumetryError) as raised:
        await ledger(database, organization_id, meter="log_bytes", cursor=cursor)
    assert raised.value.reason is Reason.VALIDATION_FAILED
    assert await ledger(database, organization_id + 1) == ([], "")


async def test_ledger_does_not_name_private_projects_of_others(database: Database, organization_id: int, clock: FakeClock) -> None:
    """Their entries are there for everybody, their project for its owner only."""
    owner, begin = make_caller(organization_id), clock.now()
    async with database.write() as tx:
        project = await create(tx, owner, Draft(name="Secret", visibility="private"), begin)
    await use(database, organization_id, begin, Usage(Meter.LOG_BYTES, 5, project.id))
    await LedgerKeeper(database, KEPT).tick(begin + 2 * HOUR)
    asked: dict[str, Any] = {"meter": "", "begin": None, "end": None, "limit": None, "cursor": ""}
    async with database.read() as tx:
        [entry], _ = await list_ledger(tx, owner, **asked)
        [seen_by_other], _ = await list_ledger(tx, replace(owner, user_id=2), **asked)
    assert (entry.project_id, seen_by_other) == (project.id, replace(entry, project_id=None))


async def test_keeper_drops_what_is_old(database: Database, organization_id: int, clock: FakeClock) -> None:
    """After 400 days hours and entries go; what a gauge reads stays."""
    await use(database, organization_id, clock.now(), Usage(Meter.LOG_BYTES, 1), Usage(Meter.FILE_BYTES, 9))
    keeper = LedgerKeeper(database, KEPT)
    await keeper.tick(clock.advance(hours=2))
    await keeper.tick(datetime(2026, 6, 1, 8, tzinfo=UTC) + KEPT)
    assert len((await ledger(database, organization_id))[0]) == 2
    await keeper.tick(clock.advance(days=401))
    assert await ledger(database, organization_id) == ([], "")
    async with database.read() as tx:
        assert (await tx.execute(select(usage_hours))).all() == []
    [files] = await put(database, organization_id, clock.now(), draft(Meter.FILE_BYTES, 10))
    assert files.used == 9
