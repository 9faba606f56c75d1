"""What containers alert of, and the words for it (contract monitoring 4.5, 9.3). Pure."""

from datetime import datetime, timedelta

from lumetry_core.alerts.monitors import Entity, EntityType, MonitorRecovery, MonitorReport, MonitorSource
from lumetry_core.containers.model import Container, Health
from lumetry_core.rules.model import Severity

RESTART_LOOP = "restart_loop"
HEALTH_UNHEALTHY = "health_unhealthy"
CONTAINER_DOWN = "container_down"
RESTART_WINDOW = timedelta(minutes=10)
CRITICAL_FACTOR = 3
"""So many times the threshold is critical."""
CLOSED_REST = timedelta(seconds=60)
"""A condition that a person closed is reported again at the earliest so much later."""


def report_restart_loop(container: Container, restarts: int, node_id: int | None, now: datetime) -> MonitorReport:
    """A container that starts again and again."""
    is_critical = restarts >= CRITICAL_FACTOR * container.restart_threshold
    return MonitorReport(
        source=MonitorSource.CONTAINER,
        alert_type=RESTART_LOOP,
        entity=entity_of(container),
        severity=Severity.CRITICAL if is_critical else container.alert_severity,
        alert_name=f"Restart loop: {container.name}",
        message=f"Restarted {restarts} times in the last 10 minutes; the threshold is {container.restart_threshold}",
        details={"restart_count": restarts, "threshold": container.restart_threshold},
        start_time=now,
        topology_node_id=node_id,
        channels=container.channel_names,
    )


def report_unhealthy(container: Container, previous: Health | None, node_id: int | None, start: datetime) -> MonitorReport:
    """A container whose own check fails."""
    return MonitorReport(
        source=MonitorSource.CONTAINER,
        alert_type=HEALTH_UNHEALTHY,
        entity=entity_of(container),
        severity=container.alert_severity,
        alert_name=f"Container unhealthy: {container.name}",
        message="The container's health check fails",
        details={"previous_health": previous, "health_status": Health.UNHEALTHY.value},
        start_time=start,
        topology_node_id=node_id,
        channels=container.channel_names,
    )


def report_down(container: Container, snippet: str | None, node_id: int | None) -> MonitorReport:
    """A container that ended and was not started again."""
    code = "" if container.exit_code is None else f" with exit code {container.exit_code}"
    reason = " because memory ran out" if container.oom_killed else ""
    return MonitorReport(
        source=MonitorSource.CONTAINER,
        alert_type=CONTAINER_DOWN,
        entity=entity_of(container),
        severity=container.alert_severity,
        alert_name=f"Container down: {container.name}",
        message=f"The container is {container.state}{code}{reason} and was not started again",
        details={
            "state": container.state.value,
            "exit_code": container.exit_code,
            "oom_killed": container.oom_killed,
            "log_snippet": snippet,
        },
        start_time=container.last_state_change_time,
        topology_node_id=node_id,
        channels=container.channel_names,
    )


def recovery(container_id: int, alert_type: str, now: datetime, message: str) -> MonitorRecovery:
    """A condition that is over."""
    return MonitorRecovery(
        source=MonitorSource.CONTAINER,
        alert_type=alert_type,
        entity_type=EntityType.CONTAINER,
        entity_id=container_id,
        end_time=now,
        message=message,
    )


def entity_of(container: Container) -> Entity:
    """The container as alerts know it."""
    return Entity(EntityType.CONTAINER, container.id, container.name)
