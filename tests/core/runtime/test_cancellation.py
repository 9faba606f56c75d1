import asyncio
import threading

import pytest
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


@pytest.mark.parametrize("turns", [3, 20, 100, 500])
def test_close_waits_for_connections_that_were_given_up(turns: int, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement, or a connection being made, that nobody waits for any more ends while there is still a loop to tell."""
    failures: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    threads = set(threading.enumerate())

    async def cancel_and_close() -> None:
        database = open_database(sqlite_url)

        async def read() -> None:
            async with database.read() as tx:
                await tx.execute(text("SELECT 1"))
                await tx.execute(ENDLESS)

        task = asyncio.create_task(read())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await database.close()

    asyncio.run(cancel_and_close())
    for thread in set(threading.enumerate()) - threads:
        thread.join(20)
    assert failures == []
