"""Machines: hosts that host agents, collectors, metric points or the container runtime have shown (contract workspace 11.3)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from lumetry_core.alerts.figures import Mark
from lumetry_core.collectors.model import Collector
from lumetry_core.hostagents.model import HostAgent, State, state_of
from lumetry_core.metrics.dimension import labels_of_member
from lumetry_core.metrics.hosts import HOST_ID, Host
from lumetry_core.metrics.service.hosts import Reading
from lumetry_core.overview.figures import MachineFigures, SeverityCounts, count_severities
from lumetry_core.rules.model import Severity

CPU = "host.cpu.percent"
MEMORY = "host.memory.percent"
DISK = "host.disk.used_percent"
USUAL_METRICS = (CPU, MEMORY, DISK)
CONTAINER = "container"


class MachineStatus(StrEnum):
    """How a machine is, the gravest first."""

    CRITICAL = "critical"
    WARNING = "warning"
    UNKNOWN = "unknown"
    HEALTHY = "healthy"


NO_ALERTS = SeverityCounts()
RANK = {status: rank for rank, status in enumerate(MachineStatus)}


@dataclass(frozen=True, slots=True)
class LocalHost:
    """The host on which the product runs, whose container runtime it watches."""

    host_id: str
    name: str
    os: str
    arch: str


@dataclass(frozen=True, slots=True)
class ContainerCounts:
    """Containers on a machine."""

    running: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine. `id` is the host id; percents are None when they are not known, texts when nothing said them."""

    id: str
    name: str
    os: str | None = None
    arch: str | None = None
    agent_id: str | None = None
    collector_id: str | None = None
    node_id: int | None = None
    status: MachineStatus = MachineStatus.UNKNOWN
    cpu_percent: float | None = None
    memory_percent: float | None = None
    disk_percent: float | None = None
    containers: ContainerCounts | None = None
    open_alerts: SeverityCounts = NO_ALERTS
    open_incidents: int = 0
    last_seen_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sightings:
    """What has shown machines."""

    hosts: Sequence[Host] = ()
    agents: Sequence[HostAgent] = ()
    collectors: Sequence[Collector] = ()
    local: LocalHost | None = None
    """None: no container runtime of the host was seen."""
    containers: ContainerCounts | None = None
    nodes: Mapping[str, int] = field(default_factory=dict)
    """The topology node of each host id that has one."""
    readings: Mapping[str, Mapping[str, Reading]] = field(default_factory=dict)
    """By metric and host id."""
    last_times: Mapping[str, datetime] = field(default_factory=dict)
    """By host id: the newest point in segments."""
    marks: Collection[Mark] = ()
    above: Mapping[int, frozenset[int]] = field(default_factory=dict)
    """By node: itself and all nodes above it."""
    unresolved: Mapping[int, Collection[int]] = field(default_factory=dict)
    """The nodes of each unresolved incident."""


def list_machines(seen: Sightings, now: datetime) -> list[Machine]:
    """All machines, the gravest first, then by name."""
    machines = {machine.id: machine for machine in find_machines(seen)}
    marks = share_marks(seen, machines)
    by_node = {machine.node_id: machine.id for machine in machines.values() if machine.node_id is not None}
    incidents: dict[str, set[int]] = {machine_id: set() for machine_id in machines}
    for incident_id, node_ids in seen.unresolved.items():
        for machine_id in on_nodes(node_ids, seen.above, by_node):
            incidents[machine_id].add(incident_id)
    for machine_id, own in marks.items():
        incidents[machine_id] |= {mark.incident_id for mark in own if mark.incident_id is not None} & seen.unresolved.keys()
    silent = {agent.key for agent in seen.agents if state_of(agent, now) is State.OFFLINE}
    judged = [
        judge(
            replace(machine, open_incidents=len(incidents[machine.id])),
            marks[machine.id],
            seen.readings,
            is_silent=machine.agent_id in silent,
        )
        for machine in machines.values()
    ]
    return sorted(judged, key=lambda machine: (RANK[machine.status], machine.name.casefold(), machine.id))


