from datetime import timedelta

import pytest
from sqlalchemy import select

from lumetry_core.access.service.settings import update_settings
from lumetry_core.access.settings import OrganizationSettings, SettingsChange
from lumetry_core.metrics.model import DAY_MS, DataStatus
from lumetry_core.metrics.rollup import FIVE_MINUTES, HOUR, RAW
from lumetry_core.metrics.service import inbox, upkeep
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.metrics.service.queries import query_series
from lumetry_core.metrics.settings import Settings
from lumetry_core.metrics.store.segments import point_segments
from lumetry_core.metrics.worker import Maintainer, Sealer
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.metrics.feeding import ORGANIZATION, OWNER, Evaluate, Send, make_caller


async def seal(database: Database, clock: FakeClock, evaluate: Evaluate) -> None:
    await evaluate()
    await Sealer(database, OWNER, Settings(seal_age_seconds=0)).tick(clock.now())


async def maintain(database: Database, clock: FakeClock, settings: Settings = Settings()) -> None:  # noqa: B008 -- frozen
    maintainer = Maintainer(database, OWNER, settings)
    while await maintainer.tick(clock.now()):
        pass


async def list_segments(database: Database) -> list[tuple[int, int, int, int]]:
    columns = point_segments.c
    async with database.read() as tx:
        rows = await tx.execute(select(columns.resolution, columns.day, columns.level, columns.point_count).order_by(columns.id))
        return [tuple(row) for row in rows]  # type: ignore[misc]


async def read_values(database: Database, clock: FakeClock, *, days: float = 500, step: int | None = None) -> list[tuple[float, float]]:
    async with database.read() as tx:
        found = await query_series(
            tx,
            make_caller(),
            "m",
            clock.now() - timedelta(days=days),
            clock.now(),
            dimension_key=None,
            step=None if step is None else timedelta(seconds=step),
            now=clock.now(),
        )
    return list(zip(found.times_ms.tolist(), found.values.tolist(), strict=True))


