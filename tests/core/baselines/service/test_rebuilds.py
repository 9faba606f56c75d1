from datetime import UTC, datetime

from lumetry_core.access.service.evaluation_version import read_evaluation_version
from lumetry_core.baselines.model import Rebuild
from lumetry_core.baselines.service.rebuilds import forget_done, list_rebuilds, mark_done, request_rebuild
from lumetry_core.runtime.clock import Clock, to_ms
from lumetry_core.runtime.database import Database

START = datetime(2026, 6, 1, 22, tzinfo=UTC)
END = datetime(2026, 6, 1, 23, tzinfo=UTC)


async def request(database: Database, clock: Clock, organization_id: int = 7, **fields: object) -> None:
    whole = {"profile_id": None, "metric_id": None, "start_time": None, "end_time": None, "include_violations": False}
    async with database.write() as tx:
        await request_rebuild(tx, organization_id, **whole | fields, now=clock.now())  # type: ignore[arg-type]


async def open_for(database: Database, partition: int | None = None, organization_id: int = 7) -> list[int]:
    async with database.read() as tx:
        return [each.id for each in await list_rebuilds(tx, organization_id, partition)]


async def test_request_rebuild_is_listed_whole(database: Database, clock: Clock) -> None:
    """Requests come in their order, each for itself; the evaluation version has moved."""
    await request(database, clock)
    await request(database, clock, profile_id=3, metric_id=5, start_time=START, end_time=END, include_violations=True)
    async with database.read() as tx:
        first, second = await list_rebuilds(tx, 7)
        assert await read_evaluation_version(tx, 7) == 2
        assert await list_rebuilds(tx, 8) == []
        assert await read_evaluation_version(tx, 8) == 0
    assert first == Rebuild(first.id, 7, None, None, None, None, include_violations=False, create_time=clock.now())
    assert second == Rebuild(second.id, 7, 3, 5, to_ms(START), to_ms(END), include_violations=True, create_time=clock.now())
    assert first.id < second.id


async def test_mark_done_is_of_one_partition(database: Database, clock: Clock) -> None:
    """A partition is not asked again for what it has done; others are, and noting it twice does no harm."""
    await request(database, clock)
    await request(database, clock)
    first, second = await open_for(database)
    for _ in range(2):
        async with database.write() as tx:
            await mark_done(tx, 7, first, 0)
    assert (await open_for(database, 0), await open_for(database, 1), await open_for(database)) == (
        [second],
        [first, second],
        [first, second],
    )


async def test_forget_done_waits_for_all_partitions(database: Database, clock: Clock) -> None:
    """A request goes with its progress once every partition has done it; other organizations and later requests stay."""
    await request(database, clock)
    await request(database, clock, organization_id=8)
    [mine], [theirs] = await open_for(database), await open_for(database, organization_id=8)
    async with database.write() as tx:
        await mark_done(tx, 7, mine, 0)
        await mark_done(tx, 8, theirs, 0)
        await mark_done(tx, 8, theirs, 1)
        await forget_done(tx, 7, 2)
    assert (await open_for(database), await open_for(database, organization_id=8)) == ([mine], [theirs])
    async with database.write() as tx:
        await mark_done(tx, 7, mine, 1)
        await forget_done(tx, 7, 2)
    assert (await open_for(database), await open_for(database, organization_id=8)) == ([], [theirs])
    await request(database, clock)
    [again] = await open_for(database)
    assert again > mine
    assert await open_for(database, 0) == [again]