def find_machines(seen: Sightings) -> list[Machine]:
    """The machines with what is known of them whatever goes on there."""
    found: dict[str, Machine] = {}
    for host in seen.hosts:
        newest = seen.last_times.get(host.host_id, host.create_time)
        found[host.host_id] = Machine(
            id=host.host_id,
            name=host.name or host.host_id,
            os=host.os or None,
            arch=host.arch or None,
            collector_id=host.collector_id or None,
            last_seen_time=max(newest, host.create_time),  # points named it then
        )
    for agent in sorted(seen.agents, key=lambda each: each.contact_time):  # of several on one host the one heard last counts
        machine = found.get(agent.host_id, Machine(id=agent.host_id, name=agent.hostname))
        times = [time for time in (machine.last_seen_time, agent.last_seen_time) if time is not None]
        found[agent.host_id] = replace(
            machine,
            name=agent.hostname,
            os=agent.os,
            arch=agent.arch or machine.arch,
            agent_id=agent.key,
            collector_id=agent.collector_id or machine.collector_id,
            last_seen_time=max(times, default=None),
        )
    by_name = {machine.name.casefold(): machine.id for machine in found.values()}
    for collector in seen.collectors:
        if collector.hostname:
            machine_id = by_name.get(collector.hostname.casefold(), collector.hostname)
            known = found.get(machine_id, Machine(id=machine_id, name=collector.hostname))
            times = [time for time in (known.last_seen_time, collector.last_seen_time) if time is not None]
            found[machine_id] = replace(known, collector_id=known.collector_id or collector.id, last_seen_time=max(times, default=None))
    if seen.local is not None:
        local = seen.local
        known = found.get(local.host_id, Machine(id=local.host_id, name=local.name, os=local.os, arch=local.arch))
        found[local.host_id] = replace(known, containers=seen.containers)
    return [replace(machine, node_id=seen.nodes.get(machine.id)) for machine in found.values()]


def share_marks(seen: Sightings, machines: Mapping[str, Machine]) -> dict[str, list[Mark]]:
    """The active alerts of each machine: of its points, of its node and what is below it, of its containers."""
    shared: dict[str, list[Mark]] = {machine_id: [] for machine_id in machines}
    by_node = {machine.node_id: machine.id for machine in machines.values() if machine.node_id is not None}
    for mark in seen.marks:
        of = on_nodes(mark.subject.node_ids, seen.above, by_node)
        host_id = labels_of_member(mark.dimension_key).get(HOST_ID)
        if host_id is not None and host_id in machines:
            of.add(host_id)
        if seen.local is not None and mark.subject.entity_type == CONTAINER:
            of.add(seen.local.host_id)
        for machine_id in of:
            shared[machine_id].append(mark)
    return shared


def on_nodes(node_ids: Collection[int], above: Mapping[int, frozenset[int]], by_node: Mapping[int, str]) -> set[str]:
    """The machines that are among nodes or above them."""
    return {by_node[each] for node_id in node_ids for each in above.get(node_id, frozenset({node_id})) if each in by_node}


def judge(machine: Machine, marks: Sequence[Mark], readings: Mapping[str, Mapping[str, Reading]], *, is_silent: bool) -> Machine:
    """The machine with its alerts, its newest values and its status.

    Args:
        is_silent: Its agent is offline.
    """
    newest = {key: readings[key][machine.id] for key in USUAL_METRICS if machine.id in readings.get(key, {})}
    times = [reading.time for reading in newest.values()] + ([machine.last_seen_time] if machine.last_seen_time else [])
    seen = max(times, default=None)
    severities = {mark.severity for mark in marks}
    if is_silent or Severity.CRITICAL in severities:
        status = MachineStatus.CRITICAL
    elif Severity.WARNING in severities:
        status = MachineStatus.WARNING
    elif seen is None and machine.containers is None:
        status = MachineStatus.UNKNOWN
    else:
        status = MachineStatus.HEALTHY
    return replace(
        machine,
        status=status,
        cpu_percent=percent_of(newest, CPU),
        memory_percent=percent_of(newest, MEMORY),
        disk_percent=percent_of(newest, DISK),
        open_alerts=count_severities(mark.severity for mark in marks),
        last_seen_time=seen,
    )


def percent_of(newest: Mapping[str, Reading], metric_key: str) -> float | None:
    """A value with one decimal."""
    return round(newest[metric_key].value, 1) if metric_key in newest else None


def count_machines(machines: Collection[Machine]) -> MachineFigures:
    """Machines by status."""
    counts = {status: sum(machine.status is status for machine in machines) for status in MachineStatus}
    return MachineFigures(
        total=len(machines),
        healthy=counts[MachineStatus.HEALTHY],
        warning=counts[MachineStatus.WARNING],
        critical=counts[MachineStatus.CRITICAL],
        unknown=counts[MachineStatus.UNKNOWN],
    )
