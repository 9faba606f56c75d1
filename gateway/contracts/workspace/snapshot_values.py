"""Figures and items that both snapshots have (contract workspace 11.2, 11.3 and 12)."""

import msgspec

from gateway.contracts.workspace.values import Time
from gateway.transcode.times import format_time
from lumetry.overview.v1 import figures_pb2, items_pb2


class Severities(msgspec.Struct):
    """Active alerts by severity."""

    critical: int
    warning: int
    info: int


class Fleet(msgspec.Struct):
    """Collectors."""

    total: int
    online: int
    offline: int


class Agents(Fleet):
    """Agents."""

    disabled: int


class Machines(msgspec.Struct):
    """Machines by status."""

    total: int
    healthy: int
    warning: int
    critical: int
    unknown: int


class Ingest(msgspec.Struct, rename="camel"):
    """What comes in; log figures are null for whoever may not see logs."""

    metric_points_per_second: float
    metric_points_24h: int = msgspec.field(name="metricPoints24h")
    log_entries_per_second: float | None
    log_entries_24h: int | None = msgspec.field(name="logEntries24h")
    log_bytes_24h: int | None = msgspec.field(name="logBytes24h")
    external_events_24h: int = msgspec.field(name="externalEvents24h")
    pings_24h: int = msgspec.field(name="pings24h")
    checks_24h: int = msgspec.field(name="checks24h")


class Incident(msgspec.Struct, rename="camel"):
    """An incident that people work on."""

    id: int
    incident_key: str
    severity: str
    status: str
    title: str
    primary_service_name: str | None
    primary_ci_name: str | None
    primary_metric_id: str | None
    alert_count: int
    active_alert_count: int
    start_time: Time
    duration_seconds: int
    project_ids: list[str]


def encode_severities(counts: figures_pb2.SeverityCounts) -> Severities:
    """Active alerts."""
    return Severities(counts.critical, counts.warning, counts.info)


def encode_agents(figures: figures_pb2.FleetFigures) -> Agents:
    """Agents."""
    return Agents(total=figures.total, online=figures.online, offline=figures.offline, disabled=figures.disabled)


def encode_fleet(figures: figures_pb2.FleetFigures) -> Fleet:
    """Collectors."""
    return Fleet(total=figures.total, online=figures.online, offline=figures.offline)


def encode_machines(figures: figures_pb2.MachineFigures) -> Machines:
    """Machines."""
    return Machines(figures.total, figures.healthy, figures.warning, figures.critical, figures.unknown)


def encode_ingest(figures: figures_pb2.IngestFigures) -> Ingest:
    """What comes in."""
    return Ingest(
        metric_points_per_second=figures.metric_points_per_second,
        metric_points_24h=figures.metric_points_24h,
        log_entries_per_second=figures.log_entries_per_second if figures.HasField("log_entries_per_second") else None,
        log_entries_24h=figures.log_entries_24h if figures.HasField("log_entries_24h") else None,
        log_bytes_24h=figures.log_bytes_24h if figures.HasField("log_bytes_24h") else None,
        external_events_24h=figures.external_events_24h,
        pings_24h=figures.pings_24h,
        checks_24h=figures.checks_24h,
    )


def encode_incident(item: items_pb2.IncidentItem) -> Incident:
    """11.3 an incident."""
    return Incident(
        id=item.id,
        incident_key=item.incident_key,
        severity=item.severity,
        status=item.state,
        title=item.title,
        primary_service_name=item.primary_service_name if item.HasField("primary_service_name") else None,
        primary_ci_name=item.primary_ci_name if item.HasField("primary_ci_name") else None,
        primary_metric_id=item.primary_metric_key if item.HasField("primary_metric_key") else None,
        alert_count=item.alert_count,
        active_alert_count=item.active_alert_count,
        start_time=format_time(item.start_time),
        duration_seconds=item.duration_seconds,
        project_ids=list(item.project_ids),
    )
