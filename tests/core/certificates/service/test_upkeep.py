from sqlalchemy import select

from lumetry_core.access.store.organizations import organizations
from lumetry_core.certificates.model import Observation
from lumetry_core.certificates.service import upkeep
from lumetry_core.certificates.store.checks import certificate_chain_entries, certificate_checks
from tests.conftest import FakeClock
from tests.core.certificates.building import World, present


async def test_drop_old_checks(world: World, clock: FakeClock) -> None:
    """Checks older than 30 days go with their chains, in portions; the latest of a monitor stays, however old."""
    monitor = await world.create()
    for _ in range(6):
        monitor = await world.look(monitor, present())
    clock.advance(days=31)
    upkeep.DROPPED_AT_ONCE, before = 2, upkeep.DROPPED_AT_ONCE
    try:
        more = []
        for _ in range(4):
            async with world.database.write() as tx:
                more.append(await upkeep.drop_old(tx, 7, 30, clock.now()))
    finally:
        upkeep.DROPPED_AT_ONCE = before
    assert more == [True, True, False, False]
    [left] = await world.checks(monitor.id)
    assert left.id == monitor.latest_check_id
    async with world.database.read() as tx:
        assert set((await tx.execute(select(certificate_chain_entries.c.check_id))).scalars()) == {left.id}
        assert set((await tx.execute(select(certificate_checks.c.id))).scalars()) == {left.id}


async def test_drop_abandoned_monitors(world: World, clock: FakeClock) -> None:
    """A monitor that no HTTPS check has refreshed for 30 days goes with its alerts; one of a person stays."""
    async with world.database.write() as tx:
        await tx.execute(organizations.insert(), {"id": 7, "name": "Acme", "name_key": "acme", "slug": "acme", "create_time": clock.now()})
    await world.observe(Observation(3, "a.example", 443, present(days=5, name="a.example")))
    await world.create("b.example")
    clock.advance(days=29)
    await world.work()
    assert len(await world.monitors()) == 2
    clock.advance(days=2)
    await world.work()
    assert [each.hostname for each in await world.monitors()] == ["b.example"]
    assert await world.active() == []
