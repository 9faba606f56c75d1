"""EvaluationService over a real server, with jobs of a real inbox."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import pytest

from lumetry.evaluation.v1 import evaluation_service_pb2 as pb
from lumetry.evaluation.v1.evaluation_service_pb2_grpc import EvaluationServiceStub, add_EvaluationServiceServicer_to_server
from lumetry_core.evaluation.model import MAX_ATTEMPTS, Progress, Run, Settings
from lumetry_core.evaluation.rpc import EvaluationServicer
from lumetry_core.evaluation.service import retries
from lumetry_core.evaluation.worker import Evaluator
from lumetry_core.metrics.definition import define
from lumetry_core.metrics.model import AcceptedBatch
from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.metrics.service.ingestion import PointInput, ingest_points
from lumetry_core.metrics.service.recent import RecentEntries
from lumetry_core.metrics.settings import Settings as MetricSettings
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import Clock, to_ms
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time

SERVICE = "lumetry.evaluation.v1.EvaluationService"
ORGANIZATION = 7


async def authenticate(origin: Origin) -> Caller:
    """Knows a person who may view alerts, an engineer who may manage rules alone, and collectors by their number."""
    if origin.secret == "engineer":
        return Caller(ORGANIZATION, CredentialKind.INTERACTIVE, user_id=2, permissions=frozenset({Permission.MANAGE_RULES}))
    if origin.secret == "person":
        return Caller(ORGANIZATION, CredentialKind.INTERACTIVE, user_id=1, permissions=frozenset({Permission.VIEW_ALERTS}))
    return Caller(ORGANIZATION, CredentialKind.COLLECTOR, credential_id=int(origin.secret or 0), collector_id="c")


@pytest.fixture
def progress() -> Progress:
    return Progress()


@pytest.fixture
async def stub(database: Database, clock: Clock, progress: Progress) -> AsyncIterator[EvaluationServiceStub]:
    """A client of a running server."""
    servicer = EvaluationServicer(database, clock, progress)
    built = build_server(
        "127.0.0.1:0",
        {SERVICE: (add_EvaluationServiceServicer_to_server, servicer)},
        read_accesses([SERVICE]),
        authenticate,
        reflect=False,
    )
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield EvaluationServiceStub(channel)
    await built.server.stop(None)


@pytest.fixture
async def accepted(database: Database, clock: Clock) -> AcceptedBatch:
    """A batch of one point that collector credential 5 submitted."""
    async with database.write() as tx:
        partition_count = await inbox.ensure_partitions(tx)
    appender = Appender(database, clock, MetricSettings(), partition_count, RecentEntries())
    task = asyncio.create_task(appender.run())
    caller = Caller(ORGANIZATION, CredentialKind.COLLECTOR, credential_id=5)
    point = PointInput(define("load", [("host", "a")], "", ""), to_ms(clock.now()), 1.5)
    batch = await ingest_points(appender.append, clock, caller, [point])
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return batch


def by(secret: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {secret}")]


async def test_get_evaluation_job_follows_its_progress(
    stub: EvaluationServiceStub, accepted: AcceptedBatch, database: Database, clock: Clock, progress: Progress
) -> None:
    """Queued, processing, completed: times and outcome are there once they are known."""
    (job_id,) = accepted.job_ids
    partition, offset = inbox.split_job_id(job_id)
    request = pb.GetEvaluationJobRequest(id=job_id)
    queued = pb.EvaluationJob(
        id=job_id,
        batch_id=accepted.batch_id,
        state=pb.EVALUATION_JOB_STATE_QUEUED,
        metric_key="load",
        point_time=encode_time(clock.now()),
        dimension_key="host=a",
        create_time=encode_time(clock.now()),
    )
    assert (await stub.GetEvaluationJob(request, metadata=by("5"))).job == queued
    progress.begin(Run(partition, offset, offset + 1, clock.now(), clock.now()), {ORGANIZATION: 1})
    processing = pb.EvaluationJob()
    processing.CopyFrom(queued)
    processing.MergeFrom(pb.EvaluationJob(state=pb.EVALUATION_JOB_STATE_PROCESSING, attempt_count=1, start_time=encode_time(clock.now())))
    assert (await stub.GetEvaluationJob(request, metadata=by("person"))).job == processing
    summary = await stub.SummarizeEvaluationJobs(pb.SummarizeEvaluationJobsRequest(), metadata=by("person"))
    assert summary == pb.SummarizeEvaluationJobsResponse(
        processing_count=1, oldest_queue_time=encode_time(clock.now()), oldest_queue_age_seconds=0
    )
    progress.end(partition)
    await Evaluator(database, "core-1", Settings(), progress, RecentEntries()).tick(clock.now())
    completed = pb.EvaluationJob()
    completed.CopyFrom(processing)
    completed.MergeFrom(pb.EvaluationJob(state=pb.EVALUATION_JOB_STATE_COMPLETED, outcome="NoRule", complete_time=encode_time(clock.now())))
    assert (await stub.GetEvaluationJob(request, metadata=by("person"))).job == completed
    summary = await stub.SummarizeEvaluationJobs(pb.SummarizeEvaluationJobsRequest(), metadata=by("person"))
    assert summary == pb.SummarizeEvaluationJobsResponse(completed_count=1)


async def test_get_evaluation_job_of_another_credential_is_refused(stub: EvaluationServiceStub, accepted: AcceptedBatch) -> None:
    """Without CanViewAlerts only the submitting credential sees a job."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.GetEvaluationJob(pb.GetEvaluationJobRequest(id=accepted.job_ids[0]), metadata=by("6"))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_list_failed_evaluation_jobs_checks_the_limit(stub: EvaluationServiceStub) -> None:
    """None failed, and a limit beyond the highest is a fault."""
    found = await stub.ListFailedEvaluationJobs(pb.ListFailedEvaluationJobsRequest(), metadata=by("person"))
    assert found == pb.ListFailedEvaluationJobsResponse()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.ListFailedEvaluationJobs(pb.ListFailedEvaluationJobsRequest(limit=5001), metadata=by("person"))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_retry_evaluation_job_is_for_people_who_manage_rules(stub: EvaluationServiceStub, accepted: AcceptedBatch) -> None:
    """A job that waits is a conflict, an unknown one does not exist; neither viewing nor having submitted it suffices."""
    request = pb.RetryEvaluationJobRequest(id=accepted.job_ids[0])
    codes = []
    for secret, number in (("person", request.id), ("5", request.id), ("engineer", request.id), ("engineer", request.id + 99)):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.RetryEvaluationJob(pb.RetryEvaluationJobRequest(id=number), metadata=by(secret))
        codes.append(refused.value.code())
    denied = grpc.StatusCode.PERMISSION_DENIED
    assert codes == [denied, denied, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND]


