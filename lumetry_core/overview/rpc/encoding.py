"""What snapshots are made of, as messages."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.overview.v1 import figures_pb2, items_pb2
from lumetry_core.activity.model import Item, Page
from lumetry_core.agents.model import Agent
from lumetry_core.collectors.model import Collector, is_online
from lumetry_core.overview.figures import AlertFigures, FleetFigures, IncidentFigures, IngestFigures, MachineFigures, SeverityCounts
from lumetry_core.overview.filters import Filters
from lumetry_core.overview.machines import Machine
from lumetry_core.overview.narrowing import IncidentItem
from lumetry_core.runtime.timestamps import encode_time


def encode_filters(filters: Filters) -> items_pb2.AppliedFilters:
    """The filters that were applied."""
    return items_pb2.AppliedFilters(
        kinds=filters.kinds,
        agent_id=filters.agent_id,
        project_id=filters.project_id,
        machine=filters.machine,
        search=filters.search,
        limit=filters.limit,
    )


def encode_incidents(figures: IncidentFigures) -> figures_pb2.IncidentFigures:
    """Incidents."""
    return figures_pb2.IncidentFigures(
        open=figures.open,
        acknowledged=figures.acknowledged,
        critical=figures.critical,
        opened_24h=figures.opened,
        resolved_24h=figures.resolved,
        mean_seconds_to_acknowledge_7d=figures.mean_to_acknowledge,
        mean_seconds_to_resolve_7d=figures.mean_to_resolve,
    )


def encode_severities(counts: SeverityCounts) -> figures_pb2.SeverityCounts:
    """Counts by severity."""
    return figures_pb2.SeverityCounts(critical=counts.critical, warning=counts.warning, info=counts.info)


def encode_alerts(figures: AlertFigures) -> figures_pb2.AlertFigures:
    """Alerts."""
    return figures_pb2.AlertFigures(
        active=encode_severities(figures.active),
        silenced=figures.silenced,
        fired_24h=figures.fired,
        by_source=[figures_pb2.SourceCount(source=source, count=count) for source, count in figures.by_source.items()],
    )


def encode_fleet(figures: FleetFigures) -> figures_pb2.FleetFigures:
    """Agents or collectors."""
    return figures_pb2.FleetFigures(total=figures.total, online=figures.online, offline=figures.offline, disabled=figures.disabled)


def encode_machines(figures: MachineFigures) -> figures_pb2.MachineFigures:
    """Machines by status."""
    return figures_pb2.MachineFigures(
        total=figures.total, healthy=figures.healthy, warning=figures.warning, critical=figures.critical, unknown=figures.unknown
    )


def encode_ingest(figures: IngestFigures) -> figures_pb2.IngestFigures:
    """What comes in."""
    return figures_pb2.IngestFigures(
        metric_points_per_second=figures.metric_points_per_second,
        metric_points_24h=figures.metric_points,
        log_entries_per_second=figures.log_entries_per_second,
        log_entries_24h=figures.log_entries,
        log_bytes_24h=figures.log_bytes,
        external_events_24h=figures.external_events,
        pings_24h=figures.pings,
        checks_24h=figures.checks,
    )


def encode_agent(agent: Agent, open_alerts: int) -> items_pb2.AgentItem:
    """An agent.

    Args:
        open_alerts: Of its machine.
    """
    said = None if agent.heard is None or agent.heard.time is None else agent.heard
    return items_pb2.AgentItem(
        id=agent.id,
        name=agent.name,
        slug=agent.slug,
        kind=agent.kind.value,
        status=agent.status.value,
        is_active=agent.is_active,
        machine=agent.machine,
        version=None if agent.heard is None else agent.heard.version or None,
        transport=None if said is None else said.transport.lower(),
        queue_depth=None if said is None else said.queue_depth,
        dropped_count=None if said is None else said.dropped_count,
        open_alerts=open_alerts,
        last_seen_time=encode_optional(agent.last_seen_time),
    )


def encode_collector(collector: Collector, now: datetime) -> items_pb2.CollectorItem:
    """A collector."""
    is_heard = collector.last_seen_time is not None
    return items_pb2.CollectorItem(
        id=collector.id,
        name=collector.name,
        status=collector.status.value,
        is_online=is_online(collector, now),
        version=collector.version or None,
        queue_depth=collector.queue_depth if is_heard else None,
        dropped_count=collector.dropped_count if is_heard else None,
        clock_skew_ms=collector.clock_skew_ms,
        config_revision=collector.config_revision,
        config_revision_applied=collector.config_revision_applied or None,
        last_seen_time=encode_optional(collector.last_seen_time),
    )


def encode_machine(machine: Machine) -> items_pb2.MachineItem:
    """A machine."""
    containers = machine.containers
    return items_pb2.MachineItem(
        machine=machine.id,
        name=machine.name,
        os=machine.os,
        arch=machine.arch,
        agent_id=machine.agent_id,
        collector_id=machine.collector_id,
        node_id=machine.node_id,
        status=machine.status.value,
        cpu_percent=machine.cpu_percent,
        memory_percent=machine.memory_percent,
        disk_percent=machine.disk_percent,
        containers=None if containers is None else items_pb2.ContainerCounts(running=containers.running, total=containers.total),
        open_alerts=encode_severities(machine.open_alerts),
        open_incidents=machine.open_incidents,
        last_seen_time=encode_optional(machine.last_seen_time),
    )


def encode_incident(item: IncidentItem) -> items_pb2.IncidentItem:
    """An incident."""
    incident = item.incident
    return items_pb2.IncidentItem(
        id=incident.id,
        incident_key=incident.key,
        severity=incident.severity.value,
        state=incident.state.value,
        title=item.title,
        primary_service_name=incident.primary_service_name,
        primary_ci_name=incident.primary_ci_name,
        primary_metric_key=incident.primary_metric_key,
        alert_count=incident.alert_count,
        active_alert_count=incident.active_alert_count,
        start_time=encode_time(incident.start_time),
        duration_seconds=item.duration_seconds,
        project_ids=item.project_ids,
    )


def encode_activity(page: Page) -> items_pb2.ActivityPage:
    """A page of the feed."""
    return items_pb2.ActivityPage(items=[encode_item(item) for item in page.items], next_cursor=page.next_cursor)


def encode_item(item: Item) -> items_pb2.ActivityItem:
    """An item of the feed."""
    draft = item.draft
    return items_pb2.ActivityItem(
        id=item.id,
        kind=draft.kind,
        action=draft.action,
        title=draft.title,
        summary=draft.summary,
        severity=None if draft.severity is None else draft.severity.value,
        actor_type=draft.actor.type.value,
        actor_id=draft.actor.id,
        actor_name=draft.actor.name,
        agent_id=draft.agent_id,
        project_id=draft.project_ids[0] if draft.project_ids else None,
        machine=draft.machine,
        incident_id=draft.incident_id,
        alert_id=draft.alert_id,
        resource_type=None if draft.resource is None else draft.resource.type,
        resource_id=None if draft.resource is None else draft.resource.id,
        create_time=encode_time(item.create_time),
    )


def encode_optional(moment: datetime | None) -> Timestamp | None:
    """A time; None stays what it is."""
    return None if moment is None else encode_time(moment)
