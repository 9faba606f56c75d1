from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lumetry_core.billing.model import Meter, Spent
from lumetry_core.billing.service.reading import read_totals
from lumetry_core.logs.model import Draft, Receipt
from lumetry_core.logs.service.usage import RefusedPushes, read_usage
from lumetry_core.logs.usage import LogUsage, LogUsageReport, Outcome
from lumetry_core.logs.usage_worker import LogUsageKeeper
from lumetry_core.projects.draft import Draft as ProjectDraft
from lumetry_core.projects.model import Project
from lumetry_core.projects.service import create
from lumetry_core.runtime.caller import Caller, CredentialKind, RateClass
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import Origin
from tests.conftest import FakeClock
from tests.core.billing.counting import draft, put
from tests.core.logs.building import Find, Send, make_entry

DAY = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def read(database: Database, organization_id: int, now: datetime, **asked: Any) -> LogUsageReport:
    wanted = {"begin": None, "end": None, "interval": "", "project": ""} | asked
    async with database.read() as tx:
        return await read_usage(tx, organization_id, now=now, **wanted)


@pytest.fixture
async def second(database: Database, caller: Caller, clock: FakeClock) -> str:
    """Another project, by slug `second`."""
    async with database.write() as tx:
        return (await create(tx, caller, ProjectDraft(name="Second"), clock.now())).id


def entries(*levels: int, **fields: Any) -> list[Draft]:
    return [make_entry(level=level, **fields) for level in levels]


async def test_pushes_are_counted_by_project_level_and_hour(
    database: Database, organization_id: int, project: Project, second: str, send: Send, clock: FakeClock
) -> None:
    """What was answered is what was counted: entries, bytes, levels and requests, of projects and together."""
    receipts = [
        (await send(*entries(1, 2, 2)))[0],
        (await send(*entries(4, 5, project_id="second")))[0],
        (await send(*entries(3), *entries(6, project_id="second", size_bytes=77)))[0],
    ]
    clock.advance(hours=1)
    receipts.append((await send(*entries(2)))[0])
    report = await read(database, organization_id, clock.now(), interval="hour")
    assert report.total == LogUsage((4, 0, 0, 0), sum(receipt.bytes_used for receipt in receipts), (1, 3, 1, 1, 1, 1))
    of_projects = {owner: (usage.entry_count, usage.bytes_used) for owner, usage in report.by_project}
    assert of_projects == {project.id: (5, 50), second: (3, 97)}
    assert [(time, usage.entry_count, usage.bytes_used) for time, usage in report.series] == [
        (clock.now() - HOUR, 7, 137),
        (clock.now(), 1, 10),
    ]
    async with database.read() as tx:
        totals, _ = await read_totals(tx, organization_id, DAY, DAY + 24 * HOUR, None)
    assert [(each.meter, each.quantity) for each in totals[:2]] == [(Meter.LOG_BYTES, 147), (Meter.LOG_ENTRIES, 8)]
    mine = await read(database, organization_id, clock.now(), project="second")
    assert (mine.total.entry_count, mine.total.bytes_used, mine.total.request_count) == (3, 97, 1)


async def test_repeated_push_is_not_counted(database: Database, organization_id: int, send: Send, clock: FakeClock) -> None:
    """A push that repeats another is answered like it and counted nowhere."""
    for _ in range(3):
        await send(*entries(2), idempotency_key="once")
    report = await read(database, organization_id, clock.now())
    assert (report.total.request_count, report.total.entry_count, report.total.bytes_used) == (1, 1, 10)


async def test_faulty_push_stores_and_charges_nothing(database: Database, organization_id: int, send: Send, clock: FakeClock) -> None:
    """A push with a fault is charged with nothing."""
    _, faults = await send(*entries(2), make_entry("x" * 10_241), return_faults=True)
    assert len(faults) == 1
    assert (await read(database, organization_id, clock.now())).total == LogUsage((0,) * 4, 0, (0,) * 6)