async def test_retry_evaluation_job_answers_with_the_job(
    stub: EvaluationServiceStub, accepted: AcceptedBatch, database: Database, clock: Clock, progress: Progress
) -> None:
    """It waits again, with no attempt counted, and says what the last error was."""
    partition, offset = inbox.split_job_id(accepted.job_ids[0])
    async with database.write() as tx:
        (entry,) = await inbox.read_entries(tx, partition, offset, 1)
        await retries.put_aside(tx, entry, ValueError("cannot"), clock.now())
        for _ in range(MAX_ATTEMPTS - 1):
            (waiting,) = await retries.list_due(tx, [partition], clock.now() + timedelta(hours=1))
            await retries.note_failure(tx, waiting, ValueError("cannot"), clock.now())
    (failed,) = (await stub.ListFailedEvaluationJobs(pb.ListFailedEvaluationJobsRequest(), metadata=by("person"))).jobs
    assert (failed.state, failed.attempt_count) == (pb.EVALUATION_JOB_STATE_FAILED, MAX_ATTEMPTS)
    reply = await stub.RetryEvaluationJob(pb.RetryEvaluationJobRequest(id=failed.id), metadata=by("engineer"))
    failed.state = pb.EVALUATION_JOB_STATE_QUEUED
    failed.attempt_count = 0
    failed.ClearField("fail_time")
    assert reply.job == failed
    assert (await stub.GetEvaluationJob(pb.GetEvaluationJobRequest(id=failed.id), metadata=by("person"))).job == failed
