"""EvaluationService on the wire."""

from collections.abc import Mapping
from typing import Any

import grpc

from lumetry.evaluation.v1 import evaluation_service_pb2 as pb
from lumetry.evaluation.v1.evaluation_service_pb2_grpc import EvaluationServiceServicer
from lumetry_core.evaluation.model import JobReceipt, JobState, Progress
from lumetry_core.evaluation.service import jobs
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
    """Shows evaluation jobs."""

    def __init__(self, database: Database, clock: Clock, progress: Progress) -> None:
        """Builds the servicer.

        Args:
            database: Where jobs are.
            clock: Tells the age of waiting jobs.
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
