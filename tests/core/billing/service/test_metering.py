from contextlib import suppress
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from lumetry_core.billing.model import COUNTED, Meter, Usage
from lumetry_core.billing.service.metering import count, write_counted
from lumetry_core.billing.store.usage import usage_hours, usage_levels
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.billing.counting import use

PROJECTS = (None, "p", "q")
START = datetime(2026, 6, 1, 8, tzinfo=UTC)

Counted = tuple[int, Meter, int, str | None, int]
"""Organization, meter, quantity, project and second."""
Hours = dict[tuple[int, str, datetime, str], int]


async def stored(database: Database) -> Hours:
    async with database.read() as tx:
        rows = await tx.execute(select(usage_hours))
        return {(row.organization_id, row.meter, row.hour, row.project_id): row.quantity for row in rows}


async def levels(database: Database) -> dict[tuple[int, str, str], int]:
    async with database.read() as tx:
        return {(row.organization_id, row.meter, row.project_id): row.quantity for row in await tx.execute(select(usage_levels))}


async def test_count_adds_up(database: Database, clock: FakeClock) -> None:
    """Usage of one hour meets in one row for each organization, meter and project."""
    now = clock.now()
    await use(database, 7, now, Usage(Meter.LOG_BYTES, 5, "p"), Usage(Meter.LOG_BYTES, 6, "p"), Usage(Meter.LOG_BYTES, 1))
    await use(database, 7, now + timedelta(minutes=59), Usage(Meter.LOG_BYTES, 7, "p"))
    await use(database, 7, now + timedelta(minutes=60), Usage(Meter.LOG_BYTES, 8, "p"))
    await use(database, 8, now, Usage(Meter.METRIC_POINTS, 9))
    assert await stored(database) == {
        (7, "log_bytes", now, "p"): 18,
        (7, "log_bytes", now, ""): 1,
        (7, "log_bytes", now + timedelta(hours=1), "p"): 8,
        (8, "metric_points", now, ""): 9,
    }


async def test_count_in_a_transaction_that_fails(database: Database, clock: FakeClock) -> None:
    """What did not take effect is not counted."""
    with suppress(LookupError):
        async with database.write() as tx:
            await count(tx, 7, [Usage(Meter.LOG_BYTES, 5)], clock.now())
            await write_counted(tx)
            await count(tx, 7, [Usage(Meter.LOG_BYTES, 5)], clock.now())
            raise LookupError
    assert await stored(database) == {}


async def test_count_a_gauge(database: Database, clock: FakeClock) -> None:
    """A gauge goes up and down: its hours have changes, its level what is there."""
    await use(database, 7, clock.now(), Usage(Meter.FILE_BYTES, 100, "p"), Usage(Meter.FILE_BYTES, 7))
    await use(database, 7, clock.advance(hours=1), Usage(Meter.FILE_BYTES, -60, "p"))
    assert await stored(database) == {
        (7, "file_bytes", START, "p"): 100,
        (7, "file_bytes", START, ""): 7,
        (7, "file_bytes", START + timedelta(hours=1), "p"): -60,
    }
    assert await levels(database) == {(7, "file_bytes", "p"): 40, (7, "file_bytes", ""): 7}


counted = st.tuples(
    st.integers(7, 8), st.sampled_from(COUNTED), st.integers(0, 10**12), st.sampled_from(PROJECTS), st.integers(0, 3 * 3600 - 1)
)


@given(st.lists(st.lists(counted, max_size=6), max_size=8))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_count_loses_and_doubles_nothing(
    database: Database, transactions: list[list[tuple[int, Meter, int, str | None, int]]]
) -> None:
    """Whatever is counted in whatever transactions, the hours come to exactly that."""
    async with database.write() as tx:
        await tx.execute(usage_hours.delete())
    expected: Hours = {}
    for transaction in transactions:
        async with database.write() as tx:
            for organization_id, meter, quantity, project_id, second in transaction:
                moment = START + timedelta(seconds=second)
                await count(tx, organization_id, [Usage(meter, quantity, project_id)], moment)
                key = (organization_id, meter.value, START + timedelta(hours=second // 3600), project_id or "")
                expected[key] = expected.get(key, 0) + quantity
    assert await stored(database) == {key: quantity for key, quantity in expected.items() if quantity}
