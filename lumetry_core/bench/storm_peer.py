"""The storm as the peer sees it: the same samples, grouped by a label that names their service."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lumetry_core.bench.alerting_peer import run_alerting_peer, write_samples
from lumetry_core.bench.alerting_setup import BREACHING_VALUE, LIMIT, POINTS_PER_BATCH, QUIET_VALUE
from lumetry_core.bench.connection import BenchError, Connection
from lumetry_core.bench.receiver import Arrival, Receiver
from lumetry_core.bench.storm_topology import StormSeries
from lumetry_core.bench.usage import Disturbance, wait_until
from lumetry_core.runtime.clock import SystemClock, to_ms

LONGEST_SECONDS = 30.0
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class PeerStorm:
    """How the peer worked a storm off. Seconds count from the first request's sending."""

    versions: str
    accepted: float
    last_page: float
    """Until every service's group had its first page."""
    cpu_seconds: float
    foreign_share: float


def measure_peer_storm(folder: Path, receiver: Receiver, storm: Sequence[StormSeries]) -> PeerStorm:
    """Starts the peer and lets the storm break loose on it.

    Raises:
        BenchError: It failed, or a service had no page.
    """
    series = [peer_labels(one) for one in storm]
    services = {one["service"] for one in series}
    rules = [{"alert": name, "expr": f"{name} > {LIMIT}"} for name in sorted({one["__name__"] for one in series})]
    with run_alerting_peer(folder, rules, receiver.url("peer"), "service") as peer, Connection(peer.prometheus.address) as connection:
        send(connection, series, QUIET_VALUE)
        since, disturbance, used = receiver.count(), Disturbance(*peer.trees), peer.cpu_seconds()
        begin = time.perf_counter()
        send(connection, series, BREACHING_VALUE)
        accepted = time.perf_counter() - begin
        pages: dict[str, float] = {}

        def all_paged() -> bool:
            pages.update(first_pages(receiver.arrivals(since)))
            return pages.keys() >= services

        if not wait_until(all_paged, longest_seconds=LONGEST_SECONDS, poll_seconds=POLL_SECONDS):
            raise BenchError(f"the peer paged {len(pages)} of {len(services)} services")
        used, foreign = peer.cpu_seconds() - used, disturbance.share()
        return PeerStorm(peer.describe(), accepted, max(pages.values()) - begin, used, foreign)


def first_pages(arrivals: Sequence[Arrival]) -> dict[str, float]:
    """When each service's group was first paged."""
    pages: dict[str, float] = {}
    for arrival in arrivals:
        pages.setdefault(arrival.json()["groupLabels"]["service"], arrival.time)
    return pages


def peer_labels(series: StormSeries) -> dict[str, str]:
    """A series' labels in the peer's alphabet, its service among them."""
    return {"__name__": series.metric_key, "host": series.host, "service": series.host.rsplit("-", 1)[0]}


def send(connection: Connection, series: Sequence[Mapping[str, str]], value: float) -> None:
    """Writes one sample of each series in batches."""
    now = to_ms(SystemClock().now())
    for first in range(0, len(series), POINTS_PER_BATCH):
        write_samples(connection, series[first : first + POINTS_PER_BATCH], value, now)
