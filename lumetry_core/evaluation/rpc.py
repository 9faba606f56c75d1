"""EvaluationService on the wire."""

from collections.abc import Mapping
from typing import Any

import grpc

from lumetry.evaluation.v1 import evaluation_service_pb2 as pb
from lumetry.evaluation.v1 import fleet_service_pb2 as fleet_pb
from lumetry.evaluation.v1.evaluation_service_pb2_grpc import EvaluationServiceServicer
from lumetry.evaluation.v1.fleet_service_pb2_grpc import FleetServiceServicer
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.evaluation.model import JobReceipt, JobState, Progress
from lumetry_core.evaluation.service import fleet_views, jobs
from lumetry_core.evaluation.service.fleet_views import GroupView, MemberStatus, MemberView
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]

STATE_OF: Mapping[JobState, "pb.EvaluationJobState.ValueType"] = {
    JobState.QUEUED: pb.EVALUATION_JOB_STATE_QUEUED,
    JobState.PROCESSING: pb.EVALUATION_JOB_STATE_PROCESSING,
    JobState.COMPLETED: pb.EVALUATION_JOB_STATE_COMPLETED,
    JobState.FAILED: pb.EVALUATION_JOB_STATE_FAILED,
}


class EvaluationServicer(EvaluationServiceServicer):
    """Shows evaluation jobs and puts failed ones back to the queue."""

    def __init__(self, database: Database, clock: Clock, progress: Progress) -> None:
        """Builds the servicer.

        Args:
            database: Where jobs are.
            clock: Tells the age of waiting jobs and when one was put back.
            progress: What this process evaluates now.
        """
        self._database = database
        self._clock = clock
        self._progress = progress

    async def SummarizeEvaluationJobs(
        self, request: pb.SummarizeEvaluationJobsRequest, context: Context
    ) -> pb.SummarizeEvaluationJobsResponse:
        """See the proto."""
        now = self._clock.now()
        async with self._database.read() as tx:
            summary = await jobs.summarize(tx, current_caller(), self._progress, now)
        oldest = summary.oldest_queue_time
        return pb.SummarizeEvaluationJobsResponse(
            queued_count=summary.queued,
            processing_count=summary.processing,
            completed_count=summary.completed,
            failed_count=summary.failed,
            oldest_queue_time=encode_time(oldest),
            oldest_queue_age_seconds=None if oldest is None else max(int((now - oldest).total_seconds()), 0),
        )

    async def ListFailedEvaluationJobs(
        self, request: pb.ListFailedEvaluationJobsRequest, context: Context
    ) -> pb.ListFailedEvaluationJobsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            failed = await jobs.list_failed(tx, current_caller(), request.limit)
        return pb.ListFailedEvaluationJobsResponse(jobs=[encode_job(job) for job in failed])

    async def GetEvaluationJob(self, request: pb.GetEvaluationJobRequest, context: Context) -> pb.GetEvaluationJobResponse:
        """See the proto."""
        async with self._database.read() as tx:
            job = await jobs.get_job(tx, current_caller(), request.id, self._progress)
        return pb.GetEvaluationJobResponse(job=encode_job(job))

    async def RetryEvaluationJob(self, request: pb.RetryEvaluationJobRequest, context: Context) -> pb.RetryEvaluationJobResponse:
        """See the proto."""
        async with self._database.write() as tx:
            job = await jobs.retry_job(tx, current_caller(), request.id, self._clock.now())
        return pb.RetryEvaluationJobResponse(job=encode_job(job))


def encode_job(job: JobReceipt) -> pb.EvaluationJob:
    """A job."""
    return pb.EvaluationJob(
        id=job.id,
        batch_id=job.batch_id,
        state=STATE_OF[job.state],
        outcome=job.outcome,
        metric_key=job.metric_key,
        point_time=encode_time(job.point_time),
        dimension_key=job.dimension_key,
        attempt_count=job.attempt_count,
        last_error=job.last_error,
        violation_ids=job.violation_ids,
        opened_alert_ids=job.opened_alert_ids,
        create_time=encode_time(job.create_time),
        start_time=encode_time(job.start_time),
        complete_time=encode_time(job.complete_time),
        fail_time=encode_time(job.fail_time),
    )


STATUS_OF: Mapping[MemberStatus, "fleet_pb.FleetMemberStatus.ValueType"] = {
    MemberStatus.NORMAL: fleet_pb.FLEET_MEMBER_STATUS_NORMAL,
    MemberStatus.OUTLIER: fleet_pb.FLEET_MEMBER_STATUS_OUTLIER,
    MemberStatus.ALERTING: fleet_pb.FLEET_MEMBER_STATUS_ALERTING,
    MemberStatus.STALE: fleet_pb.FLEET_MEMBER_STATUS_STALE,
}


class FleetServicer(FleetServiceServicer):
    """Shows fleets."""

    def __init__(self, database: Database, clock: Clock, tick_seconds: int, defaults: OrganizationSettings) -> None:
        """Builds the servicer.

        Args:
            database: Where points and states are.
            clock: Tells the newest tick of a metric that has had none.
            tick_seconds: `fleet.tickSeconds`.
            defaults: Settings of organizations that set none themselves.
        """
        self._database = database
        self._clock = clock
        self._tick_seconds = tick_seconds
        self._defaults = defaults

    async def GetFleet(self, request: fleet_pb.GetFleetRequest, context: Context) -> fleet_pb.GetFleetResponse:
        """See the proto."""
        async with self._database.read() as tx:
            fleet = await fleet_views.get_fleet(
                tx, current_caller(), request.metric_key, self._tick_seconds, self._defaults, self._clock.now()
            )
        return fleet_pb.GetFleetResponse(
            metric_key=fleet.metric_key,
            tick_time=encode_time(fleet.tick_time),
            analyses=[analysis.value for analysis in fleet.analyses],
            split_dimension=fleet.split_dimension,
            groups=[encode_group(group) for group in fleet.groups],
            members=[encode_member(member) for member in fleet.members],
        )


def encode_group(group: GroupView) -> fleet_pb.FleetGroup:
    """A peer group."""
    return fleet_pb.FleetGroup(
        group=group.group,
        peer_count=group.peer_count,
        median=group.median,
        mad=group.mad,
        lower=group.lower,
        upper=group.upper,
    )


def encode_member(member: MemberView) -> fleet_pb.FleetMember:
    """A member."""
    return fleet_pb.FleetMember(
        dimension_key=member.dimension_key,
        group=member.group,
        value=member.value,
        time=encode_time(member.time),
        deviation_percent=member.deviation_percent,
        score=member.score,
        baseline_expected=member.baseline_expected,
        baseline_score=member.baseline_score,
        status=STATUS_OF[member.status],
    )
