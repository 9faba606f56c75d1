"""`lumetry bench latency`: from a point's acceptance to the arrival of the webhook that it causes.

Every point has a metric, a rule and an alert of its own, and leaves alone, so that what is measured is delay and not load. The peer gets
the same points by remote-write, evaluates the same rules each second, and notifies through Alertmanager without waiting for groups.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from lumetry_core.bench.alerting_peer import EACH_ALERT_ALONE, NAME, AlertingPeer, missing_programs, run_alerting_peer, write_samples
from lumetry_core.bench.alerting_setup import BREACHING_VALUE, LIMIT, QUIET_VALUE, create_rule, create_webhooks, make_point, send_points
from lumetry_core.bench.connection import Connection
from lumetry_core.bench.delay import Delays, match_pages, send_apart
from lumetry_core.bench.deployment import Server, make_folder, run_server
from lumetry_core.bench.measuring import median
from lumetry_core.bench.receiver import Arrival, Receiver, run_receiver
from lumetry_core.bench.report import Better, Figure, Report, disturbance_figure, disturbance_notes, is_valid
from lumetry_core.bench.sides import drain
from lumetry_core.bench.usage import Disturbance, ProcessTree, describe_machine, wait_until_idle
from lumetry_core.runtime.clock import SystemClock, to_ms

LONGEST_WAIT_SECONDS = 30.0
WARM_UP_POINTS = 10
ALLOW_LOOPBACK = ("--allow-private-webhooks",)


@dataclass(frozen=True, slots=True)
class LatencyOptions:
    """What to measure."""

    points: int = 200
    rate: float = 10.0
    rounds: int = 1
    peer: bool = True
    database_url: str = ""

    def names(self, number: int) -> list[str]:
        """The metrics of a round; round 0 warms up."""
        return [f"bench_latency_{number}_{point:05d}" for point in range(self.points if number else WARM_UP_POINTS)]

    def all_names(self) -> list[str]:
        """The metrics of all rounds."""
        return [name for number in range(self.rounds + 1) for name in self.names(number)]


class Side(Protocol):
    """A running server whose alerts page the receiver."""

    @property
    def name(self) -> str:
        """The side's name in reports."""

    @property
    def trees(self) -> Sequence[ProcessTree]:
        """The server's processes."""

    def send(self, name: str) -> None:
        """Sends the point that breaches; it was accepted when this returns."""

    def name_of(self, arrival: Arrival) -> str:
        """The point that a page is about."""


@dataclass(frozen=True, slots=True)
class LumetrySide:
    """Points over HTTP, one to a request."""

    connection: Connection
    trees: Sequence[ProcessTree]
    name: str = "lumetry"

    def send(self, name: str) -> None:
        """See `Side`."""
        send_points(self.connection, [make_point(name, SystemClock().now(), BREACHING_VALUE)])

    def name_of(self, arrival: Arrival) -> str:
        """See `Side`."""
        metric: str = arrival.json()["alert"]["metricId"]
        return metric


@dataclass(frozen=True, slots=True)
class PeerSide:
    """Samples by remote-write, one to a request."""

    connection: Connection
    trees: Sequence[ProcessTree]
    name: str = NAME

    def send(self, name: str) -> None:
        """See `Side`."""
        write_samples(self.connection, [{"__name__": name}], BREACHING_VALUE, to_ms(SystemClock().now()))

    def name_of(self, arrival: Arrival) -> str:
        """See `Side`."""
        alert: str = arrival.json()["alerts"][0]["labels"]["alertname"]
        return alert


def run_latency(options: LatencyOptions, progress: Callable[[str], None]) -> Report:
    """Measures the product, then the peer, each with the machine for itself.

    Raises:
        BenchError: A server failed, or a point caused no webhook.
    """
    machine, disturbed = describe_machine()
    missing = missing_programs() if options.peer else []
    notes = [f"no comparison: not installed: {' and '.join(missing)}"] if missing else []
    with tempfile.TemporaryDirectory(prefix="lumetry-bench-") as folder, run_receiver() as receiver:
        progress("starting the server")
        with (
            run_server(make_folder(folder, "lumetry"), options.database_url, ALLOW_LOOPBACK) as server,
            open_lumetry(server, receiver, options) as side,
        ):
            ours = measure_rounds(side, receiver, options, progress)
        theirs: list[Delays] = []
        if options.peer and not missing:
            progress("starting the peer")
            with run_peer(make_folder(folder, "peer"), receiver, options) as peer:
                notes.append(f"{peer.describe()}: samples by remote-write, rules evaluated each second, no waiting for groups")
                with Connection(peer.prometheus.address) as connection:
                    theirs = measure_rounds(PeerSide(connection, peer.trees), receiver, options, progress)
    return report_latency(options, machine, ours, theirs, [*notes, *disturbed])


