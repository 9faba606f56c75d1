"""Containers as the proto spells them."""

from collections.abc import Mapping

from lumetry.containers.v1 import container_pb2 as pb
from lumetry_core.containers.engine import LogLine
from lumetry_core.containers.model import Container, ContainerState, Health, Transition
from lumetry_core.containers.service.reading import Group
from lumetry_core.runtime.timestamps import encode_time

STATES: Mapping[ContainerState, pb.ContainerState.ValueType] = {
    state: pb.ContainerState.Value(f"CONTAINER_STATE_{state.name}") for state in ContainerState
}
STATE_OF: Mapping[int, ContainerState] = {number: state for state, number in STATES.items()}
HEALTHS: Mapping[Health | None, pb.ContainerHealth.ValueType] = {
    None: pb.CONTAINER_HEALTH_UNSPECIFIED,
    **{health: pb.ContainerHealth.Value(f"CONTAINER_HEALTH_{health.name}") for health in Health},
}


def encode_container(container: Container) -> pb.Container:
    """A container."""
    return pb.Container(
        id=container.id,
        external_id=container.external_id,
        name=container.name,
        image=container.image,
        state=STATES[container.state],
        health=HEALTHS[container.health],
        has_health_check=container.has_health_check,
        orchestration_group=container.orchestration_group,
        orchestration_unit=container.orchestration_unit,
        custom_group=container.custom_group,
        ignored=container.is_ignored,
        alert_severity=container.alert_severity.value.lower(),
        restart_threshold=container.restart_threshold,
        alert_channels=container.alert_channels,
        first_seen_time=encode_time(container.first_seen_time),
        last_state_change_time=encode_time(container.last_state_change_time),
        archive_time=encode_time(container.archive_time),
        runtime_type=container.runtime_type,
        error_detail=container.error_detail,
        controller_kind=container.controller_kind,
        namespace=container.namespace,
        pod_count=container.pod_count,
        ready_count=container.ready_count,
        exit_code=container.exit_code,
        oom_killed=container.oom_killed,
        topology_node_id=container.topology_node_id,
    )


def encode_group(group: Group) -> pb.ContainerGroup:
    """A group."""
    return pb.ContainerGroup(
        name=group.name, source=group.source.value, containers=[encode_container(container) for container in group.containers]
    )


def encode_transition(transition: Transition) -> pb.ContainerTransition:
    """A transition."""
    return pb.ContainerTransition(
        id=transition.id,
        container_id=transition.container_id,
        previous_state=STATES[transition.previous_state],
        new_state=STATES[transition.new_state],
        previous_health=HEALTHS[transition.previous_health],
        new_health=HEALTHS[transition.new_health],
        exit_code=transition.exit_code,
        log_snippet=transition.log_snippet,
        time=encode_time(transition.time),
    )


def encode_line(line: LogLine) -> pb.ContainerLogLine:
    """A line of a log."""
    return pb.ContainerLogLine(text=line.text, stream=line.stream.value, time=encode_time(line.time), spelled_time=line.spelled_time)
