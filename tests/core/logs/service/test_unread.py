import pytest
from sqlalchemy import select

from lumetry_core.logs.model import GROUPED, BlocksChanged
from lumetry_core.logs.service.unread import list_unread, mark_read
from lumetry_core.logs.store.blocks import FRESH, NEW, log_blocks
from lumetry_core.runtime.database import Database
from tests.core.logs.building import Find, Send, make_entry


async def levels(database: Database) -> list[int]:
    async with database.read() as tx:
        return list((await tx.execute(select(log_blocks.c.level).order_by(log_blocks.c.id))).scalars())


async def test_blocks_are_read_once_and_in_order(database: Database, send: Send, find: Find, organization_id: int) -> None:
    """A commit brings new blocks, which searches see at once; marked ones are listed no more."""
    for number in range(3):
        await send(make_entry(str(number), number))
    assert len(await find()) == 3
    async with database.read() as tx:
        blocks = await list_unread(tx, organization_id, 2**30)
        (first,) = await list_unread(tx, organization_id, 1)
        assert await list_unread(tx, organization_id + 1, 2**30) == []
    assert [block.id for block in blocks] == sorted(block.id for block in blocks)
    assert (first, await levels(database)) == (blocks[0], [NEW] * 3)
    async with database.write() as tx:
        await mark_read(tx, organization_id, [first.id])
    async with database.read() as tx:
        assert await list_unread(tx, organization_id, 2**30) == blocks[1:]
    assert await levels(database) == [FRESH, NEW, NEW]


async def test_blocks_that_hold_nothing_of_interest_come_empty(database: Database, send: Send, organization_id: int) -> None:
    """They are listed to be marked, without what they hold, and do not count to the limit."""
    for level in (2, 4, 2, 4, 2):
        await send(make_entry(level=level))
    async with database.read() as tx:
        blocks = await list_unread(tx, organization_id, 1, GROUPED)
    assert [(bool(block.payload), bool(block.level_mask & GROUPED)) for block in blocks] == [(False, False), (True, True), (False, False)]


async def test_mark_read_what_another_process_has_read(database: Database, send: Send, organization_id: int) -> None:
    """The slower one's transaction is rolled back whole."""
    await send(make_entry("a"))
    await send(make_entry("b"))
    async with database.read() as tx:
        ids = [block.id for block in await list_unread(tx, organization_id, 2**30)]
    async with database.write() as tx:
        await mark_read(tx, organization_id, ids[:1])
    with pytest.raises(BlocksChanged):
        async with database.write() as tx:
            await mark_read(tx, organization_id, ids)
    assert await levels(database) == [FRESH, NEW]
