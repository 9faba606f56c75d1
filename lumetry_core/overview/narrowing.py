"""How a scene narrows down to what was asked for, and what is counted in it (contract workspace 11.1 to 11.3)."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lumetry_core.agents.model import Agent, Status
from lumetry_core.alerts.figures import Mark
from lumetry_core.alerts.model import SourceKind
from lumetry_core.billing.model import Meter
from lumetry_core.certificates.model import Status as CertificateStatus
from lumetry_core.collectors.model import Collector, is_online
from lumetry_core.collectors.model import Status as CollectorStatus
from lumetry_core.containers.model import ContainerState
from lumetry_core.endpoints.model import Status as EndpointStatus
from lumetry_core.heartbeats.model import Status as HeartbeatStatus
from lumetry_core.incidents.figures import Handled, Handling, Unresolved
from lumetry_core.incidents.model import SEVERITY_RANK, IncidentState
from lumetry_core.overview.figures import (
    AlertFigures,
    FleetFigures,
    IncidentFigures,
    IngestFigures,
    count_severities,
)
from lumetry_core.overview.filters import Filters, has_part, is_named
from lumetry_core.overview.machines import Machine
from lumetry_core.overview.scene import Monitors, Scene
from lumetry_core.rules.model import Severity

MAX_ITEMS = 200
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
HOURS = 24
SOURCES = ("metric", "external", "log", "container", "endpoint", "heartbeat", "certificate", "resource", "update")
SOURCE_OF: Mapping[str, str] = {
    SourceKind.METRIC_RULE: "metric",
    SourceKind.FLEET_DETECTOR: "metric",
    SourceKind.EXTERNAL: "external",
}
AGENT_RANK = {Status.OFFLINE: 0, Status.ONLINE: 1, Status.DISABLED: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentItem:
    """An incident that people work on. `project_ids` in the order of their creation."""

    incident: Unresolved
    title: str
    duration_seconds: int
    project_ids: Sequence[str]


def title_of(incident: Unresolved) -> str:
    """What an incident is called."""
    place = incident.primary_ci_name or incident.primary_service_name or incident.primary_metric_key
    return f"Incident on {place}" if place else f"Incident {incident.key}"


def list_incidents(scene: Scene, filters: Filters, hidden: Collection[str], now: datetime) -> list[IncidentItem]:
    """The unresolved incidents, critical ones first, then the newest first."""
    items = []
    for incident in scene.unresolved:
        project_ids = scene.belonging.projects_of(scene.subjects.get(incident.id, ()))
        if filters.project_id is not None and filters.project_id not in project_ids:
            continue
        item = IncidentItem(
            incident=incident,
            title=title_of(incident),
            duration_seconds=max(int((now - incident.start_time).total_seconds()), 0),
            project_ids=[project_id for project_id in project_ids if project_id not in hidden],
        )
        names = (incident.primary_service_name, incident.primary_ci_name, incident.primary_metric_key)
        if has_part(filters.search, incident.key, item.title, *names):
            items.append(item)
    return sorted(items, key=lambda item: -SEVERITY_RANK[item.incident.severity])


def select_machines(scene: Scene, filters: Filters, agent: Agent | None) -> list[Machine]:
    """The machines that were asked for, the gravest first."""
    found = []
    for machine in scene.machines:
        nodes = [] if machine.node_id is None else [machine.node_id]
        if filters.project_id is not None and filters.project_id not in scene.belonging.projects_of_nodes(nodes):
            continue
        if agent is not None and machine.agent_id != agent.id:
            continue
        if is_named(filters.machine, machine.id, machine.name) and has_part(filters.search, machine.id, machine.name):
            found.append(machine)
    return found


def select_agents(agents: Sequence[Agent], filters: Filters) -> list[Agent]:
    """The agents that were asked for: offline, online, disabled ones, each by name. Automations run on no machine."""
    found = [
        agent
        for agent in agents
        if filters.agent_id in (None, agent.id)
        and (filters.machine is None or (agent.machine is not None and is_named(filters.machine, agent.machine, agent.name)))
        and has_part(filters.search, agent.name, agent.slug, agent.machine)
    ]
    return sorted(found, key=lambda agent: (AGENT_RANK[agent.status], agent.name.casefold(), agent.id))


def count_open_alerts(machines: Sequence[Machine]) -> dict[str, int]:
    """The active alerts of each machine that has any, by its host id."""
    counts = {machine.id: machine.open_alerts for machine in machines}
    return {host_id: total for host_id, each in counts.items() if (total := each.critical + each.warning + each.info)}


def select_collectors(scene: Scene, filters: Filters, now: datetime) -> list[Collector]:
    """The collectors that were asked for: those not online first, then by name."""
    found = [collector for collector in scene.collectors if has_part(filters.search, collector.name, collector.hostname)]
    return sorted(found, key=lambda collector: (is_online(collector, now), collector.name.casefold(), collector.id))


def count_incidents(unresolved: Sequence[Unresolved], handling: Handling) -> IncidentFigures:
    """Incidents now, within 24 hours and within seven days."""
    return IncidentFigures(
        open=len(unresolved),
        acknowledged=sum(incident.state is IncidentState.ACKNOWLEDGED for incident in unresolved),
        critical=sum(incident.severity is Severity.CRITICAL for incident in unresolved),
        opened=handling.opened,
        resolved=handling.resolved,
        mean_to_acknowledge=to_seconds(handling.mean_ms_to_acknowledge),
        mean_to_resolve=to_seconds(handling.mean_ms_to_resolve),
    )


def to_seconds(ms: float | None) -> int | None:
    """Whole seconds."""
    return None if ms is None else round(ms / 1000)


def measure(week: Sequence[Handled], since: datetime) -> Handling:
    """How the incidents of a week were handled; counts are from a time on."""
    acknowledged = [each.acknowledge_time - each.start_time for each in week if each.acknowledge_time is not None]
    resolved = [each.resolve_time - each.start_time for each in week if each.resolve_time is not None]
    hours = Counter(each.start_time.replace(minute=0, second=0, microsecond=0) for each in week if each.start_time >= since)
    return Handling(
        opened=hours.total(),
        resolved=sum(each.resolve_time is not None and each.resolve_time >= since for each in week),
        mean_ms_to_acknowledge=mean_ms(acknowledged),
        mean_ms_to_resolve=mean_ms(resolved),
        opened_by_hour=tuple(sorted(hours.items())),
    )


def mean_ms(spans: Sequence[timedelta]) -> float | None:
    """In milliseconds; None of nothing."""
    return sum(spans, timedelta()) / timedelta(milliseconds=1) / len(spans) if spans else None


def count_alerts(marks: Sequence[Mark], fired: int) -> AlertFigures:
    """Active alerts by severity and source; silenced ones are among them."""
    sources = Counter(SOURCE_OF.get(mark.source, mark.source) for mark in marks)
    return AlertFigures(
        active=count_severities(mark.severity for mark in marks),
        silenced=sum(mark.is_silenced for mark in marks),
        fired=fired,
        by_source={source: sources[source] for source in SOURCES},
    )


def count_agents(agents: Sequence[Agent]) -> FleetFigures:
    """All agents by status."""
    states = Counter(agent.status for agent in agents)
    return FleetFigures(len(agents), states[Status.ONLINE], states[Status.OFFLINE], states[Status.DISABLED])


def count_collectors(collectors: Sequence[Collector], now: datetime) -> FleetFigures:
    """All collectors; pending and revoked ones count in the total only."""
    working = [each for each in collectors if each.status not in (CollectorStatus.PENDING, CollectorStatus.REVOKED)]
    online = sum(is_online(each, now) for each in working)
    return FleetFigures(len(collectors), online, len(working) - online)


def count_ingest(scene: Scene, *, has_logs: bool) -> IngestFigures:
    """What comes in."""
    sums: Counter[Meter] = Counter()
    for _, meter, quantity in scene.usage:
        sums[meter] += quantity
    return IngestFigures(
        metric_points_per_second=round(scene.pace[Meter.METRIC_POINTS], 1),
        metric_points=sums[Meter.METRIC_POINTS],
        log_entries_per_second=round(scene.pace[Meter.LOG_ENTRIES], 1) if has_logs else None,
        log_entries=sums[Meter.LOG_ENTRIES] if has_logs else None,
        log_bytes=sums[Meter.LOG_BYTES] if has_logs else None,
        external_events=scene.external_events,
        pings=scene.pings,
        checks=sums[Meter.CHECK_RUNS],
    )


@dataclass(frozen=True, slots=True)
class MonitorFigures:
    """Monitors of every kind: down when something is wrong, unknown without result or when paused, else up."""

    total: int = 0
    up: int = 0
    down: int = 0
    unknown: int = 0


def count_monitors(monitors: Monitors) -> MonitorFigures:
    """All monitors together."""
    endpoints, heartbeats, certificates = monitors.endpoints, monitors.heartbeats, monitors.certificates
    working = (ContainerState.RUNNING, ContainerState.COMPLETED)
    down = (
        sum(each.status is EndpointStatus.DOWN and not each.is_paused for each in endpoints)
        + sum(each.status is HeartbeatStatus.DOWN for each in heartbeats)
        + sum(each.status is CertificateStatus.EXPIRED for each in certificates)
        + sum(each.state not in working for each in monitors.containers)
    )
    unknown = (
        sum(each.is_paused or each.status is EndpointStatus.UNKNOWN for each in endpoints)
        + sum(each.status in (HeartbeatStatus.NEW, HeartbeatStatus.PAUSED) for each in heartbeats)
        + sum(each.status is CertificateStatus.UNKNOWN for each in certificates)
    )
    total = len(endpoints) + len(heartbeats) + len(certificates) + len(monitors.containers)
    return MonitorFigures(total, total - down - unknown, down, unknown)


def lay_out(counts: Mapping[datetime, int], first_hour: datetime) -> list[int]:
    """Counts of 24 hours, the oldest first."""
    return [counts.get(first_hour + HOUR * number, 0) for number in range(HOURS)]
