from dataclasses import replace

import pytest

from lumetry_core.metrics.fleet_contract import NO_FLEET
from lumetry_core.metrics.model import CATALOG_CHANNEL, DataStatus, MetricInfo
from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.service.definitions import remove
from lumetry_core.metrics.service.queries import query_series
from lumetry_core.metrics.settings import Settings
from lumetry_core.metrics.worker import Maintainer, NoteKeeper, Sealer
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.metrics.defining import CALLER, Desk, Process
from tests.core.metrics.feeding import OWNER, Evaluate

MEMBERS = {"metric_mode": "multidimensional", "dimension_keys": ("mount",)}


@pytest.fixture
async def desk(database: Database, clock: FakeClock) -> Desk:
    async with database.write() as tx:
        await inbox.ensure_partitions(tx)
    return Desk(database, clock)


@pytest.fixture
def process(database: Database, clock: FakeClock) -> Process:
    return Process(database, clock)


async def status_of(desk: Desk, key: str) -> tuple[DataStatus, bool] | None:
    """The state of a metric and whether rules can target it."""
    metric = await desk.find(key)
    return None if metric is None else (metric.data_status, metric.is_evaluable)


async def maintain(database: Database, clock: FakeClock, evaluate: Evaluate) -> None:
    await evaluate()
    maintainer = Maintainer(database, OWNER, Settings())
    while await maintainer.tick(clock.now()):
        pass


async def read_points(database: Database, clock: FakeClock, key: str) -> list[tuple[str, float]]:
    async with database.read() as tx:
        found = await query_series(tx, CALLER, key, None, None, dimension_key=None, step=None, now=clock.now())
    return [(found.dimension_keys[member], value) for member, value in zip(found.members.tolist(), found.values.tolist(), strict=True)]


async def is_evaluated(database: Database, metric: MetricInfo) -> bool:
    async with database.read() as tx:
        position = await inbox.read_position(tx, metric.partition)
    return position.committed_offset == position.next_offset


async def test_states_follow_the_points(desk: Desk, process: Process, clock: FakeClock, database: Database, evaluate: Evaluate) -> None:
    """PENDING until the first point, STALE after a day without any, ACTIVE with the next one: before any of them is evaluated."""
    created = await desk.create()
    assert await status_of(desk, "cpu") == (DataStatus.PENDING, False)
    await process.append("cpu", 1.0)
    assert await status_of(desk, "cpu") == (DataStatus.ACTIVE, True)
    assert not await is_evaluated(database, created)
    clock.advance(hours=24)
    await maintain(database, clock, evaluate)
    assert await status_of(desk, "cpu") == (DataStatus.ACTIVE, True)
    clock.advance(minutes=1)
    await maintain(database, clock, evaluate)
    assert await status_of(desk, "cpu") == (DataStatus.STALE, False)
    await process.append("cpu", 2.0)
    assert await status_of(desk, "cpu") == (DataStatus.ACTIVE, True)
    assert not await is_evaluated(database, created)
    found = await desk.find("cpu")
    assert found == replace(created, data_status=DataStatus.ACTIVE, last_ingest_time=clock.now())


async def test_switched_off_metric_is_inactive(
    desk: Desk, process: Process, clock: FakeClock, database: Database, evaluate: Evaluate
) -> None:
    """Whatever its points do; switched on again it is in the state that they made."""
    created = await desk.create(is_active=False)
    assert await status_of(desk, "cpu") == (DataStatus.INACTIVE, False)
    await process.append("cpu", 1.0)
    assert await status_of(desk, "cpu") == (DataStatus.INACTIVE, False)
    await desk.update(created.id, is_active=True)
    assert await status_of(desk, "cpu") == (DataStatus.ACTIVE, True)
    await desk.update(created.id, is_active=False)
    clock.advance(hours=25)
    await maintain(database, clock, evaluate)
    await desk.update(created.id, is_active=True)
    assert await status_of(desk, "cpu") == (DataStatus.STALE, False)


async def test_create_of_a_metric_with_points(desk: Desk, process: Process, clock: FakeClock) -> None:
    """A definition that people removed and write again has its data at once, and its number."""
    await process.append("cpu", 1.0)
    first = await desk.find("cpu")
    assert first is not None
    await desk.remove(first.id)
    again = await desk.create(display_name="Processor")
    assert (again.id, again.data_status, again.catalog_source, again.last_ingest_time) == (
        first.id,
        DataStatus.ACTIVE,
        "manual",
        first.last_ingest_time,
    )
    assert await read_points(desk.database, clock, "cpu") == [("", 1.0)]


