"""Error groups (contract logs 7)."""

from typing import Annotated, Literal

import msgspec
from aiohttp import web
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.logs.search import LEVEL_NAMES, Entry, Time, encode_entry, read_bound, split_list
from gateway.contracts.logs.times import format_time
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.failures import Failure, Fault, Reason, validation_failure
from gateway.transcode.handling import json_response
from gateway.transcode.request import LARGEST_INTEGER, Request
from lumetry.logs.v1 import log_group_service_pb2 as pb

Status = Literal["open", "resolved", "ignored"]
STATUS_NAMES: dict[int, Status] = {
    pb.LOG_GROUP_STATUS_OPEN: "open",
    pb.LOG_GROUP_STATUS_RESOLVED: "resolved",
    pb.LOG_GROUP_STATUS_IGNORED: "ignored",
}


def group_rpc(method: str) -> Rpc:
    """An RPC of the service of groups."""
    return find_rpc(pb.DESCRIPTOR, "LogGroupService", method)


LIST_GROUPS = group_rpc("ListLogGroups")


class GroupParameters(msgspec.Struct):
    """Which groups."""

    status: str | None = None
    project_id: str | None = None
    environment: str | None = None
    level: str | None = None
    q: str | None = None
    regressed: bool | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    incident_id: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_INTEGER)] | None = None
    sort: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: str | None = None


class NoteBody(msgspec.Struct):
    """Why a group is resolved."""

    note: str | None = None


class IgnoreBody(msgspec.Struct):
    """Until when a group is ignored, and why; without an end for good."""

    until: Timestamp | None = None
    until_count: Annotated[int, msgspec.Meta(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)] | None = None
    note: str | None = None


class Group(msgspec.Struct):
    """An error group."""

    id: int
    fingerprint: str
    project_id: str
    title: str
    error_type: str | None
    error_message: str | None
    culprit: str | None
    level: str
    levels: dict[str, int]
    environments: list[str]
    status: Status
    regressed: bool
    count: int
    count_24h: int
    first_seen: Time
    last_seen: Time
    resolved_at: Time | None
    resolved_by: str | None
    ignored_until: Time | None
    ignore_until_count: int | None
    note: str | None
    trace_ids: list[str]
    alert_ids: list[int]
    incident_ids: list[int]


class GroupPage(msgspec.Struct):
    """A page of groups."""

    groups: list[Group]
    next_cursor: str | None
    has_more: bool


class Bucket(msgspec.Struct):
    """Entries of an hour."""

    timestamp: Time
    count: int


class GroupDetail(msgspec.Struct):
    """A group with its last entries."""

    group: Group
    samples: list[Entry]
    histogram: list[Bucket]


async def answer_list(request: Request) -> web.Response:
    """7.6 `GET /v1/log-groups`."""
    try:
        reply = await request.core.call(LIST_GROUPS, decode_list(request), request.metadata, rates=request.rates)
    except Failure as failure:
        if failure.from_core and failure.reason in (Reason.VALIDATION_FAILED, Reason.OUT_OF_RANGE):
            failure.metadata = {**failure.metadata, "part": "query"}
        raise
    page = GroupPage([encode_group(group) for group in reply.groups], reply.next_cursor or None, bool(reply.next_cursor))
    return json_response(page)


def decode_list(request: Request) -> pb.ListLogGroupsRequest:
    """7.6 the parameters."""
    given = request.query(GroupParameters)
    faults: list[Fault] = []
    start, end = (read_bound(name, text, faults) for name, text in (("from", given.from_), ("to", given.to)))
    if faults:
        raise validation_failure(tuple(faults), part="query")
    return pb.ListLogGroupsRequest(
        statuses=split_list(given.status),
        project_id=given.project_id,
        environment=given.environment,
        levels=split_list(given.level),
        q=given.q or "",
        is_regressed=given.regressed,
        start_time=start,
        end_time=end,
        incident_id=given.incident_id,
        sort=given.sort or "",
        limit=given.limit,
        cursor=given.cursor or "",
    )


def decode_get(request: Request) -> pb.GetLogGroupRequest:
    """7.6 `GET /v1/log-groups/{id}`."""
    return pb.GetLogGroupRequest(id=request.number("id"))


def encode_get(reply: pb.GetLogGroupResponse, _asked: object) -> GroupDetail:
    """7.6 the group with its last entries."""
    return GroupDetail(
        encode_group(reply.group),
        [encode_entry(entry) for entry in reply.samples],
        [Bucket(format_time(hour.time), hour.count) for hour in reply.hours],
    )


def decode_resolve(request: Request) -> pb.ResolveLogGroupRequest:
    """7.6 `POST /v1/log-groups/{id}/resolve`."""
    return pb.ResolveLogGroupRequest(id=request.number("id"), note=request.body(NoteBody, optional=True).note)


def decode_ignore(request: Request) -> pb.IgnoreLogGroupRequest:
    """7.6 `POST /v1/log-groups/{id}/ignore`."""
    body = request.body(IgnoreBody, optional=True)
    return pb.IgnoreLogGroupRequest(id=request.number("id"), until=body.until, until_count=body.until_count, note=body.note)


def decode_reopen(request: Request) -> pb.ReopenLogGroupRequest:
    """7.6 `POST /v1/log-groups/{id}/reopen`."""
    return pb.ReopenLogGroupRequest(id=request.number("id"))


def encode_changed(reply: pb.ResolveLogGroupResponse | pb.IgnoreLogGroupResponse | pb.ReopenLogGroupResponse, _asked: object) -> Group:
    """7.6 the bare group."""
    return encode_group(reply.group)


def encode_group(group: pb.LogGroup) -> Group:
    """7.5 a group."""
    has = group.HasField
    return Group(
        id=group.id,
        fingerprint=group.fingerprint,
        project_id=group.project_id,
        title=group.title,
        error_type=group.error_type if has("error_type") else None,
        error_message=group.error_message if has("error_message") else None,
        culprit=group.culprit if has("culprit") else None,
        level=LEVEL_NAMES[group.level],
        levels={LEVEL_NAMES[part.level]: part.count for part in group.levels},
        environments=list(group.environments),
        status=STATUS_NAMES[group.status],
        regressed=group.is_regressed,
        count=group.count,
        count_24h=group.day_count,
        first_seen=format_time(group.first_time),
        last_seen=format_time(group.last_time),
        resolved_at=format_time(group.resolve_time) if has("resolve_time") else None,
        resolved_by=group.resolved_by if has("resolved_by") else None,
        ignored_until=format_time(group.ignore_until) if has("ignore_until") else None,
        ignore_until_count=group.ignore_until_count if has("ignore_until_count") else None,
        note=group.note if has("note") else None,
        trace_ids=list(group.trace_ids),
        alert_ids=list(group.alert_ids),
        incident_ids=list(group.incident_ids),
    )
