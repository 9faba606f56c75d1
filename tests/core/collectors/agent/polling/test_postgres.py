import asyncio
from pathlib import Path

import pytest

from lumetry_core.collectors.agent.polling.model import Item, ItemResult
from lumetry_core.runtime.addresses import GLOBAL_ONLY
from tests.core.collectors.agent.polling.asking import make_source, poll, sample
from tests.polled_servers import PolledServer

ROWS = "(VALUES ('open', 10.5::numeric, 1), ('sent', 99.99, 2), (NULL, 3, 3)) AS t(state, total, rank)"


async def ask(server: PolledServer, query: str, value: str = "", *labels: str, **options: object) -> ItemResult:
    [result] = await poll(make_source("postgres", server, Item("m", query, value, labels), **options))  # type: ignore[arg-type]
    return result


async def test_poll_postgres_gives_rows(polled_postgres: PolledServer) -> None:
    """The value column with the label columns; a label without a value is absent."""
    assert await ask(polled_postgres, f"SELECT state, total, rank FROM {ROWS}; ", "total", "state") == ItemResult(
        "m", (sample("m", 10.5, state="open"), sample("m", 99.99, state="sent"), sample("m", 3.0))
    )


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("7", 7.0),
        ("7.25::numeric", 7.25),
        ("9007199254740993::bigint", 9007199254740992.0),
        ("1.5e300::float8", 1.5e300),
        ("true", 1.0),
        ("false", 0.0),
        ("'42.5'", 42.5),
        ("interval '1 minute 1.5 seconds'", 61.5),
        ("count(*) FROM generate_series(1, 5)", 5.0),
    ],
)
async def test_poll_postgres_finds_the_only_value(polled_postgres: PolledServer, expression: str, value: float) -> None:
    """Without a value column the only number is the value, whatever its type."""
    assert await ask(polled_postgres, f"SELECT {expression}") == ItemResult("m", (sample("m", value),))


async def test_poll_postgres_leaves_out_what_is_no_value(polled_postgres: PolledServer) -> None:
    """NULL, NaN, infinite, endless numbers, texts: left out and counted; the good ones remain."""
    values = "(VALUES ('a', NULL), ('b', 'NaN'::numeric), ('c', 'Infinity'), ('d', 10::numeric ^ 400), ('e', 1)) AS t(name, value)"

    assert await ask(polled_postgres, f"SELECT name, value FROM {values}", "value", "name") == ItemResult(
        "m",
        (sample("m", 1.0, name="e"),),
        warnings=("left out 3 of 5 values: not finite", "left out 1 of 5 values: no number"),
        skipped_count=4,
    )


@pytest.mark.parametrize(
    ("query", "value", "labels", "error"),
    [
        (f"SELECT * FROM {ROWS}", "", ("state",), "more than one column holds numbers (total, rank): name the one with the value"),
        (f"SELECT * FROM {ROWS}", "sum", (), "the answer has no column sum; its columns are state, total, rank"),
        (f"SELECT * FROM {ROWS}", "total", ("region",), "the answer has no column region; its columns are state, total, rank"),
        ("SELECT 'word'", "", (), None),
        ("SELECT 1, 2", "", (), "two columns of the query have the same name"),
        ('SELECT 1 AS a, 2 AS b, 3 AS "a\'b""c"', "", (), "more than one column holds numbers (a, b, a'b\"c): name the one with the value"),
        ("SELECT $1::int", "", (), "the query has parameters, and nothing gives them values"),
        ("SELECT nothing", "", (), 'column "nothing" does not exist'),
        ("SELEC 1", "", (), 'syntax error at or near "SELEC"'),
        ("SELECT 1; SELECT 2", "", (), "cannot insert multiple commands into a prepared statement"),
        ("CREATE TABLE t (a int)", "", (), "the query gives no rows; it must be one that reads"),
        ("CREATE TABLE IF NOT EXISTS t (a int)", "", (), "the query gives no rows; it must be one that reads"),
        ("SELECT 1/0", "", (), "division by zero"),
        ("SELECT generate_series(1, 6000)", "", (), "the answer has more than 5,000 values"),
        ("SELECT 1 AS v) AS q(c0); DROP TABLE x; --", "", (), 'syntax error at or near ")"'),
        ("", "", (), "the query gives no rows; it must be one that reads"),
    ],
)
async def test_poll_postgres_with_a_query_that_cannot_be_used(
    polled_postgres: PolledServer, query: str, value: str, labels: tuple[str, ...], error: str | None
) -> None:
    """The reason in the words of the server or of the product."""
    result = await ask(polled_postgres, query, value, *labels)
    expected = ItemResult("m", error=error or "no row has a number")
    assert result == expected


