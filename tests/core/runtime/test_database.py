import asyncio
import random
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from lumetry_core.runtime.database import POSTGRES_POOL, SQLITE_READERS, Database, open_database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.queue import Wakeups, claim, complete, enqueue, work_heads, work_items

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
        await write_and_fail(database)
    async with database.read() as tx:
        assert (await tx.execute(select(work_items))).all() == []


async def count_items(database: Database) -> int:
    async with database.read() as tx:
        return len((await tx.execute(select(work_items.c.id))).all())


async def write_item(database: Database, payload: object = 1) -> None:
    async with database.write() as tx:
        await enqueue(tx, 7, "correlation", [("opened", payload)], NOW)


async def write_and_fail(database: Database) -> None:
    async with database.write() as tx:
        await enqueue(tx, 7, "correlation", [("opened", 1)], NOW)
        raise ZeroDivisionError


@asynccontextmanager
async def unavailable() -> AsyncIterator[None]:
    """Expects the failure of a store that cannot be used."""
    with pytest.raises(LumetryError) as failure:
        yield
    assert (failure.value.reason, failure.value.metadata) == (Reason.STORE_UNAVAILABLE, {"retry_after_seconds": "1"})


async def test_write_wakes_after_the_commit_only(database: Database, wakeups: Wakeups) -> None:
    """A rolled-back transaction wakes nobody; a committed one wakes each of its channels."""
    with wakeups.subscribe("correlation") as subscription:
        with pytest.raises(ZeroDivisionError):
            await write_and_fail(database)
        assert not subscription.is_woken
        await write_item(database)
        assert subscription.is_woken


async def test_read_sees_one_snapshot(database: Database) -> None:
    """What is committed while a read goes on is seen by the next."""
    async with database.read() as tx:
        before = len((await tx.execute(select(work_items))).all())
        await write_item(database)
        after = len((await tx.execute(select(work_items))).all())
    assert (before, after, await count_items(database)) == (0, 0, 1)


async def test_read_cannot_write(database: Database) -> None:
    """A read-only transaction refuses statements that write, and nothing is written."""
    async with unavailable(), database.read() as tx:
        await tx.execute(work_items.insert(), {"organization_id": 7, "queue": "q", "kind": "k", "payload": b"", "create_time": NOW})
    assert await count_items(database) == 0


async def test_write_keeps_a_fault_of_the_statement_apart(database: Database) -> None:
    """What the statement did wrong is no trouble of the store: it is not answered with an invitation to try again."""

    async def write_twice() -> None:
        head = {"organization_id": 7, "queue": "correlation"}
        async with database.write() as tx:
            await tx.execute(work_heads.insert(), [head, head])

    with pytest.raises(IntegrityError):
        await write_twice()
    assert database.write_problem is None


async def test_write_of_concurrent_callers_happens_one_after_the_other(database: Database) -> None:
    """Writers that overlap all succeed."""
    await asyncio.gather(*(write_item(database, number) for number in range(30)))
    assert await count_items(database) == 30


