import asyncio
from dataclasses import replace

import pytest

from lumetry_core.activity.model import BLOCK_ITEMS, SYSTEM, Actor, ActorType, Draft, Item, ItemFilter, Resource, Severity
from lumetry_core.activity.service import record
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from tests.core.activity.building import ORGANIZATION, make_drafts, read_all, write

ANNA = Actor(ActorType.USER, "anna", "42")
DOWN = Draft(
    kind="monitor",
    action="deleted",
    title="Endpoint deleted: https://shop",
    severity=Severity.INFO,
    project_ids=("p",),
    resource=Resource("endpoint", "3"),
)


async def test_record_writes_whole_items(database: Database, clock: Clock) -> None:
    """Everything of an item is kept; texts are cut and made storable."""
    full = Draft(
        kind="alert",
        action="fired",
        title="t" * 400,
        actor=Actor(ActorType.API_KEY, "bot", "9"),
        summary="s\0" + "s" * 2000,
        severity=Severity.CRITICAL,
        agent_id="agent",
        project_ids=("a", "b"),
        machine="host",
        incident_id=4,
        alert_id=5,
        resource=Resource("endpoint", "12"),
    )
    bare = Draft(kind="topology", action="changed", title="Topology changed")
    await write(database, clock, [full, bare])
    stored = replace(full, title="t" * 300, summary="s\ufffd" + "s" * 998)
    assert await read_all(database, ItemFilter()) == [Item(2, bare, clock.now()), Item(1, stored, clock.now())]


async def test_record_twice_what_is_one(database: Database, clock: Clock) -> None:
    """Of what two tell in one transaction one item comes, in the words of the one who knows who did it, with what the other knows."""
    told = replace(DOWN, title="Endpoint deleted: Shop", actor=ANNA, severity=None, project_ids=())
    for first, second in ((DOWN, told), (told, DOWN)):
        async with database.write() as tx:
            await record(tx, ORGANIZATION, [first], clock.now(), once=True)
            await record(tx, ORGANIZATION, [second], clock.now(), once=True)
    one = replace(told, severity=Severity.INFO, project_ids=("p",))
    assert [item.draft for item in await read_all(database, ItemFilter())] == [one, one]


async def fail_after_recording(database: Database, clock: Clock) -> None:
    async with database.write() as tx:
        await record(tx, ORGANIZATION, make_drafts(3), clock.now())
        _ = 1 / 0


async def test_record_in_a_transaction_that_fails(database: Database, clock: Clock) -> None:
    """Items go with their change: neither they nor their numbers remain of what was rolled back."""
    with pytest.raises(ZeroDivisionError):
        await fail_after_recording(database, clock)
    await write(database, clock, make_drafts(1))
    assert [item.id for item in await read_all(database, ItemFilter())] == [1]


async def test_record_side_by_side(database: Database, clock: Clock) -> None:
    """Transactions that overlap get numbers in a row, without gaps and each its own."""
    await asyncio.gather(*(write(database, clock, make_drafts(7, seed)) for seed in range(20)))
    assert [item.id for item in await read_all(database, ItemFilter(), limit=200)] == list(range(140, 0, -1))


async def test_record_wakes_the_packer(database: Database, clock: Clock) -> None:
    """The packer is woken when a block is full, and not before."""
    woken = []
    for count in (BLOCK_ITEMS - 1, 1, 1):
        async with database.write() as tx:
            await record(tx, ORGANIZATION, [Draft(kind="topology", action="changed", title="x", actor=SYSTEM)] * count, clock.now())
        woken.append("activity" in tx.wakes)
    assert woken == [False, True, False]