@pytest.mark.parametrize("sealed", [False, True])
async def test_point_of_a_known_series_registers_a_removed_metric_anew(
    desk: Desk, process: Process, clock: FakeClock, database: Database, evaluate: Evaluate, *, sealed: bool
) -> None:
    """Its series and points are there again, in the mode of its first series, whatever people had made of it."""
    await process.append("disk", 1.0, **{"host.id": "a"})
    first = await desk.find("disk")
    assert first is not None
    await desk.update(first.id, display_name="Disk", unit="%", entity_type="HOST", metadata='{"a":1}', **MEMBERS)
    if sealed:
        await evaluate()
        await Sealer(database, OWNER, Settings(seal_age_seconds=0)).tick(clock.now())
    await desk.remove(first.id)
    assert await desk.find("disk") is None
    await NoteKeeper(process.registry.forget_notes).tick(clock.now())
    now = clock.advance(seconds=1)
    await process.append("disk", 2.0, **{"host.id": "a"})
    assert await desk.find("disk") == replace(first, create_time=now, update_time=now, last_ingest_time=now)
    assert await read_points(database, clock, "disk") == [("host.id=a", 1.0), ("host.id=a", 2.0)]


async def test_removed_metric_comes_back_within_a_minute_without_being_told(desk: Desk, process: Process, clock: FakeClock) -> None:
    """A process that does not hear of the removal registers the metric when it next notes its points; none of them is lost."""
    await process.append("cpu", 1.0)
    first = await desk.find("cpu")
    assert first is not None
    await desk.remove(first.id)
    clock.advance(seconds=1)
    await process.append("cpu", 2.0)
    assert await desk.find("cpu") is None
    clock.advance(seconds=60)
    await process.append("cpu", 3.0)
    assert await status_of(desk, "cpu") == (DataStatus.ACTIVE, True)
    assert await read_points(desk.database, clock, "cpu") == [("", 1.0), ("", 2.0), ("", 3.0)]


async def test_point_of_a_new_series_registers_a_removed_metric_anew(desk: Desk, process: Process, clock: FakeClock) -> None:
    """Its labels decide the mode; the series of before belong to the metric as well."""
    await process.append("cpu", 1.0)
    first = await desk.find("cpu")
    assert first is not None
    await desk.update(first.id, is_active=False, unit="%")
    await desk.remove(first.id)
    now = clock.advance(seconds=1)
    await process.append("cpu", 2.0, zone="b")
    assert await desk.find("cpu") == replace(
        first, multidimensional=True, dimension_keys=("zone",), create_time=now, update_time=now, last_ingest_time=now
    )
    assert await read_points(desk.database, clock, "cpu") == [("", 1.0), ("zone=b", 2.0)]


async def test_point_registers_a_removed_metric_that_never_had_any(desk: Desk, process: Process, clock: FakeClock) -> None:
    """As any first point does."""
    created = await desk.create(unit="%", **MEMBERS)
    await desk.remove(created.id)
    now = clock.advance(seconds=1)
    await process.append("cpu", 1.0)
    found = await desk.find("cpu")
    assert found is not None
    assert (found.id, found.catalog_source, found.unit, found.multidimensional, found.fleet) == (created.id, "api", "", False, NO_FLEET)
    assert (found.data_status, found.create_time) == (DataStatus.ACTIVE, now)


async def test_remove_of_one_metric_leaves_the_points_of_others_alone(desk: Desk, process: Process, clock: FakeClock) -> None:
    """Only the metric of a point comes back with it, and only in its organization."""
    for key in ("cpu", "load"):
        await process.append(key, 1.0)
    removed = await desk.find("cpu")
    other = await desk.find("load")
    assert removed is not None
    await desk.remove(removed.id)
    process.registry.forget_notes()
    now = clock.advance(seconds=1)
    await process.append("load", 2.0)
    assert await desk.find("cpu") is None
    assert other is not None
    assert await desk.find("load") == replace(other, last_ingest_time=now)


async def test_remove_wakes_whoever_remembers_notes(desk: Desk, process: Process) -> None:
    """At its commit, on the channel that the keeper of notes listens to."""
    await process.append("cpu", 1.0)
    metric = await desk.find("cpu")
    assert metric is not None
    async with desk.database.write() as tx:
        await remove(tx, CALLER, metric.id, desk.profiles.claim, desk.clock.now())
        assert tx.wakes == {CATALOG_CHANNEL}
