import asyncio

from sqlalchemy import text

from lumetry_core.runtime.database import open_database

ENDLESS = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT count(*) FROM n")


async def test_read_that_is_cancelled_twice_leaves_nothing_behind(sqlite_url: str) -> None:
    """A caller that goes away during a statement, and again while its connection is given up, blocks neither readers nor the end."""
    database = open_database(sqlite_url)

    async def read() -> None:
        async with database.read() as tx:
            await tx.execute(ENDLESS)

    others = asyncio.all_tasks()
    for _ in range(6):
        task = asyncio.create_task(read())
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=20)
        assert task.done()
    async with asyncio.timeout(20):
        async with database.read() as tx:
            assert (await tx.execute(text("SELECT 1"))).scalar_one() == 1
        left = asyncio.all_tasks() - others
        await asyncio.gather(*left, return_exceptions=True)
    await database.close()
