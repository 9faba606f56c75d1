"""Heartbeats, their runs and pings (contract monitoring 6.1, 6.2)."""

from typing import Annotated, Literal

import msgspec
from aiohttp import web

from gateway.contracts.monitoring.snippets import Snippets, write_snippets
from gateway.contracts.monitoring.uptime import DailyUptime, DaysQuery, encode_daily, read_days
from gateway.contracts.monitoring.values import Time, format_or_none, read_count, read_offset, read_word, value_or_none
from gateway.transcode.bodies import parse_json
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Fault
from gateway.transcode.handling import json_response
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.heartbeats.v1 import heartbeat_pb2
from lumetry.heartbeats.v1 import heartbeat_service_pb2 as pb

GET_HEARTBEAT = find_rpc(pb.DESCRIPTOR, "HeartbeatService", "GetHeartbeat")

LONGEST_NAME = 255
MOST_ROWS = 500
RUNS, PINGS = 20, 50
"""Rows of a page unless it is said."""
STATUSES = ("new", "up", "down", "started", "paused")
StatusWord = Literal["new", "up", "down", "started", "paused"]
Interval = Annotated[int, msgspec.Meta(ge=60, le=604_800)]
Grace = Annotated[int, msgspec.Meta(ge=0, le=604_800)]
Id = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]


class StatusQuery(msgspec.Struct):
    """Only those of a status: `new`, `up`, `down`, `started` or `paused`."""

    status: str | None = None


class PageQuery(msgspec.Struct):
    """A page: `limit` 1 to 500, `offset` at least 0."""

    limit: str | None = None
    offset: str | None = None


class NewHeartbeat(msgspec.Struct):
    """A heartbeat to be made."""

    name: str
    interval_seconds: Interval
    grace_seconds: Grace | None = None
    topology_node_id: Id | None = None


class HeartbeatChange(msgspec.Struct):
    """What changes of a heartbeat. A `topology_node_id` of null takes the node away."""

    name: str | None = None
    interval_seconds: Interval | None = None
    grace_seconds: Grace | None = None
    topology_node_id: Id | None = None


class Heartbeat(msgspec.Struct):
    """A job that reports by itself."""

    id: int
    uuid: str
    name: str
    status: StatusWord
    alert_state: Literal["normal", "alerting"]
    interval_seconds: int
    grace_seconds: int
    last_ping_at: Time | None
    next_deadline_at: Time | None
    current_run_started_at: Time | None
    last_exit_code: int | None
    last_duration_ms: int | None
    consecutive_failures: int
    consecutive_successes: int
    active: bool
    created_at: Time
    updated_at: Time
    topology_node_id: int | None


class Heartbeats(msgspec.Struct):
    """Heartbeats, newest created first."""

    heartbeats: list[Heartbeat]
    total: int


class HeartbeatDetail(msgspec.Struct):
    """A heartbeat and how to ping it."""

    heartbeat: Heartbeat
    snippets: Snippets


class Execution(msgspec.Struct):
    """One execution of a job, as far as pings tell."""

    id: int
    heartbeat_id: int
    started_at: Time | None
    completed_at: Time | None
    duration_ms: int | None
    exit_code: int | None
    outcome: Literal["success", "failure", "timeout", "in_progress"]
    payload: str | None


class Executions(msgspec.Struct):
    """A page of executions, newest first."""

    executions: list[Execution]
    total: int


class Ping(msgspec.Struct):
    """A ping that came."""

    id: int
    heartbeat_id: int
    ping_type: Literal["success", "start", "exit_code", "fail", "log"]
    exit_code: int | None
    source_ip: str
    http_method: str
    payload: str | None
    timestamp: Time
    expected_at: Time | None
    grace_deadline: Time | None


class Pings(msgspec.Struct):
    """A page of pings, newest first."""

    pings: list[Ping]
    total: int


def decode_list(request: Request) -> pb.ListHeartbeatsRequest:
    """6.2 `GET /heartbeats`."""
    return pb.ListHeartbeatsRequest(status=read_word(request.query(StatusQuery).status, "status", STATUSES))


