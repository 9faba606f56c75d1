"""`lumetry bench ingest`: points from acceptance to evaluation, beside Prometheus in the same run when asked."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from lumetry_core.bench.connection import BenchError
from lumetry_core.bench.decoding import measure_decoding, sample_body
from lumetry_core.bench.deployment import Server, make_folder, run_prometheus, run_server
from lumetry_core.bench.findings import Findings, report_ingest
from lumetry_core.bench.measuring import Stored, Timeline, measure_latency, measure_throughput, median, warm_up
from lumetry_core.bench.payload import STEP_MS, Series, ValuePool, make_series
from lumetry_core.bench.report import Report
from lumetry_core.bench.sides import CallSide, JsonSide, PrometheusSide, Side, StreamSide, Workload
from lumetry_core.bench.usage import describe_machine, wait_until_idle
from lumetry_core.runtime.clock import SystemClock, from_ms, to_ms

HISTORY_MS = 30 * 60_000
"""How long ago the first point lies, so that none gets ahead of the present."""
GUARD_SECONDS = 0.5
WARM_UP_SECONDS = 2.0
UNREACHED_LIMIT = 1_000_000
CHECKED_POINTS = 20_000
"""Points of one series that are read back; the contract (5.4) answers at most 50,000."""


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """What to measure. `transport` is `json`, `grpc`, `both`, `unary` or `all`; `peer` is empty or `prometheus`."""

    transport: str = "json"
    seconds: float = 10.0
    batch: int = 1000
    series: int = 1000
    rules: int = 100
    rounds: int = 2
    connections: int = 8
    in_flight: int = 8
    coalesce: int = 1
    peer: str = ""
    database_url: str = ""


def run_ingest(options: IngestOptions, progress: Callable[[str], None]) -> Report:
    """Starts the servers, loads them in alternating rounds and reports.

    Raises:
        BenchError: A server failed, lost points or did not keep up within minutes.
    """
    if options.series < options.connections:
        raise BenchError("there must be a series for every connection")
    now_ms = to_ms(SystemClock().now())
    workload = Workload(make_series(options.series), options.batch, options.connections, ValuePool())
    findings = Findings()
    machine, disturbed = describe_machine()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumetry-bench-")))
        progress("starting the server")
        server = stack.enter_context(run_server(make_folder(folder, "lumetry"), options.database_url))
        sides: list[Side] = []
        if options.transport in ("json", "both", "all"):
            sides.append(JsonSide(server, workload))
        if options.transport in ("grpc", "both", "all"):
            sides.append(StreamSide(server, workload, options.in_flight))
        if options.transport in ("unary", "all"):
            sides.append(CallSide(server, workload, options.coalesce))
        if options.peer:
            peer = stack.enter_context(run_prometheus(make_folder(folder, "prometheus")))
            sides.append(PrometheusSide(peer, workload))
            findings.versions["prometheus"] = peer.version
        wait_until_idle(server.tree)
        note_memory(findings, sides, "at rest")
        timelines = {side.timeline: Timeline(now_ms - HISTORY_MS, lambda: to_ms(SystemClock().now())) for side in sides}
        prepare(server, sides, timelines, workload.series, options, progress)
        body = sample_body(list(workload.series), options.batch, workload.pool, now_ms)
        for number in range(1, options.rounds + 1):
            findings.decoding.append(measure_decoding(body, GUARD_SECONDS))
            for side in sides:
                measure_round(server, side, timelines[side.timeline], options, findings, progress, number)
        for side in sides[: len(sides) - bool(options.peer)]:
            rate = median([one.end_to_end_per_second for one in findings.of(side.name)]) / 2
            points = message_points(side, options)
            progress(f"latency of {side.name} at {rate:,.0f} points/s")
            findings.latency.append(measure_latency(side, timelines[side.timeline], options.seconds, rate / points, points))
        note_memory(findings, sides, "after")
    conditions = {name: value for name, value in asdict(options).items() if name != "database_url"} | machine
    conditions["database"] = "PostgreSQL" if options.database_url else "SQLite"
    return report_ingest(conditions, findings, [side.name for side in sides], disturbed)


def message_points(side: Side, options: IngestOptions) -> int:
    """Points in one message of a side."""
    return options.batch * (options.coalesce if isinstance(side, CallSide) else 1)


def note_memory(findings: Findings, sides: Sequence[Side], moment: str) -> None:
    """Writes down the memory of every server; sides of one server share it."""
    for side in sides:
        sizes = {"rss": side.tree.resident_bytes(), "pss": side.tree.proportional_bytes()}
        findings.memory.setdefault(side.timeline, {}).update({f"{kind} {moment}": size for kind, size in sizes.items()})


def prepare(
    server: Server,
    sides: Sequence[Side],
    timelines: dict[str, Timeline],
    series: Sequence[Series],
    options: IngestOptions,
    progress: Callable[[str], None],
) -> None:
    """Registers the series, creates the rules and warms every side up."""
    progress("registering series and creating rules")
    warm_up(sides[0], timelines[sides[0].timeline], 0.5)
    create_rules(server, sorted({one.metric_key for one in series}), options.rules)
    for side in sides:
        warm_up(side, timelines[side.timeline], WARM_UP_SECONDS)
        wait_until_idle(side.tree)


def create_rules(server: Server, metric_keys: Sequence[str], count: int) -> None:
    """Creates static rules, spread over the metrics, whose limits no point reaches."""
    with server.connect() as connection:
        for number in range(count):
            rule = {
                "name": f"bench rule {number}",
                "metricId": metric_keys[number % len(metric_keys)],
                "type": "Static",
                "direction": "Both",
                "staticUpper": UNREACHED_LIMIT,
                "staticLower": -UNREACHED_LIMIT,
                "alertLevels": [{"severity": "Warning", "triggerCount": 3, "triggerWindowMinutes": 5, "recoveryMinutes": 5}],
            }
            connection.request("POST", "/api/rules", rule).json(201)


def measure_round(
    server: Server, side: Side, timeline: Timeline, options: IngestOptions, findings: Findings, progress: Callable[[str], None], number: int
) -> None:
    """Measures one side once and, on Lumetry, reads a series back."""
    per_lane = options.series // options.connections
    if isinstance(side, StreamSide):
        per_lane = max(1, per_lane // options.in_flight)
    throughput, stored = measure_throughput(side, timeline, options.seconds, per_lane, message_points(side, options))
    findings.throughput.append(throughput)
    progress(
        f"round {number}: {side.name} {throughput.points_per_second:,.0f} points/s accepted, "
        f"{throughput.end_to_end_per_second:,.0f} end to end, {throughput.cpu_seconds_per_million:.2f} CPU-s per million"
    )
    if not isinstance(side, PrometheusSide):
        check_stored(server, make_series(1)[0], stored)


def check_stored(server: Server, series: Series, stored: Stored) -> None:
    """Reads the first points of a phase back.

    Raises:
        BenchError: Points that were accepted are not there.
    """
    count = min(stored.point_count, CHECKED_POINTS)
    query = {
        "dimensionKey": f"host={series.host}|region={series.region}",
        "from": from_ms(stored.start_ms).isoformat(),
        "to": from_ms(stored.start_ms + (count - 1) * STEP_MS).isoformat(),
    }
    with server.connect() as connection:
        answer = connection.request("GET", f"/api/metrics/{quote(series.metric_key, safe='')}/series?{urlencode(query)}")
    found = len(answer.json(200))
    if found != count:
        raise BenchError(f"{count} points of a series were accepted, {found} are stored")
