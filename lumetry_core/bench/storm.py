"""`lumetry bench storm`: everything breaks at once, and a few people are to be told once each.

Thousands of series on the hosts of a topology breach in the same second; the run follows their points to alerts, incidents and pages.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import msgspec

from lumetry_core.bench.alerting_peer import NAME, missing_programs
from lumetry_core.bench.connection import BenchError
from lumetry_core.bench.deployment import make_folder, run_server
from lumetry_core.bench.measuring import median
from lumetry_core.bench.receiver import run_receiver
from lumetry_core.bench.report import Better, Figure, Report, disturbance_figure, disturbance_notes, is_valid
from lumetry_core.bench.storm_following import INTEGRATIONS, POLL_SECONDS, Storm, measure_storm
from lumetry_core.bench.storm_peer import PeerStorm, measure_peer_storm
from lumetry_core.bench.storm_topology import NODES_PER_SERVICE, Topology, storm_series
from lumetry_core.bench.usage import describe_machine


@dataclass(frozen=True, slots=True)
class StormOptions:
    """What to measure."""

    alerts: int = 5000
    nodes: int = 500
    rounds: int = 1
    peer: bool = True
    database_url: str = ""

    @property
    def topology(self) -> Topology:
        """As many services as make up the nodes."""
        return Topology(max(1, self.nodes // NODES_PER_SERVICE))


def run_storm(options: StormOptions, progress: Callable[[str], None]) -> Report:
    """Lets a storm break loose on a fresh deployment for each round, and on the peer.

    Raises:
        BenchError: A server failed, or alerts or incidents are not those that the storm has to make.
    """
    if options.database_url and options.rounds > 1:
        raise BenchError("each round needs an empty database: give --rounds 1 with --database-url")
    machine, disturbed = describe_machine()
    missing = missing_programs() if options.peer else []
    notes = [f"no comparison: not installed: {' and '.join(missing)}"] if missing else []
    storms: list[Storm] = []
    peers: list[PeerStorm] = []
    with tempfile.TemporaryDirectory(prefix="lumetry-bench-") as folder, run_receiver() as receiver:
        for number in range(1, options.rounds + 1):
            progress("starting the server")
            with run_server(make_folder(folder, f"lumetry-{number}"), options.database_url, ("--allow-private-webhooks",)) as server:
                storms.append(measure_storm(server, receiver, options.topology, options.alerts, progress))
            if options.peer and not missing:
                progress("starting the peer")
                series = storm_series(options.topology, options.alerts)
                peers.append(measure_peer_storm(make_folder(folder, f"peer-{number}"), receiver, series))
    return report_storm(options, machine, storms, peers, [*notes, *disturbed])


def report_storm(
    options: StormOptions, machine: dict[str, float], storms: Sequence[Storm], peers: Sequence[PeerStorm], notes: Sequence[str]
) -> Report:
    """Turns storms into figures: medians of times, the worst of counts."""

    def seconds(name: str, values: list[float], floor: float | None = None, goal: float | None = None) -> Figure:
        return Figure(name, median(values), "s", floor, goal, Better.LOWER)

    figures = [
        seconds("last 202 → all alerts in incidents", [one.correlated - one.accepted for one in storms], 5.0, 1.0),
        seconds("first point sent → last 202", [one.accepted for one in storms]),
        seconds("first point sent → all alerts open", [one.opened for one in storms]),
        seconds("first point sent → all alerts in incidents", [one.correlated for one in storms]),
        seconds("first point sent → first page", [one.first_page for one in storms]),
        seconds("first point sent → last page", [one.last_page for one in storms]),
        seconds("CPU until nothing is left to do", [one.cpu_seconds for one in storms]),
        Figure("incidents", float(storms[0].incidents)),
        Figure("pages per incident and integration, most", float(max(one.most_pages for one in storms)), "", 1.0, 1.0, Better.LOWER),
        Figure("pages per incident and integration, fewest", float(min(one.fewest_pages for one in storms)), "", 1.0, 1.0),
        Figure("repeated idempotency keys", float(max(one.repetitions for one in storms)), "", 0.0, 0.0, Better.LOWER),
    ]
    if peers:
        figures.append(seconds(f"{NAME}: first sample sent → a page for each service", [one.last_page for one in peers]))
        figures.append(seconds(f"{NAME}: CPU until the last page", [one.cpu_seconds for one in peers]))
    foreign = max([one.foreign_share for one in storms] + [one.foreign_share for one in peers])
    figures.append(disturbance_figure(foreign))
    conditions = {name: value for name, value in asdict(options).items() if name != "database_url"} | machine
    conditions["database"] = "PostgreSQL" if options.database_url else "SQLite"
    explained = [
        f"{options.alerts:,} series on hosts of {options.topology.services} services breach at once; services share nothing",
        f"sent in batches of 1,000 on one connection; {len(INTEGRATIONS)} integrations, both webhooks to one receiver",
        f"times after the last 202 were polled each {POLL_SECONDS * 1000:.0f} ms, pages noted by their receiver",
        *(f"{one.versions}: grouped by a label that the samples carry, which spares it the topology" for one in peers[:1]),
    ]
    return Report(
        f"Storm of {options.alerts:,} alerts",
        conditions,
        figures,
        [*explained, *notes, *disturbance_notes(foreign)],
        {"storms": msgspec.to_builtins(storms), "peer": msgspec.to_builtins(peers)},
        valid=is_valid(foreign),
    )
