import asyncio
import threading
from collections.abc import Callable

import pytest

from lumetry_core.collectors.agent.polling.model import Item, ItemResult
from lumetry_core.runtime.addresses import GLOBAL_ONLY
from tests.core.collectors.agent.polling.asking import make_source, poll, sample
from tests.polled_servers import PolledServer


async def ask(server: PolledServer, query: str, value: str = "", *labels: str, **options: object) -> ItemResult:
    [result] = await poll(make_source("mysql", server, Item("m", query, value, labels), **options))  # type: ignore[arg-type]
    return result


async def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(holds):
            pass


async def test_poll_mysql_gives_rows(mariadb_server: PolledServer) -> None:
    """The value column with the label columns; rows without a value are left out, labels without one are absent."""
    query = "SELECT state, SUM(total) AS total, COUNT(*) AS n, MAX(is_paid) AS paid FROM orders GROUP BY state ORDER BY state;"

    assert await ask(mariadb_server, query, "total", "state", "paid") == ItemResult(
        "m",
        (sample("m", 14.75, state="open", paid="1"), sample("m", 99.99, state="sent", paid="1")),
        warnings=("left out 1 of 3 values: no number",),
        skipped_count=1,
    )


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("SELECT 7", 7.0),
        ("SELECT CAST(7.25 AS DECIMAL(10,2))", 7.25),
        ("SELECT 1.5e300", 1.5e300),
        ("SELECT TRUE", 1.0),
        ("SELECT flags FROM orders WHERE id = 1", 5.0),
        ("SELECT '42.5'", 42.5),
        ("SELECT TIMEDIFF('01:00:01', '00:00:00')", 3601.0),
        ("/* how many */ SELECT COUNT(*) FROM orders -- all of them", 4.0),
        ("WITH o AS (SELECT total FROM orders) SELECT MAX(total) FROM o", 99.99),
        ("(SELECT 1)", 1.0),
        ("VALUES (3)", 3.0),
    ],
)
async def test_poll_mysql_finds_the_only_value(mariadb_server: PolledServer, expression: str, value: float) -> None:
    """Without a value column the only number is the value, whatever its type."""
    assert await ask(mariadb_server, expression) == ItemResult("m", (sample("m", value),))


async def test_poll_mysql_shows_status(mariadb_server: PolledServer) -> None:
    """SHOW gives numbers as texts, which are numbers where they are named as the value."""
    result = await ask(mariadb_server, "SHOW GLOBAL STATUS LIKE 'Threads_c%'", "Value", "Variable_name")

    assert {each.labels["Variable_name"] for each in result.samples} == {"Threads_cached", "Threads_connected", "Threads_created"}


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("SELECT 1 AS a, 2 AS a", "two columns of the query have the same name"),
        ("SELECT nothing", "Unknown column 'nothing' in 'SELECT'"),
        ("SELECT 1; SELECT 2", "You have an error in your SQL syntax"),
        ("UPDATE orders SET total = 0", "the query must be one that reads: SELECT, WITH, SHOW, TABLE or VALUES"),
        ("DROP TABLE orders", "the query must be one that reads: SELECT, WITH, SHOW, TABLE or VALUES"),
        ("/*! DROP TABLE orders */", "the query must be one that reads: SELECT, WITH, SHOW, TABLE or VALUES"),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", "the query must be one that reads: SELECT, WITH, SHOW, TABLE or VALUES"),
        ("SELECT 1 INTO/**/OUTFILE '/tmp/x'", "the query must be one that reads: SELECT, WITH, SHOW, TABLE or VALUES"),
        ("SELECT 1 /*!50000 INTO OUTFILE '/tmp/x' */", "the query must be one that reads: SELECT, WITH, SHOW, TABLE or VALUES"),
        ("SELECT * FROM orders FOR UPDATE", "Cannot execute statement in a READ ONLY transaction"),
        ("SELECT seq FROM seq_1_to_6000", "the answer has more than 5,000 values"),
        ("SELECT REPEAT('x', 100000000) AS name", "the answer has more than 8 MiB"),
        ("", "the query must be one that reads: SELECT, WITH, SHOW, TABLE or VALUES"),
    ],
)
async def test_poll_mysql_with_a_query_that_cannot_be_used(mariadb_server: PolledServer, query: str, error: str) -> None:
    """The reason in the words of the server or of the product; nothing stays behind."""
    result = await ask(mariadb_server, query)

    assert (result.error[: len(error)], result.samples) == (error, ())
    await until(lambda: mariadb_server.count_clients() == 0)


