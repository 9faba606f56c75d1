"""Containers (contract monitoring 4)."""

from typing import Any, Literal, get_args

import msgspec

from gateway.contracts.monitoring.values import (
    Time,
    format_or_none,
    read_count,
    read_flag,
    read_moment,
    read_offset,
    read_word,
    value_or_none,
)
from gateway.transcode.channel import find_rpc
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.containers.v1 import container_pb2, container_service_pb2

LIST_CONTAINERS = find_rpc(container_service_pb2.DESCRIPTOR, "ContainerService", "ListContainers")
GET_CONTAINER = find_rpc(container_service_pb2.DESCRIPTOR, "ContainerService", "GetContainer")
LIST_TRANSITIONS = find_rpc(container_service_pb2.DESCRIPTOR, "ContainerService", "ListContainerTransitions")
DELETE_CONTAINER = find_rpc(container_service_pb2.DESCRIPTOR, "ContainerService", "DeleteContainer")

StateWord = Literal["running", "exited", "completed", "restarting", "paused", "created", "dead"]
HealthWord = Literal["healthy", "unhealthy", "starting"]
GroupSource = Literal["label", "namespace", "compose", "orchestration", "default"]
AlertSeverity = Literal["critical", "warning", "info"]
RuntimeType = Literal["docker", "kubernetes"]

DEFAULT_TRANSITIONS, MAX_TRANSITIONS = 50, 500


class Container(msgspec.Struct):
    """A container, or the record of one that is gone."""

    id: int
    external_id: str
    name: str
    image: str
    state: StateWord
    health_status: HealthWord | None
    has_health_check: bool
    orchestration_group: str | None
    orchestration_unit: str | None
    custom_group: str | None
    is_ignored: bool
    archived: bool
    alert_severity: AlertSeverity
    restart_threshold: int
    alert_channels: str | None
    first_seen_at: Time
    last_state_change_at: Time
    archived_at: Time | None
    runtime_type: RuntimeType
    error_detail: str | None
    controller_kind: str | None
    namespace: str | None
    pod_count: int
    ready_count: int
    exit_code: int | None
    oom_killed: bool
    topology_node_id: int | None


class Uptime(msgspec.Struct):
    """Percent of the observed time in which it was up; null where nothing was observed."""

    day: float | None = msgspec.field(name="24h")
    week: float | None = msgspec.field(name="7d")
    month: float | None = msgspec.field(name="30d")
    quarter: float | None = msgspec.field(name="90d")


class ContainerDetail(Container):
    """A container with its uptime."""

    uptime: Uptime
    container_names: list[str]
    """Of a workload of Kubernetes."""


class ContainerGroup(msgspec.Struct):
    """Containers that belong together."""

    name: str
    source: GroupSource
    containers: list[Container]


class ContainerList(msgspec.Struct):
    """Containers by group; `total` counts those of the answer."""

    groups: list[ContainerGroup]
    total: int
    archived_count: int


class ContainerFilters(msgspec.Struct):
    """Which containers."""

    archived: str | None = None
    group: str | None = None
    state: str | None = None


class Transition(msgspec.Struct):
    """A change of state or health."""

    id: int
    container_id: int
    previous_state: StateWord
    new_state: StateWord
    previous_health: HealthWord | None
    new_health: HealthWord | None
    exit_code: int | None
    log_snippet: str | None
    timestamp: Time


class TransitionList(msgspec.Struct):
    """A page of transitions."""

    container_id: int
    transitions: list[Transition]
    total: int
    has_more: bool


class TransitionFilters(msgspec.Struct):
    """Which transitions: by default those of the last 24 hours."""

    since: str | None = None
    until: str | None = None
    limit: str | None = None
    offset: str | None = None


def decode_list(request: Request) -> container_service_pb2.ListContainersRequest:
    """4.2 `GET /api/v1/containers`."""
    query = request.query(ContainerFilters)
    state = read_word(query.state, "state", get_args(StateWord))
    return container_service_pb2.ListContainersRequest(
        archived=read_flag(query.archived, "archived", default=False),
        group=query.group or "",
        state=container_pb2.ContainerState.Value(f"CONTAINER_STATE_{state.upper() or 'UNSPECIFIED'}"),
    )


def encode_list(reply: container_service_pb2.ListContainersResponse, _asked: object) -> ContainerList:
    """4.2 containers by group."""
    groups = [
        ContainerGroup(group.name, known(group.source, GroupSource), [encode_container(each) for each in group.containers])
        for group in reply.groups
    ]
    return ContainerList(groups, sum(len(group.containers) for group in groups), reply.archived_count)


