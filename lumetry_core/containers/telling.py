"""What is told of containers, in the words of the contract (monitoring 17.2). Pure."""

from datetime import datetime

from lumetry_core.containers.model import Container, Health
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.clock import spell_time

Told = tuple[str, dict[str, object]]


def tell_discovered(container: Container) -> Told:
    """A container that is new, or back."""
    return "container.discovered", spell_container(container)


def tell_archived(container: Container, time: datetime) -> Told:
    """A container that is gone."""
    return "container.archived", {"id": container.id, "name": container.name, "archived_at": spell_time(time)}


def tell_changes(before: Container, after: Container) -> list[Told]:
    """Changes of state and health."""
    told: list[Told] = []
    if before.state is not after.state:
        data: dict[str, object] = {
            "id": after.id,
            "name": after.name,
            "state": after.state.value,
            "previous_state": before.state.value,
            "health_status": spell_health(after.health),
            "exit_code": after.exit_code,
        }
        told.append(("container.state_changed", data))
    if before.health is not after.health:
        data = {
            "id": after.id,
            "name": after.name,
            "health_status": spell_health(after.health),
            "previous_health": spell_health(before.health),
        }
        told.append(("container.health_changed", data))
    return told


def tell_restart_alert(container: Container, restarts: int, severity: Severity) -> Told:
    """A restart loop."""
    data = {
        "container_id": container.id,
        "container_name": container.name,
        "restart_count": restarts,
        "threshold": container.restart_threshold,
        "severity": severity.value.lower(),
        "channels": container.alert_channels,
    }
    return "container.restart_alert", data


def tell_restart_recovery(container: Container) -> Told:
    """The end of a restart loop."""
    return "container.restart_recovery", {"container_id": container.id, "container_name": container.name}


def spell_health(health: Health | None) -> str | None:
    """A health as JSON has it."""
    return None if health is None else health.value


def spell_container(container: Container) -> dict[str, object]:
    """A container with the keys of contract monitoring 4.1."""
    return {
        "id": container.id,
        "external_id": container.external_id,
        "name": container.name,
        "image": container.image,
        "state": container.state.value,
        "health_status": spell_health(container.health),
        "has_health_check": container.has_health_check,
        "orchestration_group": container.orchestration_group,
        "orchestration_unit": container.orchestration_unit,
        "custom_group": container.custom_group,
        "is_ignored": container.is_ignored,
        "archived": container.is_archived,
        "alert_severity": container.alert_severity.value.lower(),
        "restart_threshold": container.restart_threshold,
        "alert_channels": container.alert_channels,
        "first_seen_at": spell_time(container.first_seen_time),
        "last_state_change_at": spell_time(container.last_state_change_time),
        "archived_at": None if container.archive_time is None else spell_time(container.archive_time),
        "runtime_type": container.runtime_type,
        "error_detail": container.error_detail,
        "controller_kind": container.controller_kind,
        "namespace": container.namespace,
        "pod_count": container.pod_count,
        "ready_count": container.ready_count,
        "exit_code": container.exit_code,
        "oom_killed": container.oom_killed,
        "topology_node_id": container.topology_node_id,
    }
