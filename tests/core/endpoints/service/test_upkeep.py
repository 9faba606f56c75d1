from datetime import timedelta

import pytest

from lumetry_core.endpoints.model import Filter
from lumetry_core.endpoints.service import reading
from lumetry_core.endpoints.worker import EndpointKeeper
from tests.core.endpoints.world import ORGANIZATION, World


async def test_keeper_drops_old_checks_in_batches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the last thirty days stay; days of uptime are not touched."""
    monkeypatch.setattr("lumetry_core.endpoints.service.upkeep.BATCH", 2)
    created = await world.create()
    await world.check("+++")
    world.clock.advance(days=29)
    await world.check("+")
    world.clock.advance(days=2)
    keeper = EndpointKeeper(world.database, 30)
    rounds = 0
    while await keeper.tick(world.clock.now()):
        rounds += 1
    async with world.database.read() as tx:
        page = await reading.list_checks(tx, ORGANIZATION, created.id, None, 50, 0)
    assert (rounds, page.total) == (1, 1)
    assert (await world.uptime(created))["90d"] == 100.0


async def test_keeper_drops_inactive_endpoints(world: World) -> None:
    """Thirty days after their label or container was gone."""
    [endpoint] = await world.label({"lumetry.endpoint.http": "http://shop.test/"})
    kept = await world.create()
    await world.label({})
    keeper = EndpointKeeper(world.database, 30)
    numbers = []
    for _ in range(2):
        world.clock.advance(days=16)
        assert await keeper.tick(world.clock.now()) is False
        async with world.database.read() as tx:
            numbers.append([each.id for each in await reading.list_endpoints(tx, ORGANIZATION, Filter(includes_inactive=True))])
    assert numbers == [[endpoint.id, kept.id], [kept.id]]
    assert await keeper.tick(world.clock.now() + timedelta(minutes=30)) is False
