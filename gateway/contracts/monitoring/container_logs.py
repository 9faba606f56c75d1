"""Logs of containers, read and followed (contract monitoring 4.2, 17.4)."""

import asyncio
from typing import Any, Literal

import grpc
import msgspec
from aiohttp import web
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.monitoring.stream import FRAMING, STREAMS_PER_CREDENTIAL, credential_of, open_streams
from gateway.contracts.monitoring.values import read_count, read_flag, read_moment
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure, Reason, from_rpc
from gateway.transcode.handling import encoder
from gateway.transcode.request import Request
from gateway.transcode.streams import KEEP_ALIVE_SECONDS, EventStream, close_stream, open_stream
from gateway.transcode.times import format_time
from lumetry.containers.v1 import container_log_service_pb2, container_pb2

GET_LOGS = find_rpc(container_log_service_pb2.DESCRIPTOR, "ContainerLogService", "GetContainerLogs")
FOLLOW_LOGS = find_rpc(container_log_service_pb2.DESCRIPTOR, "ContainerLogService", "FollowContainerLogs")

DEFAULT_LINES, MAX_LINES = 100, 500
START_SECONDS = 10.0
STARTED = "x-lumetry-started"
"""Among the first metadata of a log that is followed."""
Following = grpc.aio.UnaryStreamCall[Any, Any]
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
    with open_streams.taken(credential_of(request), STREAMS_PER_CREDENTIAL):
        following = request.core.watch(FOLLOW_LOGS, asked, request.metadata)
        try:
            first = await await_start(following)
            stream = await open_stream(request.http, request.request_id, FRAMING)
            try:
                await forward(following, first, stream, number, request.services.closing)
            except (ConnectionError, TimeoutError):
                return stream.response
            await close_stream(stream)
            return stream.response
        finally:
            following.cancel()


async def await_start(following: Following) -> Any:  # noqa: ANN401 -- a message, EOF or None
    """Waits until the core has the log; the first message, if it had to be waited for, else None.

    Whether it has is told by its first metadata: those of a refusal are empty, and the refusal itself comes with the first message.

    Raises:
        Failure: It refused, or did not begin in time.
    """
    try:
        async with asyncio.timeout(START_SECONDS):
            metadata = await following.initial_metadata()
            return None if any(key == STARTED for key, _ in metadata) else await following.read()
    except grpc.aio.AioRpcError as error:
        failure = from_rpc(error)
        if failure.reason is Reason.VALIDATION_FAILED:  # nothing but the query can be wrong
            failure.metadata = {**failure.metadata, "part": "query"}
        raise failure from None
    except TimeoutError:
        raise Failure(Reason.DEADLINE_EXCEEDED, "The log did not begin in time; try again.", from_core=True) from None


async def forward(following: Following, first: Any, stream: EventStream, container_id: int, closing: asyncio.Event) -> None:  # noqa: ANN401
    """Passes lines on until the log ends, the client leaves or the gateway closes. `first` is what `await_start` had."""
    closed = asyncio.ensure_future(closing.wait())
    reading = asyncio.ensure_future(following.read()) if first is None else None
    try:
        while True:
            if reading is not None:
                await asyncio.wait({reading, closed}, timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if closed.done():
                    return
                if not reading.done():
                    await stream.keep_alive()
                    continue
            message: Any = first if reading is None else reading.result()
            if message is grpc.aio.EOF:
                return
            await send(message, stream, container_id)
            reading = asyncio.ensure_future(following.read())
    except grpc.aio.AioRpcError as error:
        now = Timestamp()
        now.GetCurrentTime()
        failed = {
            "type": "container.log_error",
            "container_id": container_id,
            "error": from_rpc(error).message,
            "timestamp": format_time(now),
        }
        await stream.send("container.log_error", encoder.encode(failed).decode())
    finally:
        closed.cancel()
        if reading is not None:
            reading.cancel()


async def send(message: container_log_service_pb2.FollowContainerLogsResponse, stream: EventStream, container_id: int) -> None:
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
