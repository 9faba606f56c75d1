"""The rows of containers (contract monitoring 4)."""

from collections.abc import Sequence

from gateway.contracts.monitoring import container_logs, containers
from gateway.transcode.routes import Route

SECONDS = 10.0

ROUTES: Sequence[Route] = (
    Route(
        method="GET",
        path="/api/v1/containers",
        heading="Containers",
        rpc=containers.LIST_CONTAINERS,
        decode=containers.decode_list,
        encode=containers.encode_list,
        query=containers.ContainerFilters,
        answer=containers.ContainerList,
        deadline_seconds=SECONDS,
    ),
    Route(
        method="GET",
        path="/api/v1/containers/{id:int}",
        heading="One container",
        rpc=containers.GET_CONTAINER,
        decode=containers.decode_get,
        encode=containers.encode_get,
        answer=containers.ContainerDetail,
        deadline_seconds=SECONDS,
    ),
    Route(
        method="DELETE",
        path="/api/v1/containers/{id:int}",
        heading="Removing a container's record",
        rpc=containers.DELETE_CONTAINER,
        decode=containers.decode_delete,
        encode=containers.encode_nothing,
        status=204,
        deadline_seconds=SECONDS,
    ),
    Route(
        method="GET",
        path="/api/v1/containers/{id:int}/transitions",
        heading="Transitions of a container",
        rpc=containers.LIST_TRANSITIONS,
        decode=containers.decode_transitions,
        encode=containers.encode_transitions,
        query=containers.TransitionFilters,
        answer=containers.TransitionList,
        deadline_seconds=SECONDS,
    ),
    Route(
        method="GET",
        path="/api/v1/containers/{id:int}/logs",
        heading="Logs of a container",
        rpc=container_logs.GET_LOGS,
        handle=container_logs.answer_logs,
        query=container_logs.LogFilters,
        answer=container_logs.Logs,
        deadline_seconds=SECONDS,
    ),
    Route(
        method="GET",
        path="/api/v1/containers/{id:int}/logs/stream",
        heading="Live log of a container",
        rpc=container_logs.FOLLOW_LOGS,
        handle=container_logs.stream_logs,
        query=container_logs.FollowFilters,
        media_type="text/event-stream",
    ),
)