@contextmanager
def open_lumetry(server: Server, receiver: Receiver, options: LatencyOptions) -> Iterator[LumetrySide]:
    """Registers the metrics, creates a rule for each and lets alerts page the receiver."""
    with server.connect() as connection:
        now = SystemClock().now()
        send_points(connection, [make_point(name, now, QUIET_VALUE) for name in options.all_names()])
        create_webhooks(connection, {"pager": receiver.url("lumetry")})
        for name in options.all_names():
            create_rule(connection, name)
        drain(server)
        wait_until_idle(server.tree)
        yield LumetrySide(connection, [server.tree])


@contextmanager
def run_peer(folder: Path, receiver: Receiver, options: LatencyOptions) -> Iterator[AlertingPeer]:
    """Starts the peer with the same rules."""
    rules = [{"alert": name, "expr": f"{name} > {LIMIT}"} for name in options.all_names()]
    with run_alerting_peer(folder, rules, receiver.url("peer"), EACH_ALERT_ALONE) as peer:
        yield peer


def measure_rounds(side: Side, receiver: Receiver, options: LatencyOptions, progress: Callable[[str], None]) -> list[Delays]:
    """Warms a side up and measures it in rounds."""
    measure(side, receiver, options.names(0), options.rate)
    found = []
    for number in range(1, options.rounds + 1):
        found.append(measure(side, receiver, options.names(number), options.rate))
        delays = found[-1].from_accepted
        progress(f"round {number}: {side.name} median {delays.p50_ms:.1f} ms, p99 {delays.p99_ms:.1f} ms")
    return found


def measure(side: Side, receiver: Receiver, names: Sequence[str], rate: float) -> Delays:
    """Sends a point of each metric and waits for all their pages."""
    since = receiver.count()
    disturbance = Disturbance(*side.trees)
    used = sum(tree.cpu_seconds() for tree in side.trees)
    sent = send_apart(side.send, names, rate)
    receiver.wait_for(since + len(names), LONGEST_WAIT_SECONDS)
    used = sum(tree.cpu_seconds() for tree in side.trees) - used
    foreign = disturbance.share()
    pages = [(side.name_of(arrival), arrival.time) for arrival in receiver.arrivals(since)]
    return match_pages(side.name, sent, pages, cpu_seconds=used, foreign_share=foreign)


def report_latency(
    options: LatencyOptions, machine: dict[str, float], ours: Sequence[Delays], theirs: Sequence[Delays], notes: Sequence[str]
) -> Report:
    """Turns measurements into figures: medians over the rounds."""
    figures = delay_figures("", ours, (125.0, 20.0), (800.0, 100.0))
    figures.append(Figure("repeated webhooks", float(sum(one.repetitions for one in ours)), "", 0.0, 0.0, Better.LOWER))
    if theirs:
        figures += delay_figures(f"{NAME}: ", theirs, None, None)
        ratio = median([one.from_accepted.p50_ms / other.from_accepted.p50_ms for one, other in zip(ours, theirs, strict=True)])
        figures.append(Figure(f"accepted → webhook, median ÷ {NAME}", ratio, better=Better.LOWER))
    foreign = max(one.foreign_share for one in (*ours, *theirs))
    figures.append(disturbance_figure(foreign))
    conditions = {name: value for name, value in asdict(options).items() if name != "database_url"} | machine
    conditions["database"] = "PostgreSQL" if options.database_url else "SQLite"
    explained = [
        "accepted → webhook: from having read the answer (our 202 follows the sync, the peer's 204 none) to having read the webhook",
        "sent → webhook: from just before sending; each point has a metric, a rule, an alert and an incident of its own",
    ]
    return Report(
        "A point's way to its webhook",
        conditions,
        figures,
        [*explained, *notes, *disturbance_notes(foreign)],
        {"lumetry": msgspec.to_builtins(ours), "peer": msgspec.to_builtins(theirs)},
        valid=is_valid(foreign),
    )


def delay_figures(
    prefix: str, rounds: Sequence[Delays], median_promise: tuple[float, float] | None, p99_promise: tuple[float, float] | None
) -> list[Figure]:
    """The quantiles of a side."""

    def figure(name: str, values: list[float], promise: tuple[float, float] | None = None) -> Figure:
        floor, goal = promise or (None, None)
        return Figure(f"{prefix}{name}", median(values), "ms", floor, goal, Better.LOWER)

    return [
        figure("accepted → webhook, median", [one.from_accepted.p50_ms for one in rounds], median_promise),
        figure("accepted → webhook, p90", [one.from_accepted.p90_ms for one in rounds]),
        figure("accepted → webhook, p99", [one.from_accepted.p99_ms for one in rounds], p99_promise),
        figure("accepted → webhook, worst", [one.from_accepted.max_ms for one in rounds]),
        figure("sent → webhook, median", [one.from_sent.p50_ms for one in rounds]),
        figure("sent → webhook, p99", [one.from_sent.p99_ms for one in rounds]),
        figure("sent → accepted, median", [one.answer.p50_ms for one in rounds]),
        figure("CPU per point", [one.cpu_seconds / one.answer.count * 1000 for one in rounds]),
    ]