def encode_list(reply: pb.ListHeartbeatsResponse, _asked: object) -> Heartbeats:
    """6.2 the heartbeats."""
    return Heartbeats([encode_heartbeat(heartbeat) for heartbeat in reply.heartbeats], len(reply.heartbeats))


def decode_get(request: Request) -> pb.GetHeartbeatRequest:
    """6.2 `GET /heartbeats/{id}`."""
    return pb.GetHeartbeatRequest(id=request.number("id"))


async def answer_get(request: Request) -> web.Response:
    """6.2 `GET /heartbeats/{id}`: without a configured address the texts name the one that the request came to."""
    reply: pb.GetHeartbeatResponse = await request.core.call(GET_HEARTBEAT, decode_get(request), request.metadata, rates=request.rates)
    base_url = reply.base_url or find_own_url(request.http)
    return json_response(HeartbeatDetail(encode_heartbeat(reply.heartbeat), write_snippets(f"{base_url}/ping/{reply.heartbeat.uuid}")))


def find_own_url(http: web.BaseRequest) -> str:
    """Where this gateway listens, as the client reached it."""
    host, port = http.get_extra_info("sockname", ("127.0.0.1", 8080))[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def decode_create(request: Request) -> pb.CreateHeartbeatRequest:
    """6.2 `POST /heartbeats`."""
    body = request.body(NewHeartbeat, check=check_name)
    return pb.CreateHeartbeatRequest(
        heartbeat=heartbeat_pb2.HeartbeatDraft(
            name=body.name,
            interval_seconds=body.interval_seconds,
            grace_seconds=body.grace_seconds,
            topology_node_id=body.topology_node_id,
        )
    )


def decode_update(request: Request) -> pb.UpdateHeartbeatRequest:
    """6.2 `PUT /heartbeats/{id}`."""
    given = parse_json(request.content)  # what is not JSON outranks an id of the wrong form
    number = request.number("id")
    body = request.body(HeartbeatChange, check=check_name)
    draft = heartbeat_pb2.HeartbeatDraft(
        name=body.name,
        interval_seconds=body.interval_seconds,
        grace_seconds=body.grace_seconds,
        topology_node_id=body.topology_node_id,
        clears_topology_node="topology_node_id" in given and given["topology_node_id"] is None,
    )
    return pb.UpdateHeartbeatRequest(id=number, heartbeat=draft)


def check_name(body: NewHeartbeat | HeartbeatChange, faults: list[Fault]) -> None:
    """Notes a name of the wrong length."""
    if body.name is not None and not (body.name.strip() and len(body.name) <= LONGEST_NAME):
        faults.append(Fault("name", f"must have 1 to {LONGEST_NAME} characters"))
    if body.grace_seconds is not None and body.interval_seconds is not None and body.grace_seconds > body.interval_seconds:
        faults.append(Fault("grace_seconds", "must not be greater than interval_seconds"))


def decode_delete(request: Request) -> pb.DeleteHeartbeatRequest:
    """6.2 `DELETE /heartbeats/{id}`."""
    return pb.DeleteHeartbeatRequest(id=request.number("id"))


def encode_nothing(_reply: object, _asked: object) -> None:
    """204 has no body."""


def decode_pause(request: Request) -> pb.PauseHeartbeatRequest:
    """6.2 `POST /heartbeats/{id}/pause`."""
    return pb.PauseHeartbeatRequest(id=request.number("id"))


def decode_resume(request: Request) -> pb.ResumeHeartbeatRequest:
    """6.2 `POST /heartbeats/{id}/resume`."""
    return pb.ResumeHeartbeatRequest(id=request.number("id"))


Answered = pb.CreateHeartbeatResponse | pb.UpdateHeartbeatResponse | pb.PauseHeartbeatResponse | pb.ResumeHeartbeatResponse


def encode_one(reply: Answered, _asked: object) -> Heartbeat:
    """6.2 the heartbeat that was written."""
    return encode_heartbeat(reply.heartbeat)


def decode_runs(request: Request) -> pb.ListRunsRequest:
    """6.2 `GET /heartbeats/{id}/executions`."""
    number, query = request.number("id"), request.query(PageQuery)
    limit = read_count(query.limit, "limit", RUNS, MOST_ROWS)
    return pb.ListRunsRequest(heartbeat_id=number, limit=limit, offset=read_offset(query.offset))


def encode_runs(reply: pb.ListRunsResponse, _asked: object) -> Executions:
    """6.2 the executions."""
    return Executions([encode_run(run) for run in reply.runs], reply.total)


def decode_pings(request: Request) -> pb.ListPingsRequest:
    """6.2 `GET /heartbeats/{id}/pings`."""
    number, query = request.number("id"), request.query(PageQuery)
    limit = read_count(query.limit, "limit", PINGS, MOST_ROWS)
    return pb.ListPingsRequest(heartbeat_id=number, limit=limit, offset=read_offset(query.offset))


def encode_pings(reply: pb.ListPingsResponse, _asked: object) -> Pings:
    """6.2 the pings."""
    return Pings([encode_ping(ping) for ping in reply.pings], reply.total)


def decode_days(request: Request) -> pb.ListHeartbeatDaysRequest:
    """6.2 `GET /heartbeats/{id}/uptime/daily`."""
    return pb.ListHeartbeatDaysRequest(heartbeat_id=request.number("id"), days=read_days(request.query(DaysQuery)))


def encode_days(reply: pb.ListHeartbeatDaysResponse, asked: pb.ListHeartbeatDaysRequest) -> DailyUptime:
    """5.5 the days."""
    return encode_daily(asked.heartbeat_id, "heartbeat", reply.days)


def encode_heartbeat(heartbeat: heartbeat_pb2.Heartbeat) -> Heartbeat:
    """6.1 a heartbeat; one that is removed is not found any more, so every one is active."""
    return Heartbeat(
        id=heartbeat.id,
        uuid=heartbeat.uuid,
        name=heartbeat.name,
        status=heartbeat.status,  # type: ignore[arg-type]
        alert_state=heartbeat.alert_state,  # type: ignore[arg-type]
        interval_seconds=heartbeat.interval_seconds,
        grace_seconds=heartbeat.grace_seconds,
        last_ping_at=format_or_none(heartbeat, "last_ping_time"),
        next_deadline_at=format_or_none(heartbeat, "deadline"),
        current_run_started_at=format_or_none(heartbeat, "run_start_time"),
        last_exit_code=value_or_none(heartbeat, "last_exit_code"),
        last_duration_ms=value_or_none(heartbeat, "last_duration_ms"),
        consecutive_failures=heartbeat.consecutive_failures,
        consecutive_successes=heartbeat.consecutive_successes,
        active=True,
        created_at=format_time(heartbeat.create_time),
        updated_at=format_time(heartbeat.update_time),
        topology_node_id=value_or_none(heartbeat, "topology_node_id"),
    )


def encode_run(run: heartbeat_pb2.Run) -> Execution:
    """6.2 an execution."""
    return Execution(
        id=run.id,
        heartbeat_id=run.heartbeat_id,
        started_at=format_or_none(run, "start_time"),
        completed_at=format_or_none(run, "end_time"),
        duration_ms=value_or_none(run, "duration_ms"),
        exit_code=value_or_none(run, "exit_code"),
        outcome=run.outcome,  # type: ignore[arg-type]
        payload=value_or_none(run, "payload"),
    )


def encode_ping(ping: heartbeat_pb2.Ping) -> Ping:
    """6.2 a ping."""
    return Ping(
        id=ping.id,
        heartbeat_id=ping.heartbeat_id,
        ping_type=ping.kind,  # type: ignore[arg-type]
        exit_code=value_or_none(ping, "exit_code"),
        source_ip=ping.source_ip,
        http_method=ping.http_method,
        payload=value_or_none(ping, "payload"),
        timestamp=format_time(ping.time),
        expected_at=format_or_none(ping, "expected_time"),
        grace_deadline=format_or_none(ping, "grace_deadline"),
    )