async def test_tick_merges_runs_of_small_segments(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """Eight segments of one level become one of the next; the last accepted value still wins."""
    today = to_ms(clock.now()) // DAY_MS
    for number in range(8):
        await send(("m", {}, 0, float(number)), ("m", {}, -number, 50.0 + number))
        await seal(database, clock, evaluate)
    await send(("m", {}, -1, 99.0))
    before = await read_values(database, clock)
    await maintain(database, clock)
    assert await list_segments(database) == [(RAW, today, 1, 8)]
    assert await read_values(database, clock) == before
    await seal(database, clock, evaluate)
    assert await read_values(database, clock) == before
    assert dict(before)[to_ms(clock.now()) - 1000] == 99.0


async def test_tick_closes_past_days(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """An hour after midnight a day's segments become one, once an hour."""
    for number in range(3):
        await send(("m", {}, number, float(number)))
        await seal(database, clock, evaluate)
    clock.advance(hours=16, minutes=59)
    await maintain(database, clock)
    assert len(await list_segments(database)) == 3
    clock.advance(minutes=1)
    await maintain(database, clock)
    assert [segment[2:] for segment in await list_segments(database)] == [(upkeep.CLOSED_LEVEL, 3)]


async def test_tick_rolls_old_days_up(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """After 35 days means per five minutes remain, after 90 per hour, after 400 nothing."""
    start = to_ms(clock.now())
    day = start // DAY_MS
    await send(*[("m", {}, minute * 60, float(minute)) for minute in range(-59, 1)])
    await seal(database, clock, evaluate)
    clock.advance(days=35)
    await maintain(database, clock)
    assert await list_segments(database) == [(RAW, day, 0, 60)]
    clock.advance(days=1)
    await maintain(database, clock)
    assert [segment[0] for segment in await list_segments(database)] == [FIVE_MINUTES]
    by_five = await read_values(database, clock)
    assert by_five[:2] == [(start - 3_600_000, -57.5), (start - 3_300_000, -53.0)]
    assert sum(value for _, value in by_five[1:-1]) == sum(range(-55, 0)) / 5
    clock.advance(days=55)
    await maintain(database, clock)
    assert [segment[0] for segment in await list_segments(database)] == [HOUR]
    assert await read_values(database, clock) == [(start - 3_600_000, sum(range(-59, 0)) / 59), (start, 0.0)]
    assert await read_values(database, clock, step=86_400) == [(day * DAY_MS, sum(range(-59, 1)) / 60)]
    clock.advance(days=310)
    await maintain(database, clock)
    assert await list_segments(database) == []


async def test_tick_adds_late_points_to_roll_ups(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """A point for a day that was rolled up joins its bucket."""
    old = -40 * 86_400
    for value in (1.0, 5.0):
        await send(("m", {}, old + value, value))
        await seal(database, clock, evaluate)
        await maintain(database, clock)
    assert [segment[0] for segment in await list_segments(database)] == [FIVE_MINUTES]
    assert [value for _, value in await read_values(database, clock)] == [3.0]


async def test_tick_is_left_to_the_holder_of_the_first_partition(
    database: Database, clock: FakeClock, send: Send, evaluate: Evaluate
) -> None:
    """Another process does nothing."""
    await send(("m", {}, -40 * 86_400, 1.0))
    await seal(database, clock, evaluate)
    assert await Maintainer(database, "core-2", Settings()).tick(clock.now()) is False
    assert [segment[0] for segment in await list_segments(database)] == [RAW]


async def test_replace_segments_fails_when_a_source_is_gone(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """Two processes that merge the same segments never double a point."""
    await send(("m", {}, -40 * 86_400, 1.0))
    await seal(database, clock, evaluate)
    async with database.read() as tx:
        (work,) = await upkeep.find_rollups(tx, ORGANIZATION, Settings(), clock.now(), 10)
    merged = upkeep.merge(work)
    async with database.write() as tx:
        await upkeep.replace_segments(tx, merged)
    with pytest.raises(upkeep.SegmentsChanged):
        async with database.write() as tx:
            await upkeep.replace_segments(tx, merged)
    assert len(await list_segments(database)) == 1


async def test_tick_marks_stale_metrics_and_drops_receipts(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """A metric is stale, and a receipt forgotten, after more than 24 hours."""
    receipt = await send(("m", {}, 0, 1.0))
    await seal(database, clock, evaluate)
    seen = []
    for span in (timedelta(hours=24), timedelta(milliseconds=1)):
        clock.advance(seconds=span.total_seconds())
        await maintain(database, clock)
        async with database.read() as tx:
            metric = (await find_metrics(tx, ORGANIZATION, ["m"]))["m"]
            seen.append((metric.data_status, metric.is_evaluable, await inbox.find_job(tx, ORGANIZATION, receipt.job_ids[0]) is None))
    assert seen == [(DataStatus.ACTIVE, True, False), (DataStatus.STALE, False, True)]


async def test_tick_marks_stale_metrics_as_their_organization_wants(
    database: Database, clock: FakeClock, send: Send, evaluate: Evaluate
) -> None:
    """An organization's own setting counts more than the deployment's."""
    await send(("m", {}, 0, 1.0))
    await evaluate()
    async with database.write() as tx:
        change = SettingsChange({"catalog_stale_after_hours": 2})
        await update_settings(tx, system_caller(ORGANIZATION), change, OrganizationSettings(), clock.now())
    seen = []
    for span in (timedelta(hours=2), timedelta(milliseconds=1)):
        clock.advance(seconds=span.total_seconds())
        await maintain(database, clock, Settings(stale_after_hours=720))
        async with database.read() as tx:
            seen.append((await find_metrics(tx, ORGANIZATION, ["m"]))["m"].data_status)
    assert seen == [DataStatus.ACTIVE, DataStatus.STALE]


async def test_tick_drops_the_oldest_days_above_the_cap(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """The newest day stays when it fits."""
    for day in range(3):
        await send(("m", {}, -day * 86_400, float(day)))
    await seal(database, clock, evaluate)
    async with database.read() as tx:
        sizes = (await tx.execute(select(point_segments.c.byte_count))).scalars().all()
    await maintain(database, clock, Settings(max_point_bytes=max(sizes)))
    assert [value for _, value in await read_values(database, clock)] == [0.0]