def decode_get(request: Request) -> container_service_pb2.GetContainerRequest:
    """4.2 `GET /api/v1/containers/{id}`."""
    return container_service_pb2.GetContainerRequest(id=request.number("id"))


def encode_get(reply: container_service_pb2.GetContainerResponse, _asked: object) -> ContainerDetail:
    """4.2 one container with its uptime."""
    uptime = Uptime(*(reply.uptime.get(window) for window in ("24h", "7d", "30d", "90d")))
    return ContainerDetail(**read_fields(reply.container), uptime=uptime, container_names=list(reply.container_names))


def decode_transitions(request: Request) -> container_service_pb2.ListContainerTransitionsRequest:
    """4.2 `GET /api/v1/containers/{id}/transitions`."""
    number, query = request.number("id"), request.query(TransitionFilters)
    return container_service_pb2.ListContainerTransitionsRequest(
        container_id=number,
        since=read_moment(query.since, "since"),
        until=read_moment(query.until, "until"),
        limit=read_count(query.limit, "limit", DEFAULT_TRANSITIONS, MAX_TRANSITIONS),
        offset=read_offset(query.offset),
    )


def encode_transitions(
    reply: container_service_pb2.ListContainerTransitionsResponse, asked: container_service_pb2.ListContainerTransitionsRequest
) -> TransitionList:
    """4.2 a page of transitions."""
    transitions = [
        Transition(
            id=each.id,
            container_id=each.container_id,
            previous_state=state_word(each.previous_state),
            new_state=state_word(each.new_state),
            previous_health=health_word(each.previous_health),
            new_health=health_word(each.new_health),
            exit_code=value_or_none(each, "exit_code"),
            log_snippet=value_or_none(each, "log_snippet"),
            timestamp=format_time(each.time),
        )
        for each in reply.transitions
    ]
    return TransitionList(asked.container_id, transitions, reply.total, asked.offset + len(transitions) < reply.total)


def decode_delete(request: Request) -> container_service_pb2.DeleteContainerRequest:
    """4.2 `DELETE /api/v1/containers/{id}`."""
    return container_service_pb2.DeleteContainerRequest(id=request.number("id"))


def encode_nothing(_reply: object, _asked: object) -> None:
    """Deleted: there is no body."""


def encode_container(container: container_pb2.Container) -> Container:
    """4.1 a container."""
    return Container(**read_fields(container))


def read_fields(container: container_pb2.Container) -> dict[str, Any]:
    """The fields of 4.1."""
    return {
        "id": container.id,
        "external_id": container.external_id,
        "name": container.name,
        "image": container.image,
        "state": state_word(container.state),
        "health_status": health_word(container.health),
        "has_health_check": container.has_health_check,
        "orchestration_group": value_or_none(container, "orchestration_group"),
        "orchestration_unit": value_or_none(container, "orchestration_unit"),
        "custom_group": value_or_none(container, "custom_group"),
        "is_ignored": container.ignored,
        "archived": container.HasField("archive_time"),
        "alert_severity": container.alert_severity,
        "restart_threshold": container.restart_threshold,
        "alert_channels": value_or_none(container, "alert_channels"),
        "first_seen_at": format_time(container.first_seen_time),
        "last_state_change_at": format_time(container.last_state_change_time),
        "archived_at": format_or_none(container, "archive_time"),
        "runtime_type": container.runtime_type,
        "error_detail": value_or_none(container, "error_detail"),
        "controller_kind": value_or_none(container, "controller_kind"),
        "namespace": value_or_none(container, "namespace"),
        "pod_count": container.pod_count,
        "ready_count": container.ready_count,
        "exit_code": value_or_none(container, "exit_code"),
        "oom_killed": container.oom_killed,
        "topology_node_id": value_or_none(container, "topology_node_id"),
    }


def state_word(state: container_pb2.ContainerState.ValueType) -> Any:  # noqa: ANN401 -- one of the words of StateWord
    """A state."""
    return container_pb2.ContainerState.Name(state).removeprefix("CONTAINER_STATE_").lower()


def health_word(health: container_pb2.ContainerHealth.ValueType) -> Any:  # noqa: ANN401 -- one of the words of HealthWord
    """A health; none is null."""
    if health == container_pb2.CONTAINER_HEALTH_UNSPECIFIED:
        return None
    return container_pb2.ContainerHealth.Name(health).removeprefix("CONTAINER_HEALTH_").lower()


def known(word: str, kind: Any) -> Any:  # noqa: ANN401 -- a Literal and one of its words
    """A word that a contract knows."""
    if word not in get_args(kind):
        raise ValueError(f"{word} is not a word of the contract")
    return word