async def test_poll_postgres_writes_nothing(polled_postgres: PolledServer) -> None:
    """A query that writes is refused by the server even when it hides in a function; nothing of it stays."""
    made = "SELECT set_config('transaction_read_only', 'off', true), query_to_xml('CREATE TABLE hidden (a int)', true, true, '')"
    deleted = "WITH gone AS (DELETE FROM pg_catalog.pg_class RETURNING 1) SELECT count(*) FROM gone"
    source = make_source("postgres", polled_postgres, Item("a", made), Item("b", deleted), Item("c", "SELECT count(*) FROM hidden"))

    results = await poll(source)

    assert results[0].error == "transaction read-write mode must be set before any query"
    assert results[1].error == "WITH clause containing a data-modifying statement must be at the top level"
    assert results[2].error == 'relation "hidden" does not exist'


async def test_poll_postgres_each_item_by_itself(polled_postgres: PolledServer) -> None:
    """On one connection; what fails in between does not touch the others."""
    queries = ("SELECT 1", "SELECT 1/0", "SELECT 2", "nonsense", "SELECT 3")
    results = await poll(make_source("postgres", polled_postgres, *(Item(f"m{n}", query) for n, query in enumerate(queries))))

    assert [(each.samples[0].value if each.samples else None, bool(each.error)) for each in results] == [
        (1.0, False),
        (None, True),
        (2.0, False),
        (None, True),
        (3.0, False),
    ]
    assert polled_postgres.count_clients() == 0


async def test_poll_postgres_with_a_query_that_takes_long(polled_postgres: PolledServer) -> None:
    """The server itself ends it in time, and the next item is asked."""
    items = (Item("slow", "SELECT 1 AS one, pg_sleep(30)::text AS done", "one"), Item("fast", "SELECT 1"))
    results = await poll(make_source("postgres", polled_postgres, *items, seconds=0.5))

    assert results == [ItemResult("slow", error="the query takes longer than 0.5 s"), ItemResult("fast", (sample("fast", 1.0),))]
    assert polled_postgres.count_clients() == 0


async def test_poll_postgres_when_the_budget_is_over(polled_postgres: PolledServer) -> None:
    """Items that the budget does not reach are told of."""
    slow = "SELECT 1 AS one, pg_sleep(30)::text AS done"
    results = await poll(make_source("postgres", polled_postgres, Item("a", slow, "one"), Item("b", "SELECT 1")), budget_seconds=0.5)

    assert [each.error for each in results] == ["no answer within 0.5 s", "not asked: the time for the whole source is over"]


async def test_poll_postgres_cancelled(polled_postgres: PolledServer) -> None:
    """A poll that is cancelled leaves no connection behind, nor the query on the server."""
    asking = asyncio.create_task(poll(make_source("postgres", polled_postgres, Item("m", "SELECT pg_sleep(60)::text"))))
    async with asyncio.timeout(20):
        while polled_postgres.count_clients() == 0:
            await asyncio.to_thread(lambda: None)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    async with asyncio.timeout(4):
        while polled_postgres.count_clients():
            await asyncio.to_thread(lambda: None)


async def test_poll_postgres_with_wide_rows(polled_postgres: PolledServer) -> None:
    """Only what a point can hold travels: a label of 100 MB is cut before it is sent, and left out."""
    query = "SELECT repeat('x', 100000000) AS name, 1 AS value UNION ALL SELECT 'good', 2"

    assert await ask(polled_postgres, query, "value", "name", seconds=20.0) == ItemResult(
        "m", (sample("m", 2.0, name="good"),), warnings=("left out 1 of 2 values: a label over 512 characters",), skipped_count=1
    )


async def test_poll_postgres_demanding_tls(polled_postgres: PolledServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With TLS the certificate must be vouched for and issued for the host; without, it is used where the server offers it."""
    query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert await ask(polled_postgres, query) == ItemResult("m", (sample("m", 1.0),))
    refused = await ask(polled_postgres, query, tls=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(polled_postgres.authority))
    trusted = await ask(polled_postgres, query, tls=True)
    source = make_source("postgres", polled_postgres, Item("m", query), tls=True)
    object.__setattr__(source.target, "host", "127.0.0.1")
    [misnamed] = await poll(source)

    assert refused == ItemResult("m", error="the certificate is not trusted: unable to get local issuer certificate")
    assert trusted == ItemResult("m", (sample("m", 1.0),))
    assert misnamed.error.startswith("the certificate is not trusted: IP address mismatch")


async def test_poll_postgres_with_wrong_credentials(polled_postgres: PolledServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The refusal is told without the secret; no password of the poller's own surroundings is tried."""
    monkeypatch.setenv("PGPASSWORD", polled_postgres.password)

    assert await ask(polled_postgres, "SELECT 1", secret="wr0ng") == ItemResult(
        "m", error='password authentication failed for user "poller"'
    )
    assert (await ask(polled_postgres, "SELECT 1", secret="")).error != ""


async def test_poll_postgres_where_connections_may_not_lead(polled_postgres: PolledServer) -> None:
    """The policy that judges HTTP judges databases too."""
    [result] = await poll(make_source("postgres", polled_postgres, Item("m", "SELECT 1")), GLOBAL_ONLY)

    assert result == ItemResult("m", error="the host 127.0.0.1 leads to a forbidden address: it is a loopback address")
