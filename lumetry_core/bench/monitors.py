"""`lumetry bench monitors`: what watching endpoints, heartbeats and certificates takes, and how many pings and streams are served."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import msgspec

from lumetry_core.bench.connection import RATE_LIMITED, BenchError, Connection
from lumetry_core.bench.deployment import Server, make_folder, run_server
from lumetry_core.bench.load import run_closed_loop
from lumetry_core.bench.monitors_pings import PingSender
from lumetry_core.bench.monitors_setup import create_certificates, create_endpoints, create_heartbeats
from lumetry_core.bench.monitors_streams import raise_file_limit, run_streams
from lumetry_core.bench.monitors_targets import run_tls_server
from lumetry_core.bench.receiver import Arrival, Receiver, run_receiver
from lumetry_core.bench.report import Better, Figure, Latency, Report, disturbance_figure, disturbance_notes, is_valid, summarize_latency
from lumetry_core.bench.usage import Disturbance, describe_machine, wait_until_idle

MEGABYTE = 1e6
LISTS = ("endpoints", "heartbeats", "certificates")
LIST_REQUESTS = 150
WARM_UP_REQUESTS = 10
PINGS_PER_HEARTBEAT = 8.0
"""Per second, below what one heartbeat may get."""
WANTED_PINGS = 12_000.0
"""So many per second the limits of all heartbeats together let through."""


@dataclass(frozen=True, slots=True)
class MonitorOptions:
    """What to measure."""

    endpoints: int = 1000
    heartbeats: int = 500
    certificates: int = 300
    streams: int = 1000
    seconds: float = 60.0
    interval_seconds: int = 30
    ping_seconds: float = 5.0
    connections: int = 64
    database_url: str = ""


@dataclass(frozen=True, slots=True)
class Watching:
    """What the steady watching of all monitors took."""

    late: Latency
    checks_per_second: float
    cpu_share: float
    memory_bytes: int
    proportional_bytes: int
    foreign_share: float


@dataclass(frozen=True, slots=True)
class Pinging:
    """What pings as fast as they are answered came to."""

    per_second: float
    answer: Latency
    refused: int
    foreign_share: float


@dataclass(frozen=True, slots=True)
class Streaming:
    """What clients of the public event stream took."""

    opened: int
    received: int
    before_bytes: int
    opened_bytes: int
    after_bytes: int


def run_monitors(options: MonitorOptions, progress: Callable[[str], None]) -> Report:
    """Watches everything on a fresh deployment, then pings and streams.

    Raises:
        BenchError: A server failed, or checks were not made.
    """
    machine, disturbed = describe_machine()
    raise_file_limit(options.streams)
    with tempfile.TemporaryDirectory(prefix="lumetry-bench-") as folder, run_receiver() as target, run_tls_server() as tls:
        progress("starting the server")
        with run_server(make_folder(folder, "lumetry"), options.database_url) as server:
            with server.connect() as connection:
                progress(f"creating {options.endpoints} endpoints, {options.heartbeats} heartbeats, {options.certificates} certificates")
                create_certificates(connection, tls, options.certificates)
                beats = create_heartbeats(connection, options.heartbeats)
                create_endpoints(connection, target, options.endpoints, options.interval_seconds)
            watching = measure_watching(server, target, options, progress)
            lists = measure_lists(server, progress)
            with server.connect() as connection:
                missing = int(WANTED_PINGS / PINGS_PER_HEARTBEAT) - len(beats)
                progress(f"creating {max(missing, 0)} more heartbeats for pings")
                beats += create_heartbeats(connection, max(missing, 0), first=options.heartbeats)
            pinging = measure_pings(server, beats, options, progress)
            streaming = measure_streams(server, beats, options, progress)
    return report_monitors(options, machine, watching, lists, pinging, streaming, disturbed)


def measure_watching(server: Server, target: Receiver, options: MonitorOptions, progress: Callable[[str], None]) -> Watching:
    """Waits while everything is watched.

    Raises:
        BenchError: Some endpoints were not checked twice.
    """
    progress(f"watching for {options.interval_seconds + options.seconds:.0f} s")
    time.sleep(options.interval_seconds)  # every endpoint has its place in the schedule now
    disturbance, used, begin = Disturbance(server.tree), server.tree.cpu_seconds(), time.perf_counter()
    seen = target.count()
    time.sleep(options.seconds)
    elapsed = time.perf_counter() - begin
    cpu = server.tree.cpu_seconds() - used
    late, unchecked = find_lateness(target.arrivals(), options.interval_seconds)
    if unchecked:
        raise BenchError(f"{unchecked} endpoints were checked less than twice: give --seconds a number above the interval")
    found = Watching(
        summarize_latency(late),
        (target.count() - seen) / elapsed,
        cpu / elapsed,
        server.tree.resident_bytes(),
        server.tree.proportional_bytes(),
        disturbance.share(),
    )
    progress(f"late start p99 {found.late.p99_ms:.0f} ms, {found.cpu_share:.0%} of a core, {found.memory_bytes / MEGABYTE:.0f} MB")
    return found


def find_lateness(arrivals: Sequence[Arrival], interval_seconds: float) -> tuple[list[float], int]:
    """By how much checks came later than one interval after the one before, and how many endpoints were not checked twice.

    The first interval of an endpoint does not count: its checks are spread when it is new.
    """
    times: dict[str, list[float]] = {}
    for arrival in arrivals:
        times.setdefault(arrival.path, []).append(arrival.time)
    late = [max(0.0, later - earlier - interval_seconds) for moments in times.values() for earlier, later in pairwise(moments[1:])]
    return late, sum(len(moments) < 3 for moments in times.values())


def measure_lists(server: Server, progress: Callable[[str], None]) -> dict[str, Latency]:
    """Answer times of the lists of monitors while all of them are watched."""
    found = {}
    with server.connect() as connection:
        for name in LISTS:
            found[name] = measure_list(connection, f"/api/v1/{name}")
            progress(f"GET /api/v1/{name}: p99 {found[name].p99_ms:.0f} ms")
    return found


def measure_list(connection: Connection, path: str) -> Latency:
    """Answer times of one list.

    Raises:
        BenchError: It was not answered.
    """
    request = connection.head("GET", path, 0)
    seconds: list[float] = []
    while len(seconds) < WARM_UP_REQUESTS + LIST_REQUESTS:
        begin = time.perf_counter()
        answer = connection.send(request)
        ended = time.perf_counter()
        if answer.status == RATE_LIMITED:  # not a reading of the list
            time.sleep(answer.retry_after_seconds)
            continue
        if answer.status != 200:
            raise BenchError(f"{path} was answered {answer.status}")
        seconds.append(ended - begin)
    return summarize_latency(seconds[WARM_UP_REQUESTS:])


def measure_pings(server: Server, uuids: Sequence[str], options: MonitorOptions, progress: Callable[[str], None]) -> Pinging:
    """Pings over many connections as fast as they are answered."""
    wait_until_idle(server.tree, share=1.0)
    disturbance = Disturbance(server.tree)
    senders = [PingSender(server.connect(), uuids[number :: options.connections]) for number in range(options.connections)]
    load = run_closed_loop(senders, options.ping_seconds)
    found = Pinging(
        load.accepted_points / (load.end - load.start), summarize_latency(load.answer_seconds), load.refused_messages, disturbance.share()
    )
    progress(f"{found.per_second:,.0f} pings/s, p99 {found.answer.p99_ms:.0f} ms, {found.refused} refused")
    return found


def measure_streams(server: Server, uuids: Sequence[str], options: MonitorOptions, progress: Callable[[str], None]) -> Streaming:
    """Opens clients of the public event stream and lets them listen while things happen."""
    wait_until_idle(server.tree, share=1.0)
    before = server.tree.resident_bytes()
    with run_streams(server.http, options.streams) as streams, server.connect() as connection:
        opened = server.tree.resident_bytes()
        sender = PingSender(connection, uuids[:100])
        run_closed_loop([sender], min(options.seconds, 15.0))
        after = server.tree.resident_bytes()
        found = Streaming(streams.opened, streams.received, before, opened, after)
    progress(f"{found.opened} streams, memory {before / MEGABYTE:.0f} → {opened / MEGABYTE:.0f} → {after / MEGABYTE:.0f} MB")
    return found


def report_monitors(
    options: MonitorOptions,
    machine: dict[str, float],
    watching: Watching,
    lists: dict[str, Latency],
    pinging: Pinging,
    streaming: Streaming,
    notes: Sequence[str],
) -> Report:
    """Turns what was measured into figures."""

    def lower(name: str, value: float, unit: str, floor: float | None = None, goal: float | None = None) -> Figure:
        return Figure(name, value, unit, floor, goal, Better.LOWER)

    per_client = (streaming.opened_bytes - streaming.before_bytes) / max(streaming.opened, 1) / 1000
    figures = [
        lower("late start of checks: p50", watching.late.p50_ms, "ms"),
        lower("late start of checks: p99", watching.late.p99_ms, "ms", 1000.0, 250.0),
        Figure("checks", watching.checks_per_second, "checks/s"),
        lower("CPU while watching", watching.cpu_share * 100, "% of a core", 100.0, 50.0),
        lower("memory while watching (RSS)", watching.memory_bytes / MEGABYTE, "MB", 300.0, 250.0),
        lower("memory while watching (PSS)", watching.proportional_bytes / MEGABYTE, "MB"),
        *(lower(f"GET /api/v1/{name}: p99", found.p99_ms, "ms", 100.0, 50.0) for name, found in lists.items()),
        Figure("pings accepted", pinging.per_second, "pings/s", 5000.0, 8000.0),
        lower("p99 of a ping's answer", pinging.answer.p99_ms, "ms"),
        Figure("event streams open", float(streaming.opened), "", float(options.streams), float(options.streams)),
        lower("memory of a stream", per_client, "kB"),
        lower("growth while streaming", (streaming.after_bytes - streaming.opened_bytes) / MEGABYTE, "MB", 20.0, 5.0),
    ]
    foreign = max(watching.foreign_share, pinging.foreign_share)
    figures.append(disturbance_figure(foreign))
    conditions: dict[str, Any] = {name: value for name, value in asdict(options).items() if name != "database_url"} | machine
    conditions["database"] = "PostgreSQL" if options.database_url else "SQLite"
    explained = [
        "late start: how much later than one interval after the one before a check arrived at its target, as the target saw it",
        "a ping is answered when it is stored and synced; pings go to so many heartbeats that no limit of one holds them up",
        "lists: one connection, one request after another, every monitor on one page, while all of them are watched",
        "memory: every process of the server; RSS counts a shared page for each, PSS once",
    ]
    return Report(
        f"{options.endpoints:,} endpoints, {options.heartbeats:,} heartbeats, {options.certificates:,} certificates",
        conditions,
        figures,
        [*explained, *notes, *disturbance_notes(foreign)],
        {
            "watching": msgspec.to_builtins(watching),
            "lists": msgspec.to_builtins(lists),
            "pinging": msgspec.to_builtins(pinging),
            "streaming": msgspec.to_builtins(streaming),
        },
        valid=is_valid(foreign),
    )
