from lumetry_core.baselines.service.states import find_built
from lumetry_core.baselines.store.baselines import insert_baseline
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database


async def test_find_built_tells_pairs_apart(database: Database, clock: Clock) -> None:
    """A baseline is one metric's under one profile of one organization; those that nobody asked for are left out."""
    async with database.write() as tx:
        for organization_id, profile_id, metric_id in ((7, 1, 10), (7, 2, 11), (7, 1, 12), (8, 1, 11)):
            await insert_baseline(tx, organization_id, profile_id, metric_id, 0, clock.now())
    async with database.read() as tx:
        assert await find_built(tx, 7, [(1, 10), (1, 11), (2, 11), (2, 12)]) == {(1, 10), (2, 11)}
        assert await find_built(tx, 8, [(1, 11)]) == {(1, 11)}
        assert await find_built(tx, 8, []) == set()
