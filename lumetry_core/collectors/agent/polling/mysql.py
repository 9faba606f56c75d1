"""MySQL and MariaDB: one statement in a read-only transaction. The driver blocks, so a connection has a thread of its own."""

import asyncio
import re
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

import pymysql
from pymysql.connections import Connection
from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions

from lumetry_core.collectors.agent.polling.connecting import explain_tls, find_address, make_context
from lumetry_core.collectors.agent.polling.gathering import gather_rows, too_many
from lumetry_core.collectors.agent.polling.model import MAX_ANSWER_BYTES, MAX_SAMPLES, Item, ItemResult, PollError, Source
from lumetry_core.runtime.addresses import Policy

SPACE = re.compile(r"(\s+|/\*(?![!M]).*?\*/|--[ \t][^\n]*|#[^\n]*)+", re.DOTALL)
READING = re.compile(r"\(*\s*(select|with|show|table|values)\b", re.IGNORECASE)
WRITING = re.compile(r"/\*M?!|\binto\s+(outfile|dumpfile)\b", re.IGNORECASE)
"""Comments that are code, and what writes files in spite of a read-only transaction."""
OUT_OF_TIME = (1969, 3024)
REVEALING_PLUGINS = (b"mysql_clear_password", b"dialog")
GRACE_SECONDS = 2.0
"""So much longer than the server itself may take its answer is waited for."""
MAX_PACKETS = MAX_SAMPLES + 200
"""A row is one, and so is a column's description."""
Answer = TypeVar("Answer")


class BoundedConnection(Connection):  # type: ignore[misc]
    """A connection that reads only so much, and tells its password only to a server that has proved who it is."""

    def __init__(self, *, proves_server: bool, **options: Any) -> None:  # noqa: ANN401 -- the driver's
        self._proves_server = proves_server
        self.allow_answer()
        super().__init__(**options)

    def allow_answer(self) -> None:
        """Lets another answer be as large as answers may be."""
        self._allowed_bytes = MAX_ANSWER_BYTES
        self._allowed_packets = MAX_PACKETS

    def _read_packet(self, *args: Any) -> Any:  # noqa: ANN401 -- the driver's
        self._allowed_packets -= 1
        if self._allowed_packets < 0:
            raise too_many()
        return super()._read_packet(*args)

    def _read_bytes(self, num_bytes: int) -> bytes:
        self._allowed_bytes -= num_bytes
        if self._allowed_bytes < 0:
            raise PollError(f"the answer has more than {MAX_ANSWER_BYTES // 1024**2} MiB")
        data: bytes = super()._read_bytes(num_bytes)
        return data

    def _process_auth(self, plugin_name: bytes, *rest: Any) -> Any:  # noqa: ANN401 -- the driver's
        if plugin_name in REVEALING_PLUGINS and not self._proves_server:
            raise pymysql.err.OperationalError(0, "the server wants the password in the clear, which needs TLS")
        return super()._process_auth(plugin_name, *rest)


class MysqlSession:
    """A connection for the items of one poll."""

    def __init__(self, link: socket.socket, connection: BoundedConnection, timeout_seconds: float) -> None:
        self._link = link
        self._handle = link.dup()
        """The same connection once more: the driver hides its socket while TLS is agreed on, and it must be possible to end that, too."""
        self._connection = connection
        self._timeout_seconds = timeout_seconds
        self._thread = ThreadPoolExecutor(1, "mysql")
        self.is_open = True
        """Whether another item can be asked."""

    async def start(self) -> None:
        """Says who asks. Raises PollError."""
        await self._run(self._start)

    async def ask(self, item: Item, now: datetime) -> ItemResult:
        """What a query gives. Raises PollError."""
        check_reading(item.query)
        columns, rows = await self._run(lambda: self._read(item.query))
        if not columns:
            raise PollError("the query gives no rows; it must be one that reads")
        if len(set(columns)) < len(columns):
            raise PollError("two columns of the query have the same name")
        return gather_rows(item, columns, [dict(zip(columns, row, strict=True)) for row in rows], now)

    async def close(self) -> None:
        """Ends the connection; what the thread waits for ends with it."""
        if not self.is_open:
            self._abort()
        self._thread.submit(self._end)
        self._thread.shutdown(wait=False)

    async def _run(self, action: Callable[[], Answer]) -> Answer:
        running = asyncio.get_running_loop().run_in_executor(self._thread, action)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._abort()
            running.add_done_callback(forget)  # the thread ends at once, its socket being shut
            raise
        except pymysql.err.MySQLError as error:
            self.is_open = self.is_open and self._connection.open
            raise explain(error, self._timeout_seconds) from None
        except BaseException:
            self._abort()  # whatever it was, the state of the connection is not known any more
            raise

    def _start(self) -> None:
        self._connection.connect(self._link)
        milliseconds = max(1, int(self._timeout_seconds * 1000))
        is_mariadb = "mariadb" in str(self._connection.server_version).lower()
        setting = f"max_statement_time = {milliseconds / 1000}" if is_mariadb else f"max_execution_time = {milliseconds}"
        self._connection.query(f"SET SESSION {setting}")

    def _read(self, query: str) -> tuple[list[str], list[tuple[object, ...]]]:
        self._connection.allow_answer()
        self._connection.query("START TRANSACTION READ ONLY")
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(query)
                columns = [str(each[0]) for each in cursor.description or ()]
                rows = list(cursor.fetchall())
        except pymysql.err.MySQLError:
            if self._connection.open:
                self._connection.query("ROLLBACK")
            raise
        self._connection.query("ROLLBACK")
        if len(rows) > MAX_SAMPLES:
            raise too_many()
        return columns, rows

    def _abort(self) -> None:
        self.is_open = False
        with suppress(OSError):
            self._handle.shutdown(socket.SHUT_RDWR)

    def _end(self) -> None:
        try:
            if self._connection.open:
                self._connection.close()
        finally:
            self._link.close()
            self._handle.close()


