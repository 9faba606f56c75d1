import asyncio
from datetime import UTC, datetime
from pathlib import Path

from lumetry_core.runtime.database import open_database
from lumetry_core.runtime.queue import enqueue

NOW = datetime(2026, 6, 1, tzinfo=UTC)


async def test_keep_checkpointed_moves_the_log_beside_the_writer(sqlite_url: str) -> None:
    """What was committed reaches the database file while the writer does nothing."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    database = open_database(sqlite_url)
    before = path.stat().st_size
    task = asyncio.create_task(database.keep_checkpointed())
    try:
        async with database.write() as tx:
            await enqueue(tx, 7, "correlation", [("opened", b"x" * 300_000)], NOW)
        async with asyncio.timeout(20):
            while path.stat().st_size < before + 300_000:
                await asyncio.sleep(0)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await database.close()
