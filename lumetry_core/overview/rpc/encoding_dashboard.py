"""The dashboard's snapshot as a message."""

from collections import Counter
from collections.abc import Iterable

from lumetry.overview.v1 import snapshot_service_pb2 as pb
from lumetry_core.billing.model import Meter
from lumetry_core.containers.model import ContainerState
from lumetry_core.containers.standings import Standing
from lumetry_core.endpoints.model import Status as EndpointStatus
from lumetry_core.overview.figures import Trends
from lumetry_core.overview.rpc.encoding import (
    encode_activity,
    encode_alerts,
    encode_filters,
    encode_fleet,
    encode_incident,
    encode_incidents,
    encode_ingest,
    encode_machines,
)
from lumetry_core.overview.service.dashboard import Dashboard
from lumetry_core.runtime.timestamps import encode_time

WORKING = (ContainerState.RUNNING, ContainerState.COMPLETED)


def encode_dashboard(found: Dashboard) -> pb.GetDashboardResponse:
    """The snapshot."""
    logs, monitors, usage = found.logs, found.monitors, found.usage
    endpoints = (EndpointStatus.UNKNOWN if standing.is_paused else standing.status for standing in monitors.endpoints)
    return pb.GetDashboardResponse(
        time=encode_time(found.time),
        filters=encode_filters(found.filters),
        health_status=found.health.status.value,
        health_message=found.health.message,
        incident_figures=encode_incidents(found.incident_figures),
        incidents=[encode_incident(item) for item in found.incidents],
        alert_figures=encode_alerts(found.alert_figures),
        containers=encode_containers(monitors.containers),
        endpoints=encode_states(endpoints),
        heartbeats=encode_states(standing.status for standing in monitors.heartbeats),
        certificates=encode_states(standing.status for standing in monitors.certificates),
        uptime_percent_24h=found.uptime_percent,
        ingest=encode_ingest(found.ingest),
        logs=None
        if logs is None
        else pb.LogFigures(
            entries_24h=logs.entries,
            errors_24h=logs.errors,
            open_groups=logs.open_groups,
            new_groups_24h=logs.new_groups,
            regressed_groups_24h=logs.regressed_groups,
        ),
        agent_figures=encode_fleet(found.agent_figures),
        collector_figures=encode_fleet(found.collector_figures),
        machine_figures=encode_machines(found.machine_figures),
        project_count=found.project_count,
        active_sessions=found.active_sessions,
        unread_notices=found.unread_notices,
        month_start_time=encode_time(usage.begin),
        month_end_time=encode_time(usage.end),
        spent_microunits=next((reading.quantity for reading in usage.readings if reading.meter is Meter.CREDITS), 0),
        exceeded_budgets=usage.exceeded_count,
        trends=encode_trends(found.trends),
        activity=encode_activity(found.activity),
    )


def encode_containers(standings: Iterable[Standing]) -> pb.ContainerMonitors:
    """Containers by what they do."""
    listed = list(standings)
    return pb.ContainerMonitors(
        total=len(listed),
        running=sum(standing.state is ContainerState.RUNNING for standing in listed),
        unhealthy=sum(standing.state is ContainerState.RUNNING and standing.is_unhealthy for standing in listed),
        stopped=sum(standing.state not in WORKING for standing in listed),
    )


def encode_states(statuses: Iterable[str]) -> pb.MonitorStates:
    """Monitors by status."""
    counts = Counter(str(status) for status in statuses)
    return pb.MonitorStates(total=counts.total(), by_status=counts)


def encode_trends(trends: Trends) -> pb.Trends:
    """Hour by hour."""
    return pb.Trends(
        start_time=encode_time(trends.start),
        alerts_fired=trends.alerts_fired,
        incidents_opened=trends.incidents_opened,
        log_errors=trends.log_errors or (),
        metric_points=trends.metric_points,
    )
