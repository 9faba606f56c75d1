"""SQLAlchemy's adapter of aiosqlite, with one visit to the connection's thread per statement.

The adapter it ships with visits the thread for each of: making a cursor, running the statement, fetching, closing. A visit costs more
than most of our statements. For the same reason a transaction begins together with its first statement.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakSet

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_connection, AsyncAdapt_aiosqlite_cursor, AsyncAdapt_aiosqlite_dbapi
from sqlalchemy.util.concurrency import await_

LONGEST_STATEMENT_SECONDS = 20.0
Outcome = tuple[Any, list[Any], int, int | None]
"""Description, rows, row count and last row number of a statement that has run."""


class Cursor(AsyncAdapt_aiosqlite_cursor):
    """A cursor that has run, fetched and closed when its statement returns."""

    __slots__ = ("_outcome",)

    _adapt_connection: "Connection"
    _connection: Any  # aiosqlite's, of which the adapter's own types say too little

    def __init__(self, adapt_connection: "Connection") -> None:
        self._adapt_connection = adapt_connection
        self._connection = adapt_connection._connection
        self._rows = deque()
        self._outcome: Outcome = (None, [], -1, None)

    @property
    def description(self) -> Any:  # noqa: ANN401 -- as the driver describes columns
        """Columns of the result; None for a statement without one."""
        return self._outcome[0]

    @property
    def rowcount(self) -> int:
        """Rows written; -1 when that says nothing."""
        return self._outcome[2]

    @property
    def lastrowid(self) -> Any:  # noqa: ANN401 -- the base class promises a number where there may be none
        """The row last inserted."""
        return self._outcome[3]

    def execute(self, operation: str, parameters: Any = None) -> None:  # noqa: ANN401 -- as the driver takes them
        """Runs one statement."""
        self._run(run_statement, operation, parameters or ())

    def executemany(self, operation: str, seq_of_parameters: Any) -> None:  # noqa: ANN401 -- as the driver takes them
        """Runs a statement for each of the parameters."""
        self._run(run_for_each, operation, seq_of_parameters)

    def _run(self, run: Callable[..., Outcome], operation: str, parameters: Any) -> None:  # noqa: ANN401 -- as above
        try:
            begin = self._adapt_connection.take_begin()
            self._outcome = await_(self._connection._execute(run, self._connection, begin, operation, parameters))
        except Exception as error:  # noqa: BLE001 -- translated by the adapter as it translates its own
            self._adapt_connection._handle_exception(error)
        self._rows = deque(self._outcome[1])

    def close(self) -> None:
        """Drops rows that were not fetched."""
        self._rows.clear()

    async def _async_soft_close(self) -> None:
        """Does nothing: there is nothing left open."""


class Connection(AsyncAdapt_aiosqlite_connection):
    """A connection whose cursors visit the thread once, and whose transactions begin with their first statement.

    What was committed or rolled back is not rolled back again when the pool takes the connection back.
    """

    __slots__ = ("_begin", "_has_begun")
    _cursor_cls = Cursor  # type: ignore[assignment]  # the cursor insists on this connection

    def __init__(self, dbapi: "Driver", connection: Any) -> None:  # noqa: ANN401 -- aiosqlite's
        super().__init__(dbapi, connection)
        self._begin: str | None = None
        self._has_begun = False

    def begin(self, statement: str) -> None:
        """Makes the next statement run after this one."""
        self._begin = statement

    def take_begin(self) -> str | None:
        """What the next statement has to be preceded by."""
        begin, self._begin = self._begin, None
        self._has_begun |= begin is not None
        return begin

    def commit(self) -> None:
        """Commits, unless nothing ran since the transaction began."""
        self._begin = None
        if self._has_begun:
            super().commit()
            self._has_begun = False

    def rollback(self) -> None:
        """Rolls back, as `commit` commits."""
        self._begin = None
        if self._has_begun:
            super().rollback()
            self._has_begun = False


class Driver(AsyncAdapt_aiosqlite_dbapi):
    """The module that `create_async_engine(module=…)` takes."""

    def __init__(self) -> None:
        super().__init__(aiosqlite, sqlite3)
        self._threads: WeakSet[threading.Thread] = WeakSet()

    def connect(self, *arg: Any, **kw: Any) -> Connection:  # noqa: ANN401 -- as the driver takes them
        """Opens a connection."""
        connection = aiosqlite.connect(*arg, **kw)
        connection._thread.daemon = True
        self._threads.add(connection._thread)
        return Connection(self, await_(connection))

    async def wait_for_threads(self) -> None:
        """Waits until the threads of closed and given-up connections have ended: they tell the event loop, which must still be there."""
        for thread in [thread for thread in self._threads if thread.is_alive()]:
            await asyncio.to_thread(thread.join, LONGEST_STATEMENT_SECONDS)


def run_statement(connection: aiosqlite.Connection, begin: str | None, operation: str, parameters: Sequence[Any]) -> Outcome:
    """Runs a statement in the connection's thread."""
    if begin:
        connection._conn.execute(begin)
    return take_outcome(connection._conn.execute(operation, parameters))


def run_for_each(connection: aiosqlite.Connection, begin: str | None, operation: str, parameters: Sequence[Sequence[Any]]) -> Outcome:
    """Runs a statement for each of the parameters in the connection's thread."""
    if begin:
        connection._conn.execute(begin)
    return take_outcome(connection._conn.executemany(operation, parameters))


def take_outcome(cursor: sqlite3.Cursor) -> Outcome:
    """Empties and closes a cursor."""
    try:
        rows = cursor.fetchall() if cursor.description else []
        return cursor.description, rows, cursor.rowcount, cursor.lastrowid
    finally:
        cursor.close()
