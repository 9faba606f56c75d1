"""Rounds of external alarms, sent as fast as they are accepted, and how far processing lags behind."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from lumetry_core.bench.alarm_senders import AlarmSender, MakeBatch, alertmanager_batch, generic_batch, mapped_keys
from lumetry_core.bench.alerting_setup import import_topology, read_list
from lumetry_core.bench.connection import BenchError, Connection
from lumetry_core.bench.deployment import Server
from lumetry_core.bench.load import Load, run_closed_loop
from lumetry_core.bench.report import Latency, summarize_latency
from lumetry_core.bench.storm_topology import Topology
from lumetry_core.bench.usage import Disturbance, ProcessTree, wait_until, wait_until_idle

SERVICES = 10
WARM_UP_SECONDS = 0.5
LONGEST_LAG_SECONDS = 45.0
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class AlarmOptions:
    """What to measure."""

    seconds: float = 5.0
    batch: int = 100
    connections: int = 8
    rounds: int = 1
    peer: bool = True
    database_url: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """An alert source and what its webhook needs."""

    id: int
    path: str
    credential: str


@dataclass(frozen=True, slots=True)
class Round:
    """One closed-loop phase."""

    accepted: int
    seconds: float
    processed_at_end: int
    """Transitions of the round that were processed when the last one had been answered."""
    lag_seconds: float
    """From then until all were; NaN when they were not in time."""
    processed_per_second: float
    cpu_seconds: float
    """Of the server's processes, until everything was processed."""
    foreign_share: float
    answer: Latency

    @property
    def per_second(self) -> float:
        """Accepted transitions."""
        return self.accepted / self.seconds


@dataclass(frozen=True, slots=True)
class PeerRound:
    """One closed-loop phase of the peer, which does nothing afterwards."""

    per_second: float
    cpu_seconds: float
    foreign_share: float
    answer: Latency


def measure_rounds(server: Server, options: AlarmOptions, progress: Callable[[str], None]) -> list[Round]:
    """Sets a source up, warms up and measures in rounds."""
    with server.connect() as connection:
        source = prepare(connection)
        sent = send(server.http, source, options, 0, WARM_UP_SECONDS).accepted_points
        await_processed(connection, source, sent)
        found = []
        for number in range(1, options.rounds + 1):
            wait_until_idle(server.tree)
            found.append(measure(server, connection, source, options, number))
            progress(f"round {number}: {found[-1].per_second:,.0f} alarms/s, processing lags {found[-1].lag_seconds:.1f} s behind")
        check_errors(connection, source)
    return found


def prepare(connection: Connection) -> Source:
    """Creates a topology, a source of the generic provider, and a definition for half of the keys."""
    topology = Topology(SERVICES)
    import_topology(connection, topology.nodes(), topology.edges())
    hosts = [node["id"] for node in connection.request("GET", "/api/topology?nodeType=Host").json(200)["nodes"]]
    body = {"name": "bench", "providerType": "GENERIC", "enabled": True, "severityMapping": {"major": "Critical"}}
    made = connection.request("POST", "/api/external-alert-sources", body).json(201)
    for number, key in enumerate(mapped_keys()):
        definition = {"sourceId": made["source"]["id"], "definitionKey": key, "topologyNodeId": hosts[number % len(hosts)], "enabled": True}
        connection.request("POST", "/api/external-alert-definitions", definition).json(201)
    return Source(made["source"]["id"], made["webhookPath"], made["credential"])


def measure(server: Server, connection: Connection, source: Source, options: AlarmOptions, number: int) -> Round:
    """Sends for a while, then waits until all of it is processed."""
    before = count_processed(connection, source)
    disturbance, used = Disturbance(server.tree), server.tree.cpu_seconds()
    load = send(server.http, source, options, number, options.seconds)
    at_end = count_processed(connection, source) - before
    done = await_processed(connection, source, before + load.accepted_points)
    ended = time.perf_counter()
    processed = count_processed(connection, source) - before
    return Round(
        accepted=load.accepted_points,
        seconds=load.end - load.start,
        processed_at_end=at_end,
        lag_seconds=ended - load.end if done else float("nan"),
        processed_per_second=processed / (ended - load.start),
        cpu_seconds=server.tree.cpu_seconds() - used,
        foreign_share=disturbance.share(),
        answer=summarize_latency(load.answer_seconds),
    )


def send(address: str, source: Source, options: AlarmOptions, number: int, seconds: float) -> Load:
    """Sends batches as fast as they are answered."""
    return send_all(address, source.credential, source.path, generic_batch, 202, options, number, seconds)


def send_all(address: str, token: str, path: str, make: MakeBatch, status: int, options: AlarmOptions, number: int, seconds: float) -> Load:
    """One sender for each connection; no occurrence is ever sent twice."""
    with ExitStack() as stack:
        senders = [
            AlarmSender(stack.enter_context(Connection(address, token)), path, make, status, f"round-{number}-{lane}", options.batch)
            for lane in range(options.connections)
        ]
        return run_closed_loop(senders, seconds)


def measure_peer(address: str, tree: ProcessTree, options: AlarmOptions, number: int) -> PeerRound:
    """Sends the same alarms to Alertmanager."""
    disturbance, used = Disturbance(tree), tree.cpu_seconds()
    load = send_all(address, "", "/api/v2/alerts", alertmanager_batch, 200, options, number, options.seconds)
    rate = load.accepted_points / (load.end - load.start)
    return PeerRound(rate, tree.cpu_seconds() - used, disturbance.share(), summarize_latency(load.answer_seconds))


def read_source(connection: Connection, source: Source) -> dict[str, Any]:
    """The source with its counters."""
    (found,) = [one for one in read_list(connection, "/api/external-alert-sources") if one["id"] == source.id]
    return found


def count_processed(connection: Connection, source: Source) -> int:
    """Transitions that were processed: with a definition, which makes alerts, or without one."""
    counters = read_source(connection, source)
    mapped, unmapped = counters["mappedEventCount"], counters["unmappedEventCount"]
    return int(mapped + unmapped)


def await_processed(connection: Connection, source: Source, count: int) -> bool:
    """Waits until so many transitions are processed in all; False when they were not in time."""

    def is_done() -> bool:
        return count_processed(connection, source) >= count

    return wait_until(is_done, longest_seconds=LONGEST_LAG_SECONDS, poll_seconds=POLL_SECONDS)


def check_errors(connection: Connection, source: Source) -> None:
    """Makes sure that what was accepted was processed as what it is.

    Raises:
        BenchError: Requests were rejected, too few alarms were found mapped, or they made no alerts.
    """
    counters = read_source(connection, source)
    if counters["rejectedEventCount"] or counters["lastError"]:
        raise BenchError(f"{counters['rejectedEventCount']} requests were rejected: {counters['lastError']}")
    mapped, unmapped = counters["mappedEventCount"], counters["unmappedEventCount"]
    if not 0.4 < mapped / max(1, mapped + unmapped) < 0.6:
        raise BenchError(f"half of the alarms are mapped, {mapped} were found so and {unmapped} not")
    newest = read_list(connection, "/api/alerts?sourceKind=External&limit=100")
    if len(newest) != min(100, mapped) or any(alert["relatedServiceId"] is None for alert in newest):
        raise BenchError(f"{mapped} mapped alarms made {len(newest)} alerts, or alerts without a service")
