"""Logs of containers, read and followed (contract monitoring 4.2, 17.4)."""

from functools import partial
from typing import Literal

import msgspec
from aiohttp import web
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.monitoring.stream import STREAMS_PER_CREDENTIAL, frame_for, open_streams
from gateway.contracts.monitoring.values import read_count, read_flag, read_moment
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure
from gateway.transcode.handling import encoder
from gateway.transcode.relaying import owner_of, relay
from gateway.transcode.request import Request
from gateway.transcode.streams import EventStream
from gateway.transcode.times import format_time
from lumetry.containers.v1 import container_log_service_pb2, container_pb2

GET_LOGS = find_rpc(container_log_service_pb2.DESCRIPTOR, "ContainerLogService", "GetContainerLogs")
FOLLOW_LOGS = find_rpc(container_log_service_pb2.DESCRIPTOR, "ContainerLogService", "FollowContainerLogs")

DEFAULT_LINES, MAX_LINES = 100, 500
REASONS: dict[int, Literal["container_stopped", "runtime_disconnected"]] = {
    container_log_service_pb2.LOG_END_CONTAINER_STOPPED: "container_stopped",
    container_log_service_pb2.LOG_END_RUNTIME_DISCONNECTED: "runtime_disconnected",
}


class LogFilters(msgspec.Struct):
    """Which lines, and whether with their times."""

    lines: str | None = None
    timestamps: str | None = None
    since: str | None = None


class FollowFilters(msgspec.Struct):
    """Where to begin. `container` picks one of a workload of Kubernetes."""

    lines: str | None = None
    since: str | None = None
    container: str | None = None


class Logs(msgspec.Struct):
    """The end of a log; `truncated` tells that there are as many lines as were asked for."""

    container_id: int
    container_name: str
    lines: list[str]
    total_lines: int
    truncated: bool


def decode_logs(request: Request) -> container_log_service_pb2.GetContainerLogsRequest:
    """4.2 `GET /api/v1/containers/{id}/logs`."""
    number, query = request.number("id"), request.query(LogFilters)
    read_flag(query.timestamps, "timestamps", default=False)
    return container_log_service_pb2.GetContainerLogsRequest(
        container_id=number,
        lines=read_count(query.lines, "lines", DEFAULT_LINES, MAX_LINES),
        since=read_moment(query.since, "since"),
    )


async def answer_logs(request: Request) -> web.Response:
    """4.2 the end of a log."""
    asked = decode_logs(request)
    with_times = read_flag(request.query(LogFilters).timestamps, "timestamps", default=False)
    reply = await request.core.call(GET_LOGS, asked, request.metadata, rates=request.rates)
    lines = [f"{line.spelled_time} {line.text}" if with_times else line.text for line in reply.lines]
    logs = Logs(asked.container_id, reply.container_name, lines, len(lines), len(lines) == asked.lines)
    return web.Response(body=encoder.encode(logs), content_type="application/json", charset="utf-8")


async def stream_logs(request: Request) -> web.StreamResponse:
    """17.4 `GET /api/v1/containers/{id}/logs/stream`."""
    number, query = request.number("id"), request.query(FollowFilters)
    asked = container_log_service_pb2.FollowContainerLogsRequest(
        container_id=number,
        lines=read_count(query.lines, "lines", DEFAULT_LINES, MAX_LINES),
        since=read_moment(query.since, "since"),
        container_name=query.container or "",
    )
    await request.core.check_access(FOLLOW_LOGS, request.metadata, charged=False)
    with open_streams.taken(owner_of(request), STREAMS_PER_CREDENTIAL):
        return await relay(
            request,
            FOLLOW_LOGS,
            asked,
            partial(send, container_id=number),
            framing=frame_for(request),
            tell_failure=partial(tell_failure, container_id=number),
        )


async def tell_failure(stream: EventStream, failure: Failure, *, container_id: int) -> None:
    """Writes why a log ended that could not be read on."""
    now = Timestamp()
    now.GetCurrentTime()
    failed = {
        "type": "container.log_error",
        "container_id": container_id,
        "error": failure.message,
        "timestamp": format_time(now),
    }
    await stream.send("container.log_error", encoder.encode(failed).decode())


async def send(stream: EventStream, message: container_log_service_pb2.FollowContainerLogsResponse, *, container_id: int) -> None:
    """Passes a line on, or tells the end."""
    if message.end == container_log_service_pb2.LOG_END_UNSPECIFIED:
        event, data = "container.log_line", spell_line(message.line)
    elif message.end in REASONS:
        event, data = "container.log_end", {"reason": REASONS[message.end], "timestamp": format_time(message.time)}
    else:
        event, data = "container.log_error", {"error": message.error, "timestamp": format_time(message.time)}
    await stream.send(event, encoder.encode({"type": event, "container_id": container_id, **data}).decode())


def spell_line(line: container_pb2.ContainerLogLine) -> dict[str, object]:
    """What is told of a line."""
    return {"line": line.text, "stream": line.stream, "timestamp": format_time(line.time)}
