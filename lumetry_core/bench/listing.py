"""`lumetry bench list`: reading alerts over HTTP while many are stored."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec

from lumetry_core.bench.connection import RATE_LIMITED, BenchError, Connection
from lumetry_core.bench.deployment import run_server
from lumetry_core.bench.report import Better, Figure, Latency, Report, disturbance_figure, disturbance_notes, is_valid, summarize_latency
from lumetry_core.bench.stored_alerts import first_organization, make_openings, recover_alerts, store_alerts
from lumetry_core.bench.usage import Disturbance, describe_machine, wait_until_idle
from lumetry_core.runtime.clock import SystemClock
from lumetry_core.runtime.database import open_database

METRICS = 1000
SPACING = timedelta(seconds=1)
OPEN_SHARE = 0.1
"""Alerts that are still open; the others recovered."""
CORRELATION_SECONDS = 900.0
WARM_UP_REQUESTS = 20
QUERIES = {
    "newest": "limit={limit}",
    "open": "limit={limit}&status=Open",
    "one metric": "limit={limit}&metricId=bench_metric_00007",
}
PROMISED_QUERY = "newest"


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What to measure."""

    alerts: int = 100_000
    requests: int = 300
    limit: int = 500
    database_url: str = ""


def run_list(options: ListOptions, progress: Callable[[str], None]) -> Report:
    """Stores alerts with the server stopped, then reads them one request after another.

    Raises:
        BenchError: A server failed or answered another number of alerts.
    """
    machine, disturbed = describe_machine()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumetry-bench-")))
        progress("preparing a deployment")
        with run_server(folder, options.database_url):
            pass  # a first start makes the schema and the organization
        progress(f"storing {options.alerts:,} alerts")
        begin = time.perf_counter()
        asyncio.run(fill(options.database_url or f"sqlite:///{folder / 'lumetry.db'}", options.alerts))
        stored_seconds = time.perf_counter() - begin
        server = stack.enter_context(run_server(folder, options.database_url))
        progress("waiting for correlation")
        begin = time.perf_counter()
        if not wait_until_idle(server.tree, longest_seconds=CORRELATION_SECONDS):
            raise BenchError(f"the server was still busy with the alerts after {CORRELATION_SECONDS:.0f} s")
        correlated_seconds = time.perf_counter() - begin
        disturbance = Disturbance(server.tree)
        with server.connect() as connection:
            found = {name: measure_query(connection, query, options, progress, name) for name, query in QUERIES.items()}
        foreign = disturbance.share()
        memory = server.tree.resident_bytes()
    figures = []
    for name, latency in found.items():
        floor, goal = (60.0, 15.0) if name == PROMISED_QUERY else (None, None)
        figures.append(Figure(f"{name}: p50", latency.p50_ms, "ms", better=Better.LOWER))
        figures.append(Figure(f"{name}: p99", latency.p99_ms, "ms", floor, goal, Better.LOWER))
    figures += [
        Figure("alerts stored", options.alerts / stored_seconds, "alerts/s"),
        Figure("memory (RSS)", memory / 1e6, "MB", better=Better.LOWER),
        disturbance_figure(foreign),
    ]
    return Report(
        f"Listing {options.limit} alerts with {options.alerts:,} stored",
        {"requests": options.requests, "database": "PostgreSQL" if options.database_url else "SQLite", **machine},
        figures,
        [
            "one connection, one request after another; answer time up to the last byte",
            f"the backlog was correlated in {correlated_seconds:.0f} s",
            *disturbed,
            *disturbance_notes(foreign),
        ],
        {"latency": msgspec.to_builtins(found), "stored_seconds": stored_seconds, "correlated_seconds": correlated_seconds},
        valid=is_valid(foreign),
    )


async def fill(url: str, count: int) -> None:
    """Stores alerts, most of them recovered, the newest still open."""
    database = open_database(url)
    try:
        organization_id = await first_organization(database)
        now = SystemClock().now()
        openings = make_openings(count, METRICS, now - count * SPACING, SPACING)
        ids = await store_alerts(database, organization_id, openings, now)
        recovered = round(count * (1 - OPEN_SHARE))
        await recover_alerts(database, organization_id, ids[:recovered], openings[:recovered], now)
    finally:
        await database.close()


def measure_query(connection: Connection, query: str, options: ListOptions, progress: Callable[[str], None], name: str) -> Latency:
    """Answer times of one query.

    Raises:
        BenchError: The newest alerts are not as many as asked for.
    """
    request = connection.head("GET", "/api/alerts?" + query.format(limit=options.limit), 0)
    count = len(connection.send_patiently(request).json(200))
    if name == PROMISED_QUERY and count != min(options.limit, options.alerts):
        raise BenchError(f"{options.limit} alerts were asked for, {count} came")
    seconds: list[float] = []
    while len(seconds) < WARM_UP_REQUESTS + options.requests:
        begin = time.perf_counter()
        answer = connection.send(request)
        ended = time.perf_counter()
        if answer.status == RATE_LIMITED:  # not a reading of the list
            time.sleep(answer.retry_after_seconds)
            continue
        if answer.status != 200:
            raise BenchError(f"the server answered {answer.status}")
        seconds.append(ended - begin)
    latency = summarize_latency(seconds[WARM_UP_REQUESTS:])
    progress(f"{name}: {count} alerts, p50 {latency.p50_ms:.1f} ms, p99 {latency.p99_ms:.1f} ms")
    return latency
