"""What logs use up (contract logs 10)."""

from typing import Annotated

import msgspec
from aiohttp import web

from gateway.contracts.logs.search import LEVEL_NAMES, read_bound
from gateway.contracts.logs.times import format_time
from gateway.transcode.channel import find_rpc
from gateway.transcode.failures import Failure, Fault, Reason, validation_failure
from gateway.transcode.handling import json_response
from gateway.transcode.request import UUID, Request
from lumetry.logs.v1 import log_usage_service_pb2 as pb

GET_LOG_USAGE = find_rpc(pb.DESCRIPTOR, "LogUsageService", "GetLogUsage")

Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


class UsageParameters(msgspec.Struct):
    """Which usage."""

    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    interval: str | None = None
    project_id: str | None = None


class Period(msgspec.Struct):
    """From one time on and before another."""

    from_: Time = msgspec.field(name="from")
    to: Time


class Totals(msgspec.Struct):
    """What was pushed, and what became of it."""

    requests: int
    rejected_requests: int
    rate_limited_requests: int
    quota_refused_requests: int
    entries: int
    bytes_used: int


class ProjectUsage(msgspec.Struct):
    """What was stored of a project's entries."""

    project_id: str
    entries: int
    bytes_used: int


class Quota(msgspec.Struct, omit_defaults=True):
    """How a budget on logs stands; `project_id` only with the scope of a project."""

    meter: str
    scope: str
    mode: str
    limit: int
    used: int
    remaining: int
    resets_at: Time
    project_id: str | None = None


class RateLimits(msgspec.Struct):
    """Pushes per minute; 0: no limit."""

    key_per_minute: int
    organization_per_minute: int


class UsagePoint(msgspec.Struct):
    """What was stored in an interval."""

    timestamp: Time
    entries: int
    bytes_used: int


class Usage(msgspec.Struct):
    """Usage of a span."""

    period: Period
    totals: Totals
    by_level: dict[str, int]
    by_project: list[ProjectUsage]
    quota: list[Quota]
    rate_limits: RateLimits
    series: list[UsagePoint]


async def answer_usage(request: Request) -> web.Response:
    """10 `GET /v1/logs/usage`."""
    try:
        reply = await request.core.call(GET_LOG_USAGE, decode_usage(request), request.metadata, rates=request.rates)
    except Failure as failure:
        if failure.from_core and failure.reason in (Reason.VALIDATION_FAILED, Reason.OUT_OF_RANGE):
            failure.metadata = {**failure.metadata, "part": "query"}
        raise
    return json_response(encode_usage(reply))


def decode_usage(request: Request) -> pb.GetLogUsageRequest:
    """10 the parameters."""
    given = request.query(UsageParameters)
    faults: list[Fault] = []
    begin, end = (read_bound(name, text, faults) for name, text in (("from", given.from_), ("to", given.to)))
    if faults:
        raise validation_failure(tuple(faults), part="query")
    project = given.project_id or ""
    return pb.GetLogUsageRequest(
        begin_time=begin,
        end_time=end,
        interval=given.interval or "",
        project_id=project.lower() if UUID.fullmatch(project.lower()) else project,
    )


def encode_usage(reply: pb.GetLogUsageResponse) -> Usage:
    """10 usage."""
    totals = reply.totals
    return Usage(
        period=Period(from_=format_time(reply.begin_time), to=format_time(reply.end_time)),
        totals=Totals(
            requests=totals.request_count,
            rejected_requests=totals.rejected_request_count,
            rate_limited_requests=totals.rate_limited_request_count,
            quota_refused_requests=totals.quota_refused_request_count,
            entries=totals.entry_count,
            bytes_used=totals.bytes_used,
        ),
        by_level=dict(zip(LEVEL_NAMES.values(), totals.level_counts, strict=True)),
        by_project=[ProjectUsage(each.project_id, each.entry_count, each.bytes_used) for each in reply.projects],
        quota=[encode_quota(quota) for quota in reply.quotas],
        rate_limits=RateLimits(reply.key_per_minute, reply.organization_per_minute),
        series=[UsagePoint(format_time(point.time), point.entry_count, point.bytes_used) for point in reply.series],
    )


def encode_quota(quota: pb.LogQuota) -> Quota:
    """10 how a budget stands."""
    is_of_project = quota.HasField("project_id")
    return Quota(
        meter=quota.meter,
        scope="project" if is_of_project else "organization",
        mode=quota.mode,
        limit=quota.limit,
        used=quota.used,
        remaining=quota.remaining,
        resets_at=format_time(quota.reset_time),
        project_id=quota.project_id if is_of_project else None,
    )
