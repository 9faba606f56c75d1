"""Many processes on one SQLite file."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select

from lumetry_core.runtime.database import open_database
from lumetry_core.runtime.queue import enqueue, work_items

PROCESSES = 4
CLIENTS = 2
WRITES = 25
NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[3]


async def write_and_read(url: str, client: int) -> None:
    """Writes as one organization and reads after every write, as a busy client does."""
    database = open_database(url)
    mine = select(func.count()).select_from(work_items).where(work_items.c.organization_id == client)
    for number in range(1, WRITES + 1):
        async with database.write() as tx:
            await enqueue(tx, client, "soak", [("item", number)], NOW)
            assert (await tx.execute(mine)).scalar_one() == number
        async with database.read() as tx:
            assert (await tx.execute(mine)).scalar_one() == number
    await database.close()


async def run_clients(url: str, first: int) -> None:
    """Runs the clients of one process."""
    async with asyncio.TaskGroup() as group:
        for client in range(first, first + CLIENTS):
            group.create_task(write_and_read(url, client))


async def test_eight_clients_never_find_the_database_locked(sqlite_url: str) -> None:
    """Eight clients in four processes write and read at once; every write succeeds and is there."""
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, __file__, sqlite_url, str(number * CLIENTS), cwd=ROOT, stderr=asyncio.subprocess.PIPE
        )
        for number in range(PROCESSES)
    ]
    outcomes = [await process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES, [error.decode() for _output, error in outcomes]
    database = open_database(sqlite_url)
    async with database.read() as tx:
        count = select(work_items.c.organization_id, func.count()).group_by(work_items.c.organization_id)
        found = [tuple(row) for row in (await tx.execute(count.order_by(work_items.c.organization_id))).all()]
    await database.close()
    assert found == [(client, WRITES) for client in range(PROCESSES * CLIENTS)]


if __name__ == "__main__":
    asyncio.run(run_clients(sys.argv[1], int(sys.argv[2])))
