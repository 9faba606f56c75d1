"""Follows a storm through a deployment: from points to alerts, to incidents, to pages."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lumetry_core.bench.alerting_setup import (
    BREACHING_VALUE,
    QUIET_VALUE,
    create_rule,
    create_webhooks,
    import_topology,
    make_point,
    read_list,
    send_points,
)
from lumetry_core.bench.connection import BenchError, Connection
from lumetry_core.bench.deployment import Server
from lumetry_core.bench.receiver import Arrival, Receiver, count_repetitions
from lumetry_core.bench.sides import drain
from lumetry_core.bench.storm_topology import StormSeries, Topology, storm_series
from lumetry_core.bench.usage import Disturbance, wait_until, wait_until_idle
from lumetry_core.runtime.clock import SystemClock

INTEGRATIONS = ("pager", "desk")
LONGEST_SECONDS = 60.0
POLL_SECONDS = 0.02
LIST_LIMIT = 5000
SETTLE_SECONDS = 2.0
"""Openings may be held back for a second to see whether they belong to a storm; a page that comes then is one too many."""


@dataclass(frozen=True, slots=True)
class Storm:
    """How one storm was worked off. Seconds count from the first request's sending."""

    accepted: float
    """Until the last 202."""
    opened: float
    """Until all points were judged, which opened the alerts."""
    correlated: float
    """Until every alert was in an incident."""
    first_page: float
    last_page: float
    incidents: int
    pages: int
    most_pages: int
    """For one incident and integration."""
    fewest_pages: int
    repetitions: int
    """Arrivals with an idempotency key that had arrived before."""
    cpu_seconds: float
    """Of the server's processes, until nothing was left to do."""
    foreign_share: float


def measure_storm(server: Server, receiver: Receiver, topology: Topology, alerts: int, progress: Callable[[str], None]) -> Storm:
    """Prepares a deployment, lets the storm break loose and watches it."""
    series = storm_series(topology, alerts)
    with server.connect() as connection:
        progress(f"preparing {alerts:,} series on {len(topology.nodes()):,} nodes")
        prepare(connection, topology, series, receiver)
        drain(server)
        wait_until_idle(server.tree)
        since, disturbance, used = receiver.count(), Disturbance(server.tree), server.tree.cpu_seconds()
        points = make_points(series, BREACHING_VALUE)
        begin = time.perf_counter()
        send_points(connection, points)
        accepted = time.perf_counter() - begin
        drain(server)
        opened = time.perf_counter() - begin
        correlated = wait_until_correlated(connection, alerts) - begin
        await_pages(connection, receiver, since, topology.services * len(INTEGRATIONS))
        foreign = disturbance.share()
        time.sleep(SETTLE_SECONDS)
        wait_until_idle(server.tree)
        used = server.tree.cpu_seconds() - used
        incidents = check_result(connection, topology, alerts)
    arrivals = receiver.arrivals(since)
    pages = count_pages(arrivals, incidents)
    storm = Storm(
        accepted=accepted,
        opened=opened,
        correlated=correlated,
        first_page=arrivals[0].time - begin,
        last_page=arrivals[-1].time - begin,
        incidents=len(incidents),
        pages=len(arrivals),
        most_pages=max(pages.values()),
        fewest_pages=min(pages.values()),
        repetitions=count_repetitions(arrivals),
        cpu_seconds=used,
        foreign_share=foreign,
    )
    progress(
        f"accepted after {storm.accepted:.2f} s, alerts after {storm.opened:.2f} s, "
        f"{storm.incidents} incidents after {storm.correlated:.2f} s, {storm.pages} pages after {storm.last_page:.2f} s"
    )
    return storm


def prepare(connection: Connection, topology: Topology, series: Sequence[StormSeries], receiver: Receiver) -> None:
    """Imports the topology, registers the series, and makes the rules that they breach and those that are told."""
    import_topology(connection, topology.nodes(), topology.edges())
    send_points(connection, make_points(series, QUIET_VALUE))
    create_webhooks(connection, {name: receiver.url(name) for name in INTEGRATIONS})
    for metric_key in sorted({one.metric_key for one in series}):
        create_rule(connection, metric_key)


def make_points(series: Sequence[StormSeries], value: float) -> list[dict[str, Any]]:
    """A present point of each series."""
    now = SystemClock().now()
    return [make_point(one.metric_key, now, value, {"host.id": one.host}) for one in series]


def wait_until_correlated(connection: Connection, alerts: int) -> float:
    """Waits until incidents hold all alerts.

    Returns:
        The time at which they did.

    Raises:
        BenchError: It took too long.
    """
    counts: list[int] = []

    def is_done() -> bool:
        counts[:] = [incident["alertCount"] for incident in read_list(connection, f"/api/incidents?limit={LIST_LIMIT}")]
        return sum(counts) >= alerts

    if not wait_until(is_done, longest_seconds=LONGEST_SECONDS, poll_seconds=POLL_SECONDS):
        raise BenchError(f"{sum(counts)} of {alerts} alerts were in {len(counts)} incidents after {LONGEST_SECONDS:.0f} s")
    return time.perf_counter()


def await_pages(connection: Connection, receiver: Receiver, since: int, at_least: int) -> None:
    """Waits until every due page has arrived: as many as there must be, and no delivery waits.

    Raises:
        BenchError: It took too long.
    """

    def is_done() -> bool:
        if receiver.count() - since < at_least:
            return False
        return not read_list(connection, "/api/alerting/deliveries?status=Pending&limit=1")

    if not wait_until(is_done, longest_seconds=LONGEST_SECONDS, poll_seconds=POLL_SECONDS):
        raise BenchError(f"{receiver.count() - since} of {at_least} pages arrived within {LONGEST_SECONDS:.0f} s")


def check_result(connection: Connection, topology: Topology, alerts: int) -> list[int]:
    """The incidents' ids.

    Raises:
        BenchError: There are more or fewer alerts than series, or incidents than services, or an alert belongs to no incident.
    """
    incidents = read_list(connection, f"/api/incidents?limit={LIST_LIMIT}")
    if len(incidents) != topology.services or len({one["primaryServiceNodeId"] for one in incidents}) != len(incidents):
        raise BenchError(f"{len(incidents)} incidents were made of {topology.services} services")
    if (held := sum(one["alertCount"] for one in incidents)) != alerts:
        raise BenchError(f"the incidents hold {held} alerts instead of {alerts}")
    newest = read_list(connection, f"/api/alerts?limit={LIST_LIMIT}")
    if strangers := [alert["id"] for alert in newest if alert["incidentId"] is None]:
        raise BenchError(f"{len(strangers)} alerts are in no incident, {strangers[0]} for one")
    return [one["id"] for one in incidents]


def count_pages(arrivals: Sequence[Arrival], incidents: Sequence[int]) -> Counter[tuple[str, int]]:
    """Pages for each integration and incident, none counted as zero.

    Raises:
        BenchError: A page belongs to no incident.
    """
    counts = Counter({(name, incident): 0 for name in INTEGRATIONS for incident in incidents})
    for arrival in arrivals:
        incident: dict[str, Any] | None = arrival.json()["incident"]
        if incident is None:
            raise BenchError(f"the page {arrival.key} names no incident")
        counts[arrival.path, incident["id"]] += 1
    return counts
