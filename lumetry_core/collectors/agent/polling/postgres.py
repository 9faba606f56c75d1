"""PostgreSQL: one statement in a read-only transaction, of which only the columns that matter travel."""

import asyncio
import ssl
from contextlib import suppress
from datetime import datetime
from typing import Any

import asyncpg

from lumetry_core.collectors.agent.polling.connecting import explain_tls, find_address, make_context
from lumetry_core.collectors.agent.polling.gathering import MAX_LABEL_VALUE, gather_rows, too_many
from lumetry_core.collectors.agent.polling.model import MAX_ANSWER_BYTES, MAX_SAMPLES, Item, ItemResult, PollError, Source
from lumetry_core.collectors.agent.polling.values import MAX_DIGITS
from lumetry_core.runtime.addresses import Policy

ROWS_AT_ONCE = 200
CLOSE_SECONDS = 2.0
QUERY_CANCELED = "57014"
NUMERIC_TYPES = frozenset({"int2", "int4", "int8", "float4", "float8", "numeric"})
TRUTH_TYPE = "bool"
INTERVAL_TYPE = "interval"


class PostgresSession:
    """A connection for the items of one poll."""

    def __init__(self, connection: Any, timeout_seconds: float) -> None:  # noqa: ANN401 -- the driver has no types
        self._connection = connection
        self._timeout_ms = max(1, int(timeout_seconds * 1000))
        self.is_open = True
        """Whether another item can be asked."""

    async def ask(self, item: Item, now: datetime) -> ItemResult:
        """What a query gives. Raises PollError."""
        is_open, self.is_open = self.is_open, False
        # not for the session: a pooler in between would keep it for others
        limits = f"SET LOCAL statement_timeout = {self._timeout_ms}; SET LOCAL lock_timeout = {self._timeout_ms}"
        try:
            await self._connection.execute(f"BEGIN READ ONLY; {limits}")
            try:
                return await self._read(item, now)
            finally:
                if not self._connection.is_closed():
                    await self._connection.execute("ROLLBACK", timeout=CLOSE_SECONDS)
                    self.is_open = is_open
        except asyncpg.PostgresError as error:
            raise explain(error, self._timeout_ms) from None
        except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
            raise PollError(f"the connection to the database was lost: {type(error).__name__}") from None

    async def close(self) -> None:
        """Ends the connection, and on the server what it was doing."""
        with suppress(TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self._connection.close(timeout=CLOSE_SECONDS)
        self._connection.terminate()

    async def _read(self, item: Item, now: datetime) -> ItemResult:
        query = item.query.strip().rstrip("; \t\r\n")
        described = await self._connection.prepare(query)
        if described.get_parameters():
            raise PollError("the query has parameters, and nothing gives them values")
        attributes = described.get_attributes()
        if not attributes:
            raise PollError("the query gives no rows; it must be one that reads")
        kinds = {each.name: each.type.name for each in attributes}
        names = list(kinds)
        if len(names) < len(attributes):
            raise PollError("two columns of the query have the same name")
        statement = await self._connection.prepare(project(query, kinds, item))
        rows: list[dict[str, object]] = []
        size = 0
        async for record in statement.cursor(prefetch=ROWS_AT_ONCE):
            size += sum(len(each) for each in record if each is not None)
            if size > MAX_ANSWER_BYTES:
                raise PollError(f"the answer has more than {MAX_ANSWER_BYTES // 1024**2} MiB")
            if len(rows) == MAX_SAMPLES:
                raise too_many()
            rows.append({name: convert(text, kinds[name], name in item.label_columns) for name, text in zip(names, record, strict=True)})
        return gather_rows(item, names, rows, now)


def project(query: str, kinds: dict[str, str], item: Item) -> str:
    """The query with every column as a text of bounded length, so that no row is larger than what a point can hold.

    Columns are named by position, because the names are the query's.
    """
    columns = []
    for position, (name, kind) in enumerate(kinds.items()):
        column = f"q.c{position}"
        if kind == INTERVAL_TYPE and name not in item.label_columns:
            column = f"extract(epoch FROM {column})"
        needed = name in item.label_columns or name == item.value_column or not item.value_column
        limit = MAX_LABEL_VALUE + 1 if name in item.label_columns else MAX_DIGITS + 1
        columns.append(f"left({column}::text, {limit})" if needed else "NULL::text")
    aliases = ", ".join(f"c{position}" for position in range(len(kinds)))
    # the query is the user's own, and the transaction keeps it from writing
    return f"SELECT {', '.join(columns)} FROM (\n{query}\n) AS q({aliases}) LIMIT {MAX_SAMPLES + 1}"  # noqa: S608


def convert(text: str | None, kind: str, is_label: bool) -> object:  # noqa: FBT001
    """A value from its text: numbers must be told from texts of numbers, to find the column that holds the value."""
    if text is None or is_label:
        return text
    if kind == TRUTH_TYPE:
        return text == "true"
    if kind in NUMERIC_TYPES or kind == INTERVAL_TYPE:
        with suppress(ValueError):
            return float(text)
    return text


def explain(error: Any, timeout_ms: int) -> PollError:  # noqa: ANN401 -- the driver has no types
    """A complaint of the server."""
    if error.sqlstate == QUERY_CANCELED:
        return PollError(f"the query takes longer than {timeout_ms / 1000:g} s")
    return PollError(str(error.message or type(error).__name__))


async def open_postgres(source: Source, policy: Policy) -> PostgresSession:
    """Connects. Raises PollError."""
    target = source.target
    address = await find_address(target, policy)
    context = await asyncio.to_thread(make_context, target.host) if target.tls else "prefer"
    connecting = asyncpg.connect(
        host=address,
        port=target.port,
        user=target.username or "postgres",
        # never none: the driver would look for passwords of its own in the environment and in files
        password=source.secret,
        database=target.database or "postgres",
        ssl=context,
        timeout=source.timeout_seconds,
        statement_cache_size=0,
        server_settings={"application_name": "lumetry"},
    )
    try:
        return PostgresSession(await connecting, source.timeout_seconds)
    except asyncpg.PostgresError as error:
        raise explain(error, int(source.timeout_seconds * 1000)) from None
    except ssl.SSLError as error:
        raise explain_tls(error) from None
    except TimeoutError:
        raise PollError(f"no connection within {source.timeout_seconds:g} s") from None
    except ConnectionRefusedError:
        raise PollError("the connection was refused") from None
    except ConnectionError as error:
        told = "the server does not offer TLS" if target.tls and "SSL" in str(error) else "the connection was closed"
        raise PollError(told) from None
    except OSError:
        raise PollError("no connection could be made") from None
