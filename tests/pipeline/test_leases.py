"""Several processes evaluate one PostgreSQL database without doing anything twice."""

import pytest

from lumetry_core.metrics.model import LeaseLost
from lumetry_core.metrics.service import inbox
from tests.pipeline.plant import Plant

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
"""SQLite serves one process."""
KEYS = [f"load.{number}" for number in range(24)]


async def holders(plant: Plant) -> dict[str, int]:
    """How many partitions each process holds."""
    async with plant.database.read() as tx:
        owners = [position.owner for position in await inbox.read_positions(tx)]
    return {owner: owners.count(owner) for owner in owners if owner is not None}


async def prepare(plant: Plant) -> None:
    for key in KEYS:
        await plant.send(key, (-3600, 1))
        await plant.add_rule(key)


async def tick(plant: Plant, *names: str) -> None:
    """Lets evaluators work in turn until none has anything to do."""
    while any([await plant.evaluator(name).tick(plant.clock.now()) for name in names]):
        pass


async def test_two_evaluators_share_the_partitions(plant: Plant) -> None:
    """Each gets its half within two renewals, and every point is evaluated once."""
    await prepare(plant)
    await plant.run("core-1")
    assert await holders(plant) == {"core-1": 16}
    for _ in range(3):
        await tick(plant, "core-1", "core-2")
        plant.clock.advance(seconds=2)  # type: ignore[attr-defined]
    assert await holders(plant) == {"core-1": 8, "core-2": 8}
    for key in KEYS:
        await plant.send(key, (0, 11), (1, 12))
    await tick(plant, "core-1", "core-2")
    assert [alert.violation_count for alert in await plant.alerts()] == [2] * len(KEYS)
    assert len(await plant.violations()) == 2 * len(KEYS)


async def test_partitions_of_a_dead_process_move(plant: Plant) -> None:
    """What the dead one held goes on elsewhere when its leases have expired; alerts it opened are closed there."""
    await prepare(plant)
    for _ in range(3):
        await tick(plant, "core-1", "core-2")
        plant.clock.advance(seconds=2)  # type: ignore[attr-defined]
    for key in KEYS:
        await plant.send(key, (0, 11))
    await tick(plant, "core-1", "core-2")
    for key in KEYS:
        await plant.send(key, (300, 5))
    await tick(plant, "core-1")
    assert 0 < sum(alert.is_active for alert in await plant.alerts()) < len(KEYS)
    for _ in range(4):
        plant.clock.advance(seconds=2)  # type: ignore[attr-defined]
        await tick(plant, "core-1")
    assert await holders(plant) == {"core-1": 16}
    assert [alert.is_active for alert in await plant.alerts()] == [False] * len(KEYS)


async def test_process_that_lost_its_lease_writes_nothing(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that slept through its lease rolls back when it wakes, and the new holder's effects stand alone."""
    await prepare(plant)
    await plant.run("core-1")
    for key in KEYS:
        await plant.send(key, (0, 11))
    original = inbox.advance
    lost = []

    async def overtaken(*args: object) -> None:
        if not lost:
            lost.append(True)
            raise LeaseLost("another process took the partition")
        await original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(inbox, "advance", overtaken)
    await tick(plant, "core-1")
    assert len(await plant.alerts()) < len(KEYS)
    plant.clock.advance(seconds=2)  # type: ignore[attr-defined]
    await tick(plant, "core-1")
    assert len(await plant.alerts()) == len(await plant.violations()) == len(KEYS)


async def test_stop_gives_the_partitions_back(plant: Plant) -> None:
    """A process that ends leaves no lease to wait for."""
    await prepare(plant)
    await plant.run("core-1")
    await plant.evaluator("core-1").stop()
    await plant.run("core-2")
    assert await holders(plant) == {"core-2": 16}