async def test_push_that_a_hard_budget_stops(
    database: Database, organization_id: int, project: Project, send: Send, find: Find, clock: FakeClock
) -> None:
    """A push that does not fit is refused whole and counted as refused; what fits goes on, and a repetition gets its answer."""
    [spent] = await put(database, organization_id, clock.now(), draft(Meter.LOG_BYTES, 35, mode="hard"))
    first = await send(*entries(2, 2), idempotency_key="first")
    for _ in range(2):  # that it was refused before makes it no repetition
        with pytest.raises(LumetryError) as raised:
            await send(*entries(2, 2), idempotency_key="second")
        assert (raised.value.reason, raised.value.metadata["meter"]) == (Reason.QUOTA_EXHAUSTED, "log_bytes")
    assert await send(*entries(2), idempotency_key="third") == (Receipt(1, 10), [])
    assert await send(*entries(2, 2), idempotency_key="first") == (Receipt(2, 20, is_repeat=True), [])
    assert first == (Receipt(2, 20), [])
    report = await read(database, organization_id, clock.now())
    assert report.total == LogUsage((2, 0, 0, 2), 30, (0, 3, 0, 0, 0, 0))
    assert report.quotas == [Spent(spent.budget, 30, datetime(2026, 7, 1, tzinfo=UTC))]
    assert len(await find()) == 3


async def test_push_that_the_budget_of_a_project_stops(
    database: Database, organization_id: int, project: Project, second: str, send: Send, clock: FakeClock
) -> None:
    """The budget of one project stops pushes with entries for it, and no others."""
    [spent] = await put(database, organization_id, clock.now(), draft(Meter.LOG_ENTRIES, 1, mode="hard", project_id="second"))
    await send(*entries(2, 2, 2))
    with pytest.raises(LumetryError, match="log_entries"):
        await send(*entries(2), *entries(2, 2, project_id="second"))
    await send(*entries(2, project_id="second"))
    assert [each.used for each in (await read(database, organization_id, clock.now())).quotas] == [1]
    assert (await read(database, organization_id, clock.now(), project=project.id)).quotas == []
    assert [each.budget for each in (await read(database, organization_id, clock.now(), project=second)).quotas] == [spent.budget]


async def test_refused_pushes_are_stored_by_and_by(database: Database, organization_id: int, clock: FakeClock) -> None:
    """Refusals are counted in memory, for the project of a log key, and stored by the keeper."""
    caller = Caller(organization_id, CredentialKind.LOG_KEY, credential_id=1, project_id="p")
    refused = RefusedPushes(database, clock)
    keeper = LogUsageKeeper(database, refused, timedelta(days=400))
    here, there = (Origin("r", None, None, None, family=family) for family in ("logs", "lumetry"))
    for _ in range(2):
        refused.note(caller, Outcome.REJECTED)
    for origin, rate in ((here, RateClass.INGEST), (here, RateClass.GENERAL), (there, RateClass.INGEST)):
        refused.note_limited(origin, rate, caller)
    with pytest.raises(LumetryError), refused.watching(caller):
        raise LumetryError(Reason.STORE_UNAVAILABLE, "no fault of the push")
    await keeper.tick(clock.now())
    await keeper.tick(clock.now())
    assert (await read(database, organization_id, clock.now())).total == LogUsage((0, 2, 1, 0), 0, (0,) * 6)
    await keeper.tick(clock.advance(days=402))
    assert (await read(database, organization_id, DAY)).total == LogUsage((0, 0, 0, 0), 0, (0,) * 6)


async def test_read_usage_of_no_project(database: Database, organization_id: int, clock: FakeClock) -> None:
    """A project that there is not has no usage."""
    with pytest.raises(LumetryError) as raised:
        await read(database, organization_id, clock.now(), project="nowhere")
    assert raised.value.reason is Reason.NOT_FOUND
