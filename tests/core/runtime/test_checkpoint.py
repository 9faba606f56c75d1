import asyncio
from datetime import UTC, datetime
from pathlib import Path

from lumetry_core.runtime.database import open_database
from lumetry_core.runtime.queue import enqueue

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def size_of(sqlite_url: str) -> int:
    return Path(sqlite_url.removeprefix("sqlite:///")).stat().st_size


async def grown(sqlite_url: str, size: int) -> None:
    while size_of(sqlite_url) < size:  # noqa: ASYNC110 -- a file cannot tell that it has grown
        await asyncio.sleep(0)


async def test_keep_checkpointed_moves_the_log_beside_the_writer(sqlite_url: str) -> None:
    """What was committed reaches the database file while the writer does nothing."""
    database = open_database(sqlite_url)
    before = size_of(sqlite_url)
    task = asyncio.create_task(database.keep_checkpointed())
    try:
        async with database.write() as tx:
            await enqueue(tx, 7, "correlation", [("opened", b"x" * 300_000)], NOW)
        await asyncio.wait_for(grown(sqlite_url, before + 200_000), 20)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await database.close()
