"""Mission control (contract workspace 11)."""

from typing import Generic, TypeVar

import msgspec

from gateway.contracts.workspace.activity import AppliedFilters, Item, decode_filters, encode_activity, encode_filters
from gateway.contracts.workspace.snapshot_values import (
    Agents,
    Fleet,
    Incident,
    Ingest,
    Machines,
    Severities,
    encode_agents,
    encode_fleet,
    encode_incident,
    encode_ingest,
    encode_machines,
    encode_severities,
)
from gateway.contracts.workspace.values import Listing, Success, Time
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.overview.v1 import items_pb2
from lumetry.overview.v1 import snapshot_service_pb2 as pb

T = TypeVar("T")


class Counted(msgspec.Struct, Generic[T]):
    """At most 200 items, and how many there are after filtering."""

    items: list[T]
    total: int


class IncidentStats(msgspec.Struct):
    """Incidents."""

    open: int
    acknowledged: int
    critical: int
    opened24h: int
    resolved24h: int


class AlertStats(msgspec.Struct):
    """Alerts."""

    active: Severities
    silenced: int
    fired24h: int


class MonitorStats(msgspec.Struct):
    """Monitors of every kind."""

    total: int
    up: int
    down: int
    unknown: int


class Pipeline(msgspec.Struct, rename="camel"):
    """What waits inside."""

    evaluation_backlog: int
    oldest_unevaluated_seconds: int
    delivery_backlog: int
    failed_deliveries_24h: int = msgspec.field(name="failedDeliveries24h")


class Stats(msgspec.Struct):
    """What is counted."""

    incidents: IncidentStats
    alerts: AlertStats
    agents: Agents
    collectors: Fleet
    machines: Machines
    monitors: MonitorStats
    ingest: Ingest
    pipeline: Pipeline


class Agent(msgspec.Struct, rename="camel"):
    """An agent; what hosts only have is null for automations."""

    id: str
    name: str
    slug: str
    kind: str
    status: str
    is_active: bool
    machine: str | None
    version: str | None
    transport: str | None
    queue_depth: int | None
    dropped_count: int | None
    open_alerts: int
    last_seen_at: Time | None


class Collector(msgspec.Struct, rename="camel"):
    """A collector."""

    id: str
    name: str
    status: str
    online: bool
    version: str | None
    queue_depth: int | None
    dropped_count: int | None
    clock_skew_ms: int | None
    config_revision: int
    config_revision_applied: int | None
    last_seen_at: Time | None


class Containers(msgspec.Struct):
    """Containers of a machine."""

    running: int
    total: int


class Machine(msgspec.Struct, rename="camel"):
    """A machine."""

    machine: str
    name: str
    os: str | None
    arch: str | None
    agent_id: str | None
    collector_id: str | None
    topology_node_id: int | None
    status: str
    cpu_percent: float | None
    memory_percent: float | None
    disk_percent: float | None
    containers: Containers | None
    open_alerts: Severities
    open_incidents: int
    last_seen_at: Time | None


class MissionControl(msgspec.Struct, rename="camel"):
    """The snapshot."""

    generated_at: Time
    filters: AppliedFilters
    stats: Stats
    agents: Counted[Agent]
    collectors: Counted[Collector]
    machines: Counted[Machine]
    incidents: Counted[Incident]
    activity: Listing[Item]


def decode_mission_control(request: Request) -> pb.GetMissionControlRequest:
    """11 `GET /mission-control`."""
    return pb.GetMissionControlRequest(filters=decode_filters(request))


def encode_mission_control(reply: pb.GetMissionControlResponse, _asked: object) -> Success[MissionControl]:
    """11.2 all sections, always."""
    return Success(
        MissionControl(
            generated_at=format_time(reply.time),
            filters=encode_filters(reply.filters),
            stats=encode_stats(reply),
            agents=Counted([encode_agent(agent) for agent in reply.agents], reply.agent_total),
            collectors=Counted([encode_collector(collector) for collector in reply.collectors], reply.collector_total),
            machines=Counted([encode_machine(machine) for machine in reply.machines], reply.machine_total),
            incidents=Counted([encode_incident(incident) for incident in reply.incidents], reply.incident_total),
            activity=encode_activity(reply.activity),
        )
    )