def forget(running: "asyncio.Future[Any]") -> None:
    """Takes note of a failure that nobody waits for."""
    if not running.cancelled():
        running.exception()


def check_reading(query: str) -> None:
    """Raises PollError for a statement that does not read: not all that writes is kept from it by a read-only transaction."""
    plain = SPACE.sub(" ", query).strip()
    if READING.match(plain) is None or WRITING.search(plain):
        raise PollError("the query must be one that reads: SELECT, WITH, SHOW, TABLE or VALUES")


def explain(error: Exception, timeout_seconds: float) -> PollError:
    """A complaint of the server, or of the driver."""
    cause = getattr(error, "original_exception", None) or error.__context__
    if isinstance(cause, ssl.SSLError):
        return explain_tls(cause)
    if isinstance(cause, TimeoutError):
        return PollError(f"no answer within {timeout_seconds:g} s")
    number, text = (error.args[0], str(error.args[1])) if len(error.args) > 1 else (0, str(error))
    if number in OUT_OF_TIME:
        return PollError(f"the query takes longer than {timeout_seconds:g} s")
    return PollError(text.partition(" (")[0] if number in (2003, 2006, 2013) else text)


async def open_mysql(source: Source, policy: Policy) -> MysqlSession:
    """Connects. Raises PollError."""
    target = source.target
    address = await find_address(target, policy)
    connection = await asyncio.to_thread(make_connection, source)  # reads the trusted authorities, which takes a while
    link = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        link.settimeout(0)
        async with asyncio.timeout(source.timeout_seconds):
            await asyncio.get_running_loop().sock_connect(link, (address, target.port))
        link.settimeout(source.timeout_seconds)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session = MysqlSession(link, connection, source.timeout_seconds)
    except TimeoutError:
        link.close()
        raise PollError(f"no connection within {source.timeout_seconds:g} s") from None
    except ConnectionRefusedError:
        link.close()
        raise PollError("the connection was refused") from None
    except OSError:
        link.close()
        raise PollError("no connection could be made") from None
    except BaseException:
        link.close()
        raise
    try:
        await session.start()
    except BaseException:
        await session.close()
        raise
    return session


def make_connection(source: Source) -> BoundedConnection:
    """A connection that is not made yet. Without `tls` it is encrypted where the server can, whoever that is."""
    target = source.target
    return BoundedConnection(
        proves_server=target.tls,
        host=target.host,
        port=target.port,
        user=target.username or "root",
        password=source.secret.encode(),
        database=target.database or None,
        charset="utf8mb4",
        ssl=make_context(target.host) if target.tls else None,
        connect_timeout=source.timeout_seconds,
        read_timeout=source.timeout_seconds + GRACE_SECONDS,
        write_timeout=source.timeout_seconds + GRACE_SECONDS,
        autocommit=None,
        program_name="lumetry",
        conv={**conversions, FIELD_TYPE.BIT: lambda value: int.from_bytes(value, "big")},
        defer_connect=True,
    )
