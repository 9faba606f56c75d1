"""The rows of heartbeats and pings (contract monitoring 6)."""

from collections.abc import Sequence
from functools import partial

from gateway.contracts.monitoring import heartbeats, pings
from gateway.contracts.monitoring.uptime import DailyUptime, DaysQuery
from gateway.transcode.channel import find_rpc
from gateway.transcode.routes import Route
from lumetry.heartbeats.v1 import heartbeat_service_pb2

SECONDS = 10.0
PATH = "/api/v1/heartbeats/{id:int}"

row = partial(Route, deadline_seconds=SECONDS)
rpc = partial(find_rpc, heartbeat_service_pb2.DESCRIPTOR, "HeartbeatService")

MANAGED = (
    row(
        method="GET",
        path="/api/v1/heartbeats",
        heading="Heartbeats",
        rpc=rpc("ListHeartbeats"),
        decode=heartbeats.decode_list,
        encode=heartbeats.encode_list,
        query=heartbeats.StatusQuery,
        answer=heartbeats.Heartbeats,
    ),
    row(
        method="POST",
        path="/api/v1/heartbeats",
        heading="Heartbeats",
        rpc=rpc("CreateHeartbeat"),
        decode=heartbeats.decode_create,
        encode=heartbeats.encode_one,
        body=heartbeats.NewHeartbeat,
        answer=heartbeats.Heartbeat,
        status=201,
    ),
    row(
        method="GET",
        path=PATH,
        heading="One heartbeat",
        rpc=heartbeats.GET_HEARTBEAT,
        handle=heartbeats.answer_get,
        answer=heartbeats.HeartbeatDetail,
    ),
    row(
        method="PUT",
        path=PATH,
        heading="One heartbeat",
        rpc=rpc("UpdateHeartbeat"),
        decode=heartbeats.decode_update,
        encode=heartbeats.encode_one,
        body=heartbeats.HeartbeatChange,
        answer=heartbeats.Heartbeat,
    ),
    row(
        method="DELETE",
        path=PATH,
        heading="One heartbeat",
        rpc=rpc("DeleteHeartbeat"),
        decode=heartbeats.decode_delete,
        encode=heartbeats.encode_nothing,
        status=204,
    ),
    row(
        method="POST",
        path=f"{PATH}/pause",
        heading="Pausing a heartbeat",
        rpc=rpc("PauseHeartbeat"),
        decode=heartbeats.decode_pause,
        encode=heartbeats.encode_one,
        answer=heartbeats.Heartbeat,
    ),
    row(
        method="POST",
        path=f"{PATH}/resume",
        heading="Pausing a heartbeat",
        rpc=rpc("ResumeHeartbeat"),
        decode=heartbeats.decode_resume,
        encode=heartbeats.encode_one,
        answer=heartbeats.Heartbeat,
    ),
    row(
        method="GET",
        path=f"{PATH}/executions",
        heading="What a heartbeat did",
        rpc=rpc("ListRuns"),
        decode=heartbeats.decode_runs,
        encode=heartbeats.encode_runs,
        query=heartbeats.PageQuery,
        answer=heartbeats.Executions,
    ),
    row(
        method="GET",
        path=f"{PATH}/pings",
        heading="What a heartbeat did",
        rpc=rpc("ListPings"),
        decode=heartbeats.decode_pings,
        encode=heartbeats.encode_pings,
        query=heartbeats.PageQuery,
        answer=heartbeats.Pings,
    ),
    row(
        method="GET",
        path=f"{PATH}/uptime/daily",
        heading="Daily uptime of a heartbeat",
        rpc=rpc("ListHeartbeatDays"),
        decode=heartbeats.decode_days,
        encode=heartbeats.encode_days,
        query=DaysQuery,
        answer=DailyUptime,
    ),
)
# Reserved words come before the exit code, whose place they take. HEAD finds the rows of GET.
PINGED = tuple(
    row(method=method, path=path, heading="Pings", rpc=pings.RECORD_PINGS, handle=handle, answer=answer)
    for path, handle, answer in (
        ("/ping/{uuid:key}", pings.answer_success, pings.Pong),
        ("/ping/{uuid:key}/start", pings.answer_start, pings.Pong),
        ("/ping/{uuid:key}/fail", pings.answer_fail, pings.Pong),
        ("/ping/{uuid:key}/log", pings.answer_log, pings.Pong),
        ("/ping/{uuid:key}/{exit_code:key}", pings.answer_exit_code, pings.ExitCodePong),
    )
    for method in ("GET", "POST")
)
ROUTES: Sequence[Route] = (*MANAGED, *PINGED)