async def test_write_fails_while_sqlite_cannot_grow(sqlite_url: str) -> None:
    """A full disk is STORE_UNAVAILABLE; nothing is written, the problem is told, and work goes on once there is room."""
    database = open_database(sqlite_url)
    await write_item(database)
    async with database.write() as tx:
        pages = (await tx.connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
        await tx.connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    async with unavailable():
        await write_item(database, "x" * 100_000)
    assert (database.write_problem, await count_items(database)) == ("OperationalError", 1)
    async with database.write() as tx:
        await tx.connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    await write_item(database, "x" * 100_000)
    assert (database.write_problem, await count_items(database)) == (None, 2)
    await database.close()


async def test_write_fails_while_sqlite_is_read_only(sqlite_url: str) -> None:
    """A database that became read-only is STORE_UNAVAILABLE for writes and still readable."""
    database = open_database(sqlite_url)
    await write_item(database)
    async with database.write() as tx:
        await tx.connection.exec_driver_sql("PRAGMA query_only=ON")
    async with unavailable():
        await write_item(database)
    assert await count_items(database) == 1
    await database.close()


async def test_write_fails_while_sqlite_is_locked(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program that keeps the file locked makes the store unavailable for as long as it does."""
    monkeypatch.setattr("lumetry_core.runtime.database.SQLITE_BUSY_MS", 50)
    database = open_database(sqlite_url)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with unavailable():
        await write_item(database)
    assert await count_items(database) == 0
    other.execute("ROLLBACK")
    other.close()
    await write_item(database)
    assert await count_items(database) == 1
    await database.close()


@pytest.mark.parametrize("damage", ["missing folder", "no database"])
async def test_use_fails_when_sqlite_cannot_be_opened(tmp_path: Path, damage: str) -> None:
    """A file that is not there, or is something else, is an unavailable store and no bug."""
    path = tmp_path / "missing" / "lumetry.db" if damage == "missing folder" else tmp_path / "lumetry.db"
    if damage == "no database":
        path.write_bytes(b"This is not a database. " * 100)
    database = open_database(f"sqlite:///{path}")
    async with unavailable():
        await write_item(database)
    async with unavailable():
        await count_items(database)
    await database.close()


async def test_use_waits_for_a_connection_only_so_long(database: Database) -> None:
    """When all connections stay taken, whoever waits is told to try again."""
    for engine in (database._writer, database._reader):
        engine.sync_engine.pool._timeout = 0.05  # type: ignore[attr-defined]
    async with AsyncExitStack() as taken:
        for _ in range(SQLITE_READERS if not database.is_postgresql else POSTGRES_POOL + 10):
            await taken.enter_async_context(database.read())
        async with unavailable():
            await count_items(database)
    assert await count_items(database) == 0


async def terminate_others(database: Database) -> int:
    """Ends all other sessions of the database, as a restart of the server would."""
    connection = await asyncpg.connect(database.url.replace("postgresql+asyncpg://", "postgresql://"))
    try:
        ended = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        count: int = await connection.fetchval(ended)
        return count
    finally:
        await connection.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_write_fails_when_postgresql_ends_the_session(database: Database) -> None:
    """A connection lost in the middle of a transaction is STORE_UNAVAILABLE; nothing stays, and the next write succeeds."""
    async with unavailable(), database.write() as tx:
        await enqueue(tx, 7, "correlation", [("opened", 1)], NOW)
        assert await terminate_others(database) == 1
        await enqueue(tx, 7, "correlation", [("opened", 2)], NOW)
    assert (database.write_problem is None, await count_items(database)) == (False, 0)
    await write_item(database)
    assert (database.write_problem, await count_items(database)) == (None, 1)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_write_fails_when_postgresql_ends_the_session_before_the_commit(database: Database) -> None:
    """A commit that could not be asked for is STORE_UNAVAILABLE too."""
    async with unavailable(), database.write() as tx:
        await enqueue(tx, 7, "correlation", [("opened", 1)], NOW)
        assert await terminate_others(database) == 1
    assert await count_items(database) == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_use_replaces_connections_that_postgresql_ended_meanwhile(database: Database) -> None:
    """Idle connections that died are noticed before they are used."""
    await write_item(database)
    assert await count_items(database) == 1
    assert await terminate_others(database) == 2
    await write_item(database)
    assert await count_items(database) == 2


async def test_use_fails_when_postgresql_does_not_answer(tmp_path: Path) -> None:
    """A server that is down is an unavailable store."""
    database = open_database(f"postgresql://lumetry@/lumetry?host={tmp_path}")
    async with unavailable():
        await write_item(database)
    async with unavailable():
        await count_items(database)
    await database.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_write_fails_when_postgresql_does_not_know_the_database(database_url: str) -> None:
    """A database that does not exist, as while it is being restored, is an unavailable store."""
    database = open_database(re.sub(r"/test_\w+", "/nowhere", database_url))
    async with unavailable():
        await write_item(database)
    await database.close()


def test_open_database_uses_full_durability(sqlite_url: str) -> None:
    """Every writing connection is in WAL mode and waits for the disk unless the operator says otherwise."""

    async def read(synchronous: str | None) -> list[Any]:
        database = open_database(sqlite_url, **({} if synchronous is None else {"synchronous": synchronous}))
        async with database.write() as tx:
            found = [
                (await tx.connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
        await database.close()
        return found

    assert asyncio.run(read(None)) == ["wal", 2, 1]
    assert asyncio.run(read("NORMAL")) == ["wal", 1, 1]


async def test_write_that_is_cancelled_leaves_nothing_behind(database: Database) -> None:
    """Callers that hang up at any moment keep neither rows nor the writer."""
    chance = random.Random(7)
    done = 0
    for _ in range(40):
        task = asyncio.create_task(write_item(database))
        for _ in range(chance.randrange(60)):
            await asyncio.sleep(0)
        task.cancel()
        [outcome] = await asyncio.gather(task, return_exceptions=True)
        assert outcome is None or isinstance(outcome, asyncio.CancelledError)
        done += outcome is None
    await write_item(database)
    assert await count_items(database) >= done + 1
    async with asyncio.timeout(10), database.write() as tx:
        assert len(await claim(tx, "correlation")) == await count_items(database)
