"""LogUsageService."""

from typing import Any

import grpc

from lumetry.logs.v1 import log_usage_service_pb2 as pb
from lumetry.logs.v1 import log_usage_service_pb2_grpc
from lumetry_core.billing.model import Spent
from lumetry_core.logs.service.usage import read_usage
from lumetry_core.logs.usage import LogUsage, Outcome
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time, encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class LogUsageServicer(log_usage_service_pb2_grpc.LogUsageServiceServicer):
    """See `lumetry.logs.v1.LogUsageService`."""

    def __init__(self, database: Database, clock: Clock, key_per_minute: int, organization_per_minute: int) -> None:
        self._database = database
        self._clock = clock
        self._rates = (key_per_minute, organization_per_minute)

    async def GetLogUsage(self, request: pb.GetLogUsageRequest, context: Context) -> pb.GetLogUsageResponse:
        """See the proto."""
        faults = Faults()
        begin = decode_time(request.begin_time, "from", faults) if request.HasField("begin_time") else None
        end = decode_time(request.end_time, "to", faults) if request.HasField("end_time") else None
        faults.raise_if_any()
        async with self._database.read() as tx:
            report = await read_usage(
                tx,
                current_caller().organization_id,
                begin=begin,
                end=end,
                interval=request.interval,
                project=request.project_id,
                now=self._clock.now(),
            )
        key_per_minute, organization_per_minute = self._rates
        return pb.GetLogUsageResponse(
            begin_time=encode_time(report.span.begin),
            end_time=encode_time(report.span.end),
            totals=encode_totals(report.total),
            projects=[
                pb.LogProjectUsage(project_id=project, entry_count=usage.entry_count, bytes_used=usage.bytes_used)
                for project, usage in report.by_project
            ],
            series=[
                pb.LogUsagePoint(time=encode_time(time), entry_count=usage.entry_count, bytes_used=usage.bytes_used)
                for time, usage in report.series
            ],
            quotas=[encode_quota(spent) for spent in report.quotas],
            key_per_minute=key_per_minute,
            organization_per_minute=organization_per_minute,
        )


def encode_totals(usage: LogUsage) -> pb.LogUsageTotals:
    """What was pushed."""
    outcomes = dict(zip(Outcome, usage.outcomes, strict=True))
    return pb.LogUsageTotals(
        request_count=usage.request_count,
        rejected_request_count=outcomes[Outcome.REJECTED],
        rate_limited_request_count=outcomes[Outcome.RATE_LIMITED],
        quota_refused_request_count=outcomes[Outcome.QUOTA_REFUSED],
        entry_count=usage.entry_count,
        bytes_used=usage.bytes_used,
        level_counts=usage.level_counts,
    )


def encode_quota(spent: Spent) -> pb.LogQuota:
    """How a budget stands."""
    return pb.LogQuota(
        meter=spent.budget.meter.value,
        project_id=spent.budget.project_id,
        mode=spent.budget.mode.value,
        limit=spent.budget.limit,
        used=spent.used,
        remaining=spent.remaining,
        reset_time=encode_time(spent.reset_time),
    )
