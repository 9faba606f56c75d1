from datetime import timedelta

from sqlalchemy import func, select

from lumetry_core.activity.model import BLOCK_ITEMS, ItemFilter
from lumetry_core.activity.service import packing
from lumetry_core.activity.store.blocks import activity_blocks
from lumetry_core.activity.store.items import activity_items
from lumetry_core.activity.worker import ActivityKeeper, ActivityPacker
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from tests.core.activity.building import ORGANIZATION, make_drafts, pack_all, read_all, write


async def count_rows(database: Database) -> tuple[int, int]:
    """Items and packed blocks."""
    async with database.read() as tx:
        counts = [(await tx.execute(select(func.count()).select_from(table))).scalar_one() for table in (activity_items, activity_blocks)]
    return counts[0], counts[1]


async def test_packer_packs_full_blocks_once(database: Database, clock: Clock) -> None:
    """Full blocks are packed, some at a time; what another process packed meanwhile is left alone."""
    await write(database, clock, make_drafts(6 * BLOCK_ITEMS + 5))
    packer = ActivityPacker(database, pause=0.0)
    assert await packer.tick(clock.now())
    assert await count_rows(database) == (6 * BLOCK_ITEMS + 5, 4)
    async with database.write() as tx:
        assert not await packing.store_blocks(tx, ORGANIZATION, 0, [None])
    assert not await packer.tick(clock.now())
    assert not await packer.tick(clock.now())
    assert await count_rows(database) == (6 * BLOCK_ITEMS + 5, 6)


async def test_keeper_deletes_in_bounded_steps(database: Database, clock: Clock) -> None:
    """Items older than 400 days go, a bounded part at a time, with the blocks of which nothing is left."""
    await write(database, clock, make_drafts(10 * BLOCK_ITEMS))
    clock.advance(days=1)  # type: ignore[attr-defined]
    await write(database, clock, make_drafts(BLOCK_ITEMS))
    await pack_all(database, clock)
    keeper = ActivityKeeper(database)
    later = clock.now() + timedelta(days=399, hours=23)
    assert not await keeper.tick(clock.now())
    assert await keeper.tick(later)
    assert (await count_rows(database))[0] == BLOCK_ITEMS * 11 - packing.DROPPED_AT_ONCE * BLOCK_ITEMS - 1
    while await keeper.tick(later):
        pass
    assert await count_rows(database) == (BLOCK_ITEMS, 1)
    found = await read_all(database, ItemFilter(), limit=200)
    assert [item.id for item in found] == list(range(11 * BLOCK_ITEMS, 10 * BLOCK_ITEMS, -1))