async def test_poll_mysql_writes_nothing(mariadb_server: PolledServer) -> None:
    """What the transaction keeps from writing although it begins like a query."""
    source = make_source("mysql", mariadb_server, Item("a", "SELECT NEXTVAL(orders)"), Item("n", "SELECT COUNT(*) FROM orders"))

    results = await poll(source)

    assert (results[0].error != "", results[1].samples) == (True, (sample("n", 4.0),))


async def test_poll_mysql_each_item_by_itself(mariadb_server: PolledServer) -> None:
    """What fails in between, even so that the connection must be made anew, does not touch the others."""
    queries = ("SELECT 1", "nonsense", "SELECT 1/", "SELECT 2", "SELECT seq FROM seq_1_to_6000", "SELECT 3")
    results = await poll(make_source("mysql", mariadb_server, *(Item(f"m{n}", query) for n, query in enumerate(queries))))

    assert [each.samples[0].value if each.samples else None for each in results] == [1.0, None, None, 2.0, None, 3.0]
    await until(lambda: mariadb_server.count_clients() == 0)


async def test_poll_mysql_with_a_query_that_takes_long(mariadb_server: PolledServer) -> None:
    """The server itself ends it in time, and the next item is asked."""
    slow = "SELECT COUNT(*) FROM seq_1_to_1000000 a, seq_1_to_1000000 b WHERE a.seq * b.seq % 7 = 9"
    results = await poll(make_source("mysql", mariadb_server, Item("slow", slow), Item("fast", "SELECT 1"), seconds=0.5))

    assert results == [ItemResult("slow", error="the query takes longer than 0.5 s"), ItemResult("fast", (sample("fast", 1.0),))]
    await until(lambda: mariadb_server.count_clients() == 0)


async def test_poll_mysql_cancelled(mariadb_server: PolledServer) -> None:
    """A poll that is cancelled leaves no connection and no thread behind."""
    asking = asyncio.create_task(poll(make_source("mysql", mariadb_server, Item("m", "SELECT SLEEP(60)"), seconds=3.0)))
    await until(lambda: mariadb_server.count_clients() > 0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    await until(lambda: not any(each.name.startswith("mysql") for each in threading.enumerate()), 2.0)
    await until(lambda: mariadb_server.count_clients() == 0)


async def test_poll_mysql_demanding_tls(mariadb_server: PolledServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With TLS the certificate must be vouched for and issued for the host."""
    query = "SELECT VARIABLE_VALUE <> '' FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_cipher'"
    refused = await ask(mariadb_server, "SELECT 1", tls=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(mariadb_server.authority))
    trusted = await ask(mariadb_server, query, tls=True)
    source = make_source("mysql", mariadb_server, Item("m", query), tls=True)
    object.__setattr__(source.target, "host", "127.0.0.1")
    [misnamed] = await poll(source)

    assert refused == ItemResult("m", error="the certificate is not trusted: self-signed certificate in certificate chain")
    assert trusted == ItemResult("m", (sample("m", 1.0),))
    assert misnamed.error.startswith("the certificate is not trusted: IP address mismatch")


async def test_poll_mysql_with_wrong_credentials(mariadb_server: PolledServer) -> None:
    """The refusal is told without the secret."""
    result = await ask(mariadb_server, "SELECT 1", secret="wr0ng")

    assert result == ItemResult("m", error="Access denied for user 'poller'@'127.0.0.1' (using password: YES)")


async def test_poll_mysql_where_connections_may_not_lead(mariadb_server: PolledServer) -> None:
    """The policy that judges HTTP judges databases too."""
    [result] = await poll(make_source("mysql", mariadb_server, Item("m", "SELECT 1")), GLOBAL_ONLY)

    assert result == ItemResult("m", error="the host 127.0.0.1 leads to a forbidden address: it is a loopback address")
