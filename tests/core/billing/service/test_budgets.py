from datetime import UTC, datetime, timedelta

import pytest

from lumetry_core.billing.model import Meter, Usage
from lumetry_core.billing.service.budgets import Gate, check_budget
from lumetry_core.billing.service.rates import publish_rates
from lumetry_core.projects.service import default_project
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.billing.counting import draft, put, told, use

MONTH_END = datetime(2026, 7, 1, tzinfo=UTC)


async def is_stopped(database: Database, organization_id: int, now: datetime, project_id: str | None = None, **additions: int) -> bool:
    """Whether a hard budget keeps something from being added."""
    try:
        async with database.write() as tx:
            wanted = {Meter(meter): quantity for meter, quantity in additions.items()}
            await check_budget(tx, organization_id, wanted, now, project_id=project_id)
    except LumetryError as error:
        return error.reason is Reason.QUOTA_EXHAUSTED
    return False


async def test_check_budget_without_budgets(database: Database, clock: FakeClock) -> None:
    """Nothing is stopped where nothing was limited."""
    assert not await is_stopped(database, 7, clock.now(), log_bytes=10**15)


async def test_check_budget_that_things_must_fit(database: Database, organization_id: int, clock: FakeClock) -> None:
    """Bytes may use a hard budget up to the last one, and not pass it."""
    await put(database, organization_id, clock.now(), draft(Meter.FILE_BYTES, 100, mode="hard"))
    await use(database, organization_id, clock.now(), Usage(Meter.FILE_BYTES, 60, "p"))
    assert [await is_stopped(database, organization_id, clock.now(), file_bytes=more) for more in (40, 41)] == [False, True]
    await use(database, organization_id, clock.now(), Usage(Meter.FILE_BYTES, -1, "p"))
    assert not await is_stopped(database, organization_id, clock.now(), file_bytes=41)


async def test_check_budget_that_is_used_up(database: Database, organization_id: int, clock: FakeClock) -> None:
    """What needs not fit is stopped once nothing is left."""
    await put(database, organization_id, clock.now(), draft(Meter.METRIC_POINTS, 100, mode="hard"))
    await use(database, organization_id, clock.now(), Usage(Meter.METRIC_POINTS, 99))
    assert not await is_stopped(database, organization_id, clock.now(), metric_points=50)
    await use(database, organization_id, clock.now(), Usage(Meter.METRIC_POINTS, 1))
    assert await is_stopped(database, organization_id, clock.now(), metric_points=1)
    assert not await is_stopped(database, organization_id, clock.now(), session_messages=1)
    assert not await is_stopped(database, organization_id + 1, clock.now(), metric_points=1)


@pytest.mark.parametrize("fields", [{"mode": "soft"}, {"mode": "hard", "is_active": False}])
async def test_check_budget_that_only_tells(database: Database, organization_id: int, clock: FakeClock, fields: dict[str, object]) -> None:
    """Neither a soft budget nor one that is switched off stops anything."""
    await put(database, organization_id, clock.now(), draft(Meter.METRIC_POINTS, 1, **fields))
    await use(database, organization_id, clock.now(), Usage(Meter.METRIC_POINTS, 5))
    assert not await is_stopped(database, organization_id, clock.now(), metric_points=1)


async def test_check_budget_in_the_next_period(database: Database, organization_id: int, clock: FakeClock) -> None:
    """A budget of a day begins anew at midnight in UTC, one of a month on its first day."""
    day, month = draft(Meter.METRIC_POINTS, 1, mode="hard", period="day"), draft(Meter.SESSION_MESSAGES, 1, mode="hard")
    await put(database, organization_id, clock.now(), day, month)
    await use(database, organization_id, clock.now(), Usage(Meter.METRIC_POINTS, 1), Usage(Meter.SESSION_MESSAGES, 1))
    stopped = []
    for now in (datetime(2026, 6, 1, 23, 59, tzinfo=UTC), datetime(2026, 6, 2, tzinfo=UTC), MONTH_END - timedelta(1), MONTH_END):
        points = await is_stopped(database, organization_id, now, metric_points=1)
        stopped.append((points, await is_stopped(database, organization_id, now, session_messages=1)))
    assert stopped == [(True, True), (False, True), (False, True), (False, False)]


async def test_check_budget_of_a_project(database: Database, organization_id: int, clock: FakeClock) -> None:
    """A project's budget looks at what the project uses, and at nobody else."""
    async with database.write() as tx:
        project_id = (await default_project(tx, organization_id, clock.now())).id
    await put(database, organization_id, clock.now(), draft(Meter.FILE_BYTES, 10, mode="hard", project_id="default"))
    await use(database, organization_id, clock.now(), Usage(Meter.FILE_BYTES, 50), Usage(Meter.FILE_BYTES, 10, project_id))
    assert await is_stopped(database, organization_id, clock.now(), project_id, file_bytes=1)
    assert not await is_stopped(database, organization_id, clock.now(), "other", file_bytes=1)
    assert not await is_stopped(database, organization_id, clock.now(), None, file_bytes=1)