def encode_stats(reply: pb.GetMissionControlResponse) -> Stats:
    """11.2 `stats`."""
    incidents, alerts, monitors, pipeline = reply.incident_figures, reply.alert_figures, reply.monitor_figures, reply.pipeline
    return Stats(
        incidents=IncidentStats(incidents.open, incidents.acknowledged, incidents.critical, incidents.opened_24h, incidents.resolved_24h),
        alerts=AlertStats(encode_severities(alerts.active), alerts.silenced, alerts.fired_24h),
        agents=encode_agents(reply.agent_figures),
        collectors=encode_fleet(reply.collector_figures),
        machines=encode_machines(reply.machine_figures),
        monitors=MonitorStats(monitors.total, monitors.up, monitors.down, monitors.unknown),
        ingest=encode_ingest(reply.ingest),
        pipeline=Pipeline(
            evaluation_backlog=pipeline.evaluation_backlog,
            oldest_unevaluated_seconds=pipeline.oldest_unevaluated_seconds,
            delivery_backlog=pipeline.delivery_backlog,
            failed_deliveries_24h=pipeline.failed_deliveries_24h,
        ),
    )


def encode_agent(agent: items_pb2.AgentItem) -> Agent:
    """11.3 an agent."""
    return Agent(
        id=agent.id,
        name=agent.name,
        slug=agent.slug,
        kind=agent.kind,
        status=agent.status,
        is_active=agent.is_active,
        machine=agent.machine if agent.HasField("machine") else None,
        version=agent.version if agent.HasField("version") else None,
        transport=agent.transport if agent.HasField("transport") else None,
        queue_depth=agent.queue_depth if agent.HasField("queue_depth") else None,
        dropped_count=agent.dropped_count if agent.HasField("dropped_count") else None,
        open_alerts=agent.open_alerts,
        last_seen_at=format_time(agent.last_seen_time) if agent.HasField("last_seen_time") else None,
    )


def encode_collector(collector: items_pb2.CollectorItem) -> Collector:
    """11.3 a collector."""
    return Collector(
        id=collector.id,
        name=collector.name,
        status=collector.status,
        online=collector.is_online,
        version=collector.version if collector.HasField("version") else None,
        queue_depth=collector.queue_depth if collector.HasField("queue_depth") else None,
        dropped_count=collector.dropped_count if collector.HasField("dropped_count") else None,
        clock_skew_ms=collector.clock_skew_ms if collector.HasField("clock_skew_ms") else None,
        config_revision=collector.config_revision,
        config_revision_applied=collector.config_revision_applied if collector.HasField("config_revision_applied") else None,
        last_seen_at=format_time(collector.last_seen_time) if collector.HasField("last_seen_time") else None,
    )


def encode_machine(machine: items_pb2.MachineItem) -> Machine:
    """11.3 a machine."""
    return Machine(
        machine=machine.machine,
        name=machine.name,
        os=machine.os if machine.HasField("os") else None,
        arch=machine.arch if machine.HasField("arch") else None,
        agent_id=machine.agent_id if machine.HasField("agent_id") else None,
        collector_id=machine.collector_id if machine.HasField("collector_id") else None,
        topology_node_id=machine.node_id if machine.HasField("node_id") else None,
        status=machine.status,
        cpu_percent=machine.cpu_percent if machine.HasField("cpu_percent") else None,
        memory_percent=machine.memory_percent if machine.HasField("memory_percent") else None,
        disk_percent=machine.disk_percent if machine.HasField("disk_percent") else None,
        containers=Containers(machine.containers.running, machine.containers.total) if machine.HasField("containers") else None,
        open_alerts=encode_severities(machine.open_alerts),
        open_incidents=machine.open_incidents,
        last_seen_at=format_time(machine.last_seen_time) if machine.HasField("last_seen_time") else None,
    )
