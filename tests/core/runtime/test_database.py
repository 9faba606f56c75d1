from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from lumetry_core.runtime.database import Database
from lumetry_core.runtime.queue import claim, complete, enqueue, work_items

NOW = datetime(2026, 6, 1, 8, 0, 0, 123000, tzinfo=UTC)


async def test_write_commits_at_the_end_of_the_block(database: Database) -> None:
    """Items enqueued in a transaction are claimed in the next, in order, with exact times."""
    async with database.write() as tx:
        await enqueue(tx, 7, "correlation", [("opened", {"id": 1}), ("closed", {"id": 1})], NOW)
    async with database.write() as tx:
        items = await claim(tx, "correlation")
        assert [(item.organization_id, item.kind, item.payload, item.create_time) for item in items] == [
            (7, "opened", {"id": 1}, NOW),
            (7, "closed", {"id": 1}, NOW),
        ]
        await complete(tx, items)
    async with database.write() as tx:
        assert await claim(tx, "correlation") == []


async def test_write_rolls_back_when_the_block_raises(database: Database) -> None:
    """Nothing of a failed transaction stays."""
    with pytest.raises(ZeroDivisionError):
        async with database.write() as tx:
            await enqueue(tx, 7, "correlation", [("opened", 1)], NOW)
            raise ZeroDivisionError
    async with database.read() as tx:
        assert (await tx.execute(select(work_items))).all() == []