async def test_check_budget_of_credits(database: Database, organization_id: int, clock: FakeClock) -> None:
    """What all meters are worth together stops each of them, also one that is worth nothing."""
    async with database.write() as tx:
        await publish_rates(tx, {Meter.LOG_BYTES: 2, Meter.CHECK_RUNS: 10, Meter.LOG_ENTRIES: 0})
    await put(database, organization_id, clock.now(), draft(Meter.CREDITS, 30, mode="hard"))
    await use(database, organization_id, clock.now(), Usage(Meter.LOG_BYTES, 9, "p"), Usage(Meter.CHECK_RUNS, 1))
    assert not await is_stopped(database, organization_id, clock.now(), docs_questions=1)
    await use(database, organization_id, clock.now(), Usage(Meter.LOG_BYTES, 1, "q"))
    assert await is_stopped(database, organization_id, clock.now(), docs_questions=1)


async def test_check_budget_tells_of_the_first_refusal(database: Database, organization_id: int, clock: FakeClock) -> None:
    """The first refusal of a period is told, in the feed and to those who manage the workspace, although its transaction fails."""
    await put(database, organization_id, clock.now(), draft(Meter.SESSION_MESSAGES, 1, mode="hard", period="day"))
    await use(database, organization_id, clock.now(), Usage(Meter.SESSION_MESSAGES, 1))
    for _ in range(2):
        assert await is_stopped(database, organization_id, clock.now(), session_messages=1)
    title = "Budget session_messages is used up"
    assert await told(database, organization_id) == ([("quota_exhausted", "critical", title)], [("billing", "quota_exhausted", title)])
    await use(database, organization_id, clock.advance(days=1), Usage(Meter.SESSION_MESSAGES, 1))
    assert await is_stopped(database, organization_id, clock.now(), session_messages=1)
    assert len((await told(database, organization_id))[0]) == 2


async def test_check_budget_where_only_reading_is_allowed(database: Database, organization_id: int, clock: FakeClock) -> None:
    """A check before an upload is told of as well."""
    await put(database, organization_id, clock.now(), draft(Meter.FILE_BYTES, 1, mode="hard"))
    with pytest.raises(LumetryError, match="file_bytes"):
        async with database.read() as tx:
            await check_budget(tx, organization_id, {Meter.FILE_BYTES: 2}, clock.now())
    assert len((await told(database, organization_id))[0]) == 1


@pytest.mark.parametrize(
    ("period", "now", "seconds", "resets_at"),
    [
        ("month", datetime(2026, 6, 1, tzinfo=UTC), "3600", "2026-07-01T00:00:00Z"),
        ("day", datetime(2026, 6, 1, 23, 59, 30, 500_000, tzinfo=UTC), "30", "2026-06-02T00:00:00Z"),
    ],
)
async def test_check_budget_says_when_to_come_again(
    database: Database, organization_id: int, period: str, now: datetime, seconds: str, resets_at: str
) -> None:
    """Who is refused learns when the period ends, and to ask again within an hour."""
    await put(database, organization_id, now, draft(Meter.METRIC_POINTS, 1, mode="hard", period=period))
    await use(database, organization_id, now, Usage(Meter.METRIC_POINTS, 1))
    with pytest.raises(LumetryError) as raised:
        async with database.read() as tx:
            await check_budget(tx, organization_id, {Meter.METRIC_POINTS: 1}, now)
    assert raised.value.metadata == {"meter": "metric_points", "retry_after_seconds": seconds, "resets_at": resets_at}


async def test_gate_counts_what_it_lets_through(database: Database, organization_id: int, clock: FakeClock) -> None:
    """Of batches that share a commit those go through that still fit; a smaller one may fit after a larger one did not."""
    await put(database, organization_id, clock.now(), draft(Meter.LOG_BYTES, 100, mode="hard"))
    await use(database, organization_id, clock.now(), Usage(Meter.LOG_BYTES, 30))
    async with database.write() as tx:
        passage = await Gate().open(tx, organization_id, [Meter.LOG_BYTES], clock.now())
        refused = [passage.refuse([Usage(Meter.LOG_BYTES, size, "p")]) is not None for size in (50, 21, 20, 1)]
        await passage.tell(tx)
    assert refused == [False, True, False, True]
    assert len((await told(database, organization_id))[0]) == 1


async def test_gate_remembers_budgets_for_a_second(database: Database, organization_id: int, clock: FakeClock) -> None:
    """A new budget holds within a second, and at once where the change is heard of."""
    gates = Gate(), Gate()

    async def refuses(gate: Gate) -> bool:
        async with database.write() as tx:
            passage = await gate.open(tx, organization_id, [Meter.LOG_BYTES], clock.now())
        return passage.refuse([Usage(Meter.LOG_BYTES, 2)]) is not None

    assert [await refuses(gate) for gate in gates] == [False, False]
    await put(database, organization_id, clock.advance(milliseconds=500), draft(Meter.LOG_BYTES, 1, mode="hard"))
    gates[1].forget()
    assert [await refuses(gate) for gate in gates] == [False, True]
    clock.advance(milliseconds=500)
    assert await refuses(gates[0])
