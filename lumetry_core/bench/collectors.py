"""`lumetry bench collectors`: what a fleet of collectors costs the server, and whether it keeps up."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from lumetry_core.bench.collectors_fleet import MEMBERS, Tally, enroll_all, metric_key, run_fleet
from lumetry_core.bench.connection import BenchError
from lumetry_core.bench.deployment import Server, make_folder, run_server
from lumetry_core.bench.ingest import create_rules
from lumetry_core.bench.monitors_streams import raise_file_limit
from lumetry_core.bench.report import Better, Figure, Report, disturbance_figure, disturbance_notes, is_valid, summarize_latency
from lumetry_core.bench.usage import Disturbance, describe_machine, wait_until, wait_until_idle

MEGABYTE = 1e6
DRAIN_SECONDS = 60.0
MIN_CARDINALITY = 500


@dataclass(frozen=True, slots=True)
class CollectorOptions:
    """What to measure."""

    collectors: int = 1000
    points: int = 100
    interval_seconds: float = 10.0
    rounds: int = 6
    rules: int = 100
    watch: bool = True
    database_url: str = ""


@dataclass(frozen=True, slots=True)
class Living:
    """What a fleet took."""

    tally: Tally
    elapsed: float
    cpu_share: float
    evaluated: int
    online: int
    memory_bytes: int
    foreign_share: float


def run_collectors(options: CollectorOptions, progress: Callable[[str], None]) -> Report:
    """Registers and enrolls a fleet on a fresh deployment and lets it live.

    Raises:
        BenchError: A server failed, or a call did.
    """
    machine, disturbed = describe_machine()
    raise_file_limit(options.collectors)
    with tempfile.TemporaryDirectory(prefix="lumetry-bench-") as folder:
        progress("starting the server")
        with run_server(make_folder(folder, "lumetry"), options.database_url) as server:
            progress(f"registering and enrolling {options.collectors} collectors")
            fleet = asyncio.run(enroll_all(server.grpc, register(server, options.collectors)))
            define_metrics(server, options)
            progress("first interval: all series are new")
            asyncio.run(run_fleet(server.grpc, fleet, **options_of_round(options, 0)))
            create_rules(server, [metric_key(index) for index in range(0, options.points, MEMBERS)], options.rules)
            wait_until_idle(server.tree, share=0.5)
            progress(f"{options.rounds} intervals of {options.interval_seconds:.0f} s after those in which everything is opened")
            before = count_evaluated(server)
            meter = Meter(server)
            tally = asyncio.run(
                run_fleet(server.grpc, fleet, **options_of_round(options, options.rounds), on_begin=meter.begin, on_end=meter.end)
            )
            elapsed = options.interval_seconds * options.rounds
            due = (1 + options.rounds) * len(fleet)
            wait_until(lambda: count_evaluated(server) - before >= due, longest_seconds=DRAIN_SECONDS)
            with server.connect() as connection:
                online = sum(one["isOnline"] for one in connection.request("GET", "/api/collectors").json(200))
            living = Living(
                tally,
                elapsed,
                meter.cpu_seconds / elapsed,
                count_evaluated(server) - before - len(fleet),
                online,
                server.tree.resident_bytes(),
                meter.foreign_share,
            )
    if tally.failures:
        raise BenchError(f"{len(tally.failures)} calls failed, the first with {tally.failures[0]}")
    return report_collectors(options, machine, living, disturbed)


class Meter:
    """What the server and others take between two moments."""

    def __init__(self, server: Server) -> None:
        self._tree = server.tree
        self._disturbance = Disturbance(server.tree)
        self.cpu_seconds = 0.0
        self.foreign_share = 0.0

    def begin(self) -> None:
        """Notes the first moment."""
        self._disturbance = Disturbance(self._tree)
        self.cpu_seconds = -self._tree.cpu_seconds()

    def end(self) -> None:
        """Notes the second."""
        self.cpu_seconds += self._tree.cpu_seconds()
        self.foreign_share = self._disturbance.share()


def options_of_round(options: CollectorOptions, rounds: int) -> dict[str, Any]:
    """How a fleet lives."""
    return {"interval_seconds": options.interval_seconds, "points": options.points, "rounds": rounds, "watch": options.watch}


def register(server: Server, count: int) -> list[str]:
    """Registers collectors; answers their enrollment tokens."""
    with server.connect() as connection:
        return [
            connection.request("POST", "/api/collectors", {"name": f"bench {number:05d}"}).json(201)["enrollmentToken"]
            for number in range(count)
        ]


def define_metrics(server: Server, options: CollectorOptions) -> None:
    """Defines the metrics as whoever watches so many hosts must: with room for the members of all of them."""
    with server.connect() as connection:
        for index in range(0, options.points, MEMBERS):
            definition = {
                "metricKey": metric_key(index),
                "metricMode": "multidimensional",
                "dimensionKeys": ["device", "host.id"],
                "maxCardinality": max(MIN_CARDINALITY, MEMBERS * options.collectors),
            }
            connection.request("POST", "/api/metric-definitions", definition).json(201)


def count_evaluated(server: Server) -> int:
    """Batches that were evaluated so far."""
    with server.connect() as connection:
        summary = connection.request("GET", "/api/evaluation-jobs/summary").json(200)
    return int(summary["completed"])


def report_collectors(options: CollectorOptions, machine: dict[str, float], living: Living, notes: Sequence[str]) -> Report:
    """Turns what was measured into figures."""
    tally = living.tally
    beats, uploads = summarize_latency(tally.heartbeats), summarize_latency(tally.uploads)
    lag = summarize_latency(tally.delays)
    due = options.rounds * options.collectors

    def lower(name: str, value: float, unit: str, floor: float | None = None, goal: float | None = None) -> Figure:
        return Figure(name, value, unit, floor, goal, Better.LOWER)

    figures = [
        lower("CPU of the server", living.cpu_share * 100, "% of a core", 50.0, 25.0),
        lower("calls not answered within an interval", float(tally.missed), "", 0.0, 0.0),
        Figure("batches evaluated", float(living.evaluated), "", float(due), float(due)),
        Figure("collectors online at the end", float(living.online), "", float(options.collectors), float(options.collectors)),
        Figure("points accepted", tally.points / living.elapsed, "points/s"),
        lower("heartbeat answered: p50", beats.p50_ms, "ms"),
        lower("heartbeat answered: p99", beats.p99_ms, "ms"),
        lower("upload answered, synced: p50", uploads.p50_ms, "ms"),
        lower("upload answered, synced: p99", uploads.p99_ms, "ms"),
        lower("lag of the generator: p99", lag.p99_ms, "ms"),
        lower("memory (RSS)", living.memory_bytes / MEGABYTE, "MB"),
        disturbance_figure(living.foreign_share),
    ]
    conditions: dict[str, Any] = {name: value for name, value in asdict(options).items() if name != "database_url"} | machine
    conditions["database"] = "PostgreSQL" if options.database_url else "SQLite"
    explained = [
        "each collector has a connection of its own, sends a heartbeat and a batch of points per interval"
        + (" and holds the stream for configuration and work open" if options.watch else ""),
        "CPU: every process of the server, evaluation of all batches included, once series are known and connections open",
    ]
    return Report(
        f"{options.collectors:,} collectors, {options.points} points each per {options.interval_seconds:.0f} s",
        conditions,
        figures,
        [*explained, *notes, *disturbance_notes(living.foreign_share)],
        {
            "elapsed": living.elapsed,
            "missed": tally.missed,
            "heartbeats": msgspec.to_builtins(beats),
            "uploads": msgspec.to_builtins(uploads),
        },
        valid=is_valid(living.foreign_share),
    )
