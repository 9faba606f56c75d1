"""Transactions on SQLite or PostgreSQL.

SQLite: WAL with `synchronous=FULL`, one writer connection whose transactions start with `BEGIN IMMEDIATE`, a pool of read-only
connections. PostgreSQL: pooled connections; reads see one snapshot. A database that cannot be used fails with STORE_UNAVAILABLE.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

import aiosqlite
import structlog
from sqlalchemy import BigInteger, Integer, MetaData, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult, Dialect, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.schema import Table
from sqlalchemy.sql.base import Executable
from sqlalchemy.types import TypeDecorator

from lumetry_core.runtime.clock import from_ms, to_ms
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.sqlite import Driver

log = structlog.get_logger(__name__)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every store registers its tables here."""

Id = BigInteger().with_variant(Integer, "sqlite")
"""Type of row numbers; with `primary_key=True` and `sqlite_autoincrement=True` on the table they are never used twice."""

SQLITE_BUSY_MS = 15_000
SQLITE_READERS = 4
CHECKPOINT_SECONDS = 0.25
CHECKPOINT_PAGES = 4000
"""The writer finishes a checkpoint itself when the log is longer: only then can the log start anew."""
POSTGRES_POOL = 12


WRITER_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous={}",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}",
)


class Time(TypeDecorator[datetime]):
    """An aware UTC time, stored as milliseconds since the Unix epoch: exact, sortable and cheap on both databases."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Python to database."""
        return None if value is None else to_ms(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Database to Python."""
        return None if value is None else from_ms(value)


class Transaction:
    """One transaction. Stores execute statements on it; it wakes other stages once it is committed."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.is_postgresql = connection.dialect.name == "postgresql"
        self.wakes: set[str] = set()
        self.last_steps: list[Callable[[Transaction], Awaitable[None]]] = []
        """Done right before the commit, in order."""
        self.remembered: dict[Hashable, Any] = {}
        """What was found out in it and is not asked for again."""
        self.refusal_steps: list[Callable[[Transaction], Awaitable[None]]] = []
        """Done in a transaction of their own when this one fails with a `LumetryError`: what is told of a refusal."""

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Runs a Core statement; a list of parameters runs it for each."""
        return await self.connection.execute(statement, parameters)

    def insert(self, table: Table) -> sqlite.Insert:
        """An insert that knows `on_conflict_do_nothing` and `on_conflict_do_update`, which both databases spell alike."""
        return postgresql.insert(table) if self.is_postgresql else sqlite.insert(table)  # type: ignore[return-value]

    def wake(self, channel: str) -> None:
        """Wakes whoever waits for `channel`, in every process, when and only when this transaction is committed."""
        self.wakes.add(channel)


class Database:
    """The one database of a deployment."""

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine, on_wake: Callable[[str], None], driver: Driver | None = None) -> None:
        self._writer = writer
        self._reader = reader
        self._on_wake = on_wake
        self._driver = driver
        self.is_postgresql = writer.dialect.name == "postgresql"
        self.write_problem: str | None = None
        """What the last failed write said; None since the last one that succeeded."""

    @property
    def url(self) -> str:
        """The SQLAlchemy address, password included."""
        return self._writer.url.render_as_string(hide_password=False)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """A transaction that is committed at the end of the block and rolled back when it raises.

        Fails with STORE_UNAVAILABLE when the database cannot be written; then nothing was.
        """
        refusal_steps: list[Callable[[Transaction], Awaitable[None]]] = []
        try:
            async with self._writer.connect() as connection, connection.begin():
                transaction = Transaction(connection)
                refusal_steps = transaction.refusal_steps
                yield transaction
                for step in transaction.last_steps:
                    await step(transaction)
                if self.is_postgresql:
                    for channel in sorted(transaction.wakes):
                        await connection.execute(text("SELECT pg_notify('lumetry', :channel)"), {"channel": channel})
        except LumetryError:
            await self._tell_refusal(refusal_steps)
            raise
        except (TimeoutError, PoolTimeoutError, DBAPIError, OSError) as error:
            if is_unavailable(error):
                self.write_problem = type(error).__name__
                raise unavailable() from error
            raise
        self.write_problem = None
        for channel in transaction.wakes:
            self._on_wake(channel)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """A read-only transaction that sees one snapshot. Fails with STORE_UNAVAILABLE."""
        refusal_steps: list[Callable[[Transaction], Awaitable[None]]] = []
        try:
            async with self._reader.connect() as connection, connection.begin():
                transaction = Transaction(connection)
                refusal_steps = transaction.refusal_steps
                yield transaction
        except LumetryError:
            await self._tell_refusal(refusal_steps)
            raise
        except (TimeoutError, PoolTimeoutError, DBAPIError, OSError) as error:
            if is_unavailable(error):
                raise unavailable() from error
            raise

    async def _tell_refusal(self, steps: Sequence[Callable[[Transaction], Awaitable[None]]]) -> None:
        """Does what a refusal left to do; that the store cannot be used outranks no refusal."""
        if steps:
            with suppress(LumetryError):
                async with self.write() as tx:
                    for step in steps:
                        await step(tx)

    async def keep_checkpointed(self) -> None:
        """Moves SQLite's write-ahead log into the database until cancelled, beside the writer, which then has little left to move."""
        async with aiosqlite.connect(self._writer.url.database or "", isolation_level=None) as connection:
            await connection.execute("PRAGMA synchronous=FULL")
            await connection.execute_fetchall("SELECT 1 FROM sqlite_master LIMIT 1")  # until its first read it knows of no log to move
            while True:
                await asyncio.sleep(CHECKPOINT_SECONDS)
                try:
                    await connection.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")
                except sqlite3.OperationalError as error:  # a full disk, say: the writer reports it
                    log.warning("the write-ahead log could not be moved", error=str(error))

    async def close(self) -> None:
        """Closes all connections, those that were given up included."""
        await self._reader.dispose()
        await self._writer.dispose()
        if self._driver is not None:
            await self._driver.wait_for_threads()


def open_database(url: str, on_wake: Callable[[str], None] = lambda _channel: None, *, synchronous: str = "FULL") -> Database:
    """Opens the database; connections are made when they are needed.

    Args:
        url: `sqlite:///path` or `postgresql://…`.
        on_wake: Called after a commit with each channel that it wakes.
        synchronous: SQLite's durability. NORMAL may lose answers already given when power fails.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        address = parsed.set(drivername="postgresql+asyncpg")
        writer = create_async_engine(
            address, pool_size=POSTGRES_POOL, pool_pre_ping=True, isolation_level="READ COMMITTED", hide_parameters=True
        )
        return Database(writer, create_postgres_reader(address), on_wake)
    path = parsed.database or ""
    driver = Driver()
    writer = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        module=driver,
        hide_parameters=True,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=1,
        max_overflow=0,
        pool_timeout=60,
        connect_args={"timeout": SQLITE_BUSY_MS / 1000},
    )
    reader = create_async_engine(
        f"sqlite+aiosqlite:///file:{path}?mode=ro&uri=true",
        module=driver,
        hide_parameters=True,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=SQLITE_READERS,
        max_overflow=0,
        pool_timeout=60,
        connect_args={"timeout": SQLITE_BUSY_MS / 1000},
    )
    prepare_sqlite(writer, ";".join(WRITER_PRAGMAS).format(synchronous), "BEGIN IMMEDIATE")
    prepare_sqlite(reader, "PRAGMA query_only=ON", "BEGIN")
    return Database(writer, reader, on_wake, driver)


def create_postgres_reader(address: Any) -> AsyncEngine:  # noqa: ANN401 -- SQLAlchemy's URL type
    """An engine whose transactions are read-only snapshots."""
    return create_async_engine(
        address,
        pool_size=POSTGRES_POOL,
        pool_pre_ping=True,
        isolation_level="REPEATABLE READ",
        hide_parameters=True,
        connect_args={"server_settings": {"default_transaction_read_only": "on"}},
    )


def prepare_sqlite(engine: AsyncEngine, pragmas: str, begin: str) -> None:
    """Sets the pragmas of each new connection and the statement that starts its transactions."""

    def on_connect(connection: Any, _record: object) -> None:  # noqa: ANN401 -- the driver's adapter has no public type
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas.split(";"):
            cursor.execute(pragma)
        cursor.close()

    def terminate(connection: Any) -> None:  # noqa: ANN401 -- as above
        # A task that was cancelled inside a statement gives up its connection. Closing it asynchronously, as the dialect would, never ends
        # when a second cancellation interrupts it; stopping its thread, which rolls back and closes, needs no waiting.
        connection.driver_connection.stop()

    engine.dialect.do_terminate = terminate  # type: ignore[assignment, method-assign]
    event.listen(engine.sync_engine, "connect", on_connect)
    event.listen(engine.sync_engine, "begin", lambda connection: connection.connection.dbapi_connection.begin(begin))


def is_unavailable(error: Exception) -> bool:
    """Whether the database, not the statement, is at fault: worth a retry, and never a bug of the caller."""
    if not isinstance(error, DBAPIError):
        return True
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in SQLITE_UNAVAILABLE
    state = str(getattr(error.orig, "sqlstate", "") or "")
    return state[:2] in POSTGRES_UNAVAILABLE or state in ("40001", "40P01")


SQLITE_UNAVAILABLE = {5, 6, 8, 10, 11, 13, 14, 26}
"""BUSY, LOCKED, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB."""
POSTGRES_UNAVAILABLE = {"08", "53", "57", "58", "25", "28", "3D"}
"""Connection, resources, operator intervention, system error, read-only transaction, refused login, missing database."""


def unavailable() -> LumetryError:
    """The failure of a store that cannot be used now."""
    return LumetryError(
        Reason.STORE_UNAVAILABLE,
        "The store cannot be used at the moment. Nothing was changed.",
        retry_after_seconds="1",
    )
