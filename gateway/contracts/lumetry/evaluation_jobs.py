"""Evaluation jobs (contract lumetry 12.3)."""

from typing import Annotated

import msgspec

from gateway.contracts.lumetry.values import Time, optional_time, optional_value, words
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.evaluation.v1 import evaluation_service_pb2

STATUS_OF_STATE = words(evaluation_service_pb2.EvaluationJobState.items(), "EVALUATION_JOB_STATE_")
DEFAULT_FAILED_LIMIT = 100

FailedLimit = Annotated[int, msgspec.Meta(ge=1, le=5000)]


class FailedFilters(msgspec.Struct, rename="camel"):
    """How many failed jobs."""

    limit: FailedLimit = DEFAULT_FAILED_LIMIT


class JobSummary(msgspec.Struct, rename="camel"):
    """Jobs by status."""

    queued: int
    processing: int
    completed: int
    failed: int
    oldest_queued_at: Time | None
    oldest_queued_age_seconds: int | None


class FailedJob(msgspec.Struct, rename="camel"):
    """A job that was given up."""

    id: int
    batch_id: str
    metric_id: str | None
    timestamp: Time | None
    dimension_key: str | None
    attempts: int
    last_error: str | None = msgspec.field(name="last_error")
    created_at: Time
    failed_at: Time | None


class Job(msgspec.Struct, rename="camel"):
    """The receipt of an ingestion."""

    id: int
    status: str
    outcome: str | None
    metric_id: str | None
    timestamp: Time | None
    dimension_key: str | None
    attempts: int
    last_error: str | None = msgspec.field(name="last_error")
    violation_ids: list[int]
    opened_alert_ids: list[int]
    created_at: Time
    started_at: Time | None
    completed_at: Time | None


def decode_summarize(_request: Request) -> evaluation_service_pb2.SummarizeEvaluationJobsRequest:
    """12.3 `GET /api/evaluation-jobs/summary`."""
    return evaluation_service_pb2.SummarizeEvaluationJobsRequest()


def encode_summarize(reply: evaluation_service_pb2.SummarizeEvaluationJobsResponse, _asked: object) -> JobSummary:
    """12.3 the counts."""
    return JobSummary(
        queued=reply.queued_count,
        processing=reply.processing_count,
        completed=reply.completed_count,
        failed=reply.failed_count,
        oldest_queued_at=optional_time(reply, "oldest_queue_time"),
        oldest_queued_age_seconds=optional_value(reply, "oldest_queue_age_seconds"),
    )


def decode_list_failed(request: Request) -> evaluation_service_pb2.ListFailedEvaluationJobsRequest:
    """12.3 `GET /api/evaluation-jobs/failed`."""
    return evaluation_service_pb2.ListFailedEvaluationJobsRequest(limit=request.query(FailedFilters).limit)


def encode_list_failed(reply: evaluation_service_pb2.ListFailedEvaluationJobsResponse, _asked: object) -> list[FailedJob]:
    """12.3 the failed jobs."""
    return [
        FailedJob(
            id=job.id,
            batch_id=job.batch_id,
            metric_id=optional_value(job, "metric_key"),
            timestamp=optional_time(job, "point_time"),
            dimension_key=optional_value(job, "dimension_key"),
            attempts=job.attempt_count,
            last_error=optional_value(job, "last_error"),
            created_at=format_time(job.create_time),
            failed_at=optional_time(job, "fail_time"),
        )
        for job in reply.jobs
    ]


def decode_get(request: Request) -> evaluation_service_pb2.GetEvaluationJobRequest:
    """12.3 `GET /api/evaluation-jobs/{id}`."""
    return evaluation_service_pb2.GetEvaluationJobRequest(id=request.number("id"))


def decode_retry(request: Request) -> evaluation_service_pb2.RetryEvaluationJobRequest:
    """12.3 `POST /api/evaluation-jobs/{id}/retry`."""
    return evaluation_service_pb2.RetryEvaluationJobRequest(id=request.number("id"))


def encode_job_reply(
    reply: evaluation_service_pb2.GetEvaluationJobResponse | evaluation_service_pb2.RetryEvaluationJobResponse, _asked: object
) -> Job:
    """12.3 one job."""
    job = reply.job
    return Job(
        id=job.id,
        status=STATUS_OF_STATE[job.state],
        outcome=optional_value(job, "outcome"),
        metric_id=optional_value(job, "metric_key"),
        timestamp=optional_time(job, "point_time"),
        dimension_key=optional_value(job, "dimension_key"),
        attempts=job.attempt_count,
        last_error=optional_value(job, "last_error"),
        violation_ids=list(job.violation_ids),
        opened_alert_ids=list(job.opened_alert_ids),
        created_at=format_time(job.create_time),
        started_at=optional_time(job, "start_time"),
        completed_at=optional_time(job, "complete_time"),
    )
