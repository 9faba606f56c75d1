"""The dashboard overview (contract workspace 12)."""

from collections.abc import Mapping

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
from lumetry.overview.v1 import snapshot_service_pb2 as pb

MICROUNITS = 1_000_000
"""Of a credit."""


class Health(msgspec.Struct):
    """How the whole is."""

    status: str
    message: str


class Incidents(msgspec.Struct):
    """Incidents."""

    open: int
    acknowledged: int
    critical: int
    opened24h: int
    resolved24h: int
    mean_time_to_acknowledge: int | None = msgspec.field(name="meanTimeToAcknowledgeSeconds7d")
    mean_time_to_resolve: int | None = msgspec.field(name="meanTimeToResolveSeconds7d")
    items: list[Incident]


class Alerts(msgspec.Struct, rename="camel"):
    """Alerts; every source is named."""

    active: Severities
    silenced: int
    fired24h: int
    by_source: dict[str, int]


class Containers(msgspec.Struct):
    """Containers."""

    total: int
    running: int
    unhealthy: int
    stopped: int


class Endpoints(msgspec.Struct):
    """Endpoints."""

    total: int
    up: int
    down: int
    unknown: int


class Heartbeats(msgspec.Struct):
    """Heartbeats."""

    total: int
    up: int
    down: int
    started: int
    paused: int
    new: int


class Certificates(msgspec.Struct):
    """Certificates."""

    total: int
    valid: int
    expiring: int
    expired: int
    error: int
    unknown: int


class Monitors(msgspec.Struct):
    """Monitors by kind."""

    containers: Containers
    endpoints: Endpoints
    heartbeats: Heartbeats
    certificates: Certificates
    uptime: float | None = msgspec.field(name="uptimePercent24h")


class Logs(msgspec.Struct, rename="camel"):
    """Logs."""

    entries24h: int
    errors24h: int
    open_groups: int
    new_groups_24h: int = msgspec.field(name="newGroups24h")
    regressed_groups_24h: int = msgspec.field(name="regressedGroups24h")


class FleetOverview(msgspec.Struct):
    """What sends."""

    agents: Agents
    collectors: Fleet
    machines: Machines


class Work(msgspec.Struct, rename="camel"):
    """What people are at."""

    projects: int
    active_sessions: int
    unread_notifications: int


class Period(msgspec.Struct):
    """The running calendar month."""

    start: Time = msgspec.field(name="from")
    end: Time = msgspec.field(name="to")


class Usage(msgspec.Struct, rename="camel"):
    """What the month is worth."""

    period: Period
    credits: float
    credit_microunits: int
    budgets_exceeded: int


class Trends(msgspec.Struct, rename="camel"):
    """24 hours, the oldest first."""

    interval: str
    start: Time = msgspec.field(name="from")
    alerts_fired: list[int]
    incidents_opened: list[int]
    log_errors: list[int] | None
    metric_points: list[int]


class Dashboard(msgspec.Struct, rename="camel"):
    """The snapshot."""

    generated_at: Time
    filters: AppliedFilters
    health: Health
    incidents: Incidents
    alerts: Alerts
    monitors: Monitors
    ingest: Ingest
    logs: Logs | None
    fleet: FleetOverview
    work: Work
    usage: Usage
    trends: Trends
    activity: Listing[Item]


def decode_dashboard(request: Request) -> pb.GetDashboardRequest:
    """12 `GET /dashboard/overview`."""
    return pb.GetDashboardRequest(filters=decode_filters(request))


def encode_dashboard(reply: pb.GetDashboardResponse, _asked: object) -> Success[Dashboard]:
    """12 all sections, always."""
    alerts, logs, trends = reply.alert_figures, reply.logs, reply.trends
    has_logs = reply.HasField("logs")
    return Success(
        Dashboard(
            generated_at=format_time(reply.time),
            filters=encode_filters(reply.filters),
            health=Health(reply.health_status, reply.health_message),
            incidents=encode_incidents(reply),
            alerts=Alerts(
                encode_severities(alerts.active),
                alerts.silenced,
                alerts.fired_24h,
                {each.source: each.count for each in alerts.by_source},
            ),
            monitors=encode_monitors(reply),
            ingest=encode_ingest(reply.ingest),
            logs=Logs(logs.entries_24h, logs.errors_24h, logs.open_groups, logs.new_groups_24h, logs.regressed_groups_24h)
            if has_logs
            else None,
            fleet=FleetOverview(
                encode_agents(reply.agent_figures), encode_fleet(reply.collector_figures), encode_machines(reply.machine_figures)
            ),
            work=Work(reply.project_count, reply.active_sessions, reply.unread_notices),
            usage=Usage(
                Period(format_time(reply.month_start_time), format_time(reply.month_end_time)),
                reply.spent_microunits / MICROUNITS,
                reply.spent_microunits,
                reply.exceeded_budgets,
            ),
            trends=Trends(
                interval="hour",
                start=format_time(trends.start_time),
                alerts_fired=list(trends.alerts_fired),
                incidents_opened=list(trends.incidents_opened),
                log_errors=list(trends.log_errors) if has_logs else None,
                metric_points=list(trends.metric_points),
            ),
            activity=encode_activity(reply.activity),
        )
    )


def encode_incidents(reply: pb.GetDashboardResponse) -> Incidents:
    """12 `incidents`."""
    figures = reply.incident_figures
    return Incidents(
        open=figures.open,
        acknowledged=figures.acknowledged,
        critical=figures.critical,
        opened24h=figures.opened_24h,
        resolved24h=figures.resolved_24h,
        mean_time_to_acknowledge=figures.mean_seconds_to_acknowledge_7d if figures.HasField("mean_seconds_to_acknowledge_7d") else None,
        mean_time_to_resolve=figures.mean_seconds_to_resolve_7d if figures.HasField("mean_seconds_to_resolve_7d") else None,
        items=[encode_incident(incident) for incident in reply.incidents],
    )


def encode_monitors(reply: pb.GetDashboardResponse) -> Monitors:
    """12 `monitors`."""
    containers = reply.containers
    return Monitors(
        containers=Containers(containers.total, containers.running, containers.unhealthy, containers.stopped),
        endpoints=Endpoints(reply.endpoints.total, *pick(reply.endpoints.by_status, Endpoints)),
        heartbeats=Heartbeats(reply.heartbeats.total, *pick(reply.heartbeats.by_status, Heartbeats)),
        certificates=Certificates(reply.certificates.total, *pick(reply.certificates.by_status, Certificates)),
        uptime=reply.uptime_percent_24h if reply.HasField("uptime_percent_24h") else None,
    )


def pick(by_status: Mapping[str, int], kind: type[msgspec.Struct]) -> list[int]:
    """The counts that a kind of monitor names, behind its total."""
    return [by_status.get(name, 0) for name in kind.__struct_fields__[1:]]
