"""Jobs whose evaluation failed: put aside so that their partition goes on, tried again, given up at last (contract lumetry 12.3)."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

import numpy as np

from lumetry_core.access.service.audit import record_audit
from lumetry_core.alerts.service.system_alerts import close_system_alert, raise_system_alert
from lumetry_core.evaluation.model import MAX_ATTEMPTS, MAX_ERROR, JobResult, JobTrace, Retry, Run, backoff
from lumetry_core.evaluation.store import retries as store
from lumetry_core.evaluation.store import runs as run_store
from lumetry_core.metrics.model import BatchHeader, Entry, Integers, job_id_of
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction

FAILED_CODE = "EvaluationJobFailed"
FAILED_SUBJECT = "EvaluationJob"
RETRIES_PER_TICK = 100


def job_id(retry: Retry) -> int:
    """The job's number."""
    return job_id_of(retry.partition, retry.offset)


async def put_aside(tx: Transaction, entry: Entry, error: Exception, now: datetime) -> None:
    """Keeps a single job, whose first attempt just failed, for the next one."""
    (header,) = entry.batches
    retry = Retry(
        partition=entry.partition,
        offset=entry.first_offset,
        organization_id=entry.organization_id,
        batch_id=header.batch_id,
        credential_kind=header.credential_kind,
        credential_id=header.credential_id,
        metric_id=header.metric_id,
        time_ms=header.time_ms,
        series_id=header.series_id,
        point_count=header.point_count,
        attempt_count=1,
        last_error=describe_error(error),
        create_time=entry.create_time,
        start_time=now,
        next_time=now + backoff(1),
        fail_time=None,
        result=None,
    )
    await store.insert_retry(tx, retry, entry.series_ids, entry.times_ms, entry.values)
    run = Run(entry.partition, entry.first_offset, entry.end_offset, now, now)
    await run_store.insert_run(tx, run, bytes([run_store.DEFERRED]), {})


async def list_due(tx: Transaction, partitions: Collection[int], now: datetime) -> list[Retry]:
    """Jobs of partitions whose next attempt is due, the longest due first."""
    return await store.list_due(tx, partitions, now, RETRIES_PER_TICK)


async def read_entry(tx: Transaction, retry: Retry) -> Entry:
    """The job as it stood in the inbox."""
    series_ids, times_ms, values = await store.read_points(tx, retry)
    header = BatchHeader(
        batch_id=retry.batch_id,
        credential_kind=retry.credential_kind,
        credential_id=retry.credential_id,
        point_count=retry.point_count,
        metric_id=retry.metric_id,
        time_ms=retry.time_ms,
        series_id=retry.series_id,
    )
    return Entry(
        organization_id=retry.organization_id,
        partition=retry.partition,
        first_offset=retry.offset,
        batches=[header],
        create_time=retry.create_time,
        series_ids=series_ids,
        times_ms=times_ms,
        values=values,
        batch_counts=np.array([retry.point_count], np.int64),
    )


async def read_unevaluated(tx: Transaction, organization_id: int, partition: int) -> tuple[Integers, Integers]:
    """Series ids and times in ms of the points of a partition's jobs that wait for another attempt or were given up."""
    points = await store.read_unevaluated(tx, organization_id, partition)
    none = np.zeros(0, np.int64)
    return np.concatenate([none, *(ids for ids, _, _ in points)]), np.concatenate([none, *(times for _, times, _ in points)])


async def note_success(tx: Transaction, retry: Retry, outcome: int, trace: JobTrace | None, now: datetime) -> None:
    """Keeps how an attempt ended well; that the job was given up before is no trouble any more.

    Args:
        outcome: The byte that evaluation gave the job.
    """
    done = replace(retry, attempt_count=retry.attempt_count + 1)
    await store.note_result(tx, done, JobResult(run_store.OUTCOME_OF[outcome], now, now, trace))
    await close_system_alert(tx, retry.organization_id, FAILED_CODE, FAILED_SUBJECT, str(job_id(retry)), now)


async def note_failure(tx: Transaction, retry: Retry, error: Exception, now: datetime) -> None:
    """Keeps another failed attempt; after the last one the job is given up and the system alert raised."""
    attempts = retry.attempt_count + 1
    is_over = attempts >= MAX_ATTEMPTS
    failed = replace(
        retry,
        attempt_count=attempts,
        last_error=describe_error(error),
        start_time=now,
        next_time=None if is_over else now + backoff(attempts),
        fail_time=now if is_over else None,
    )
    await store.note_failure(tx, failed)
    if is_over:
        number = str(job_id(retry))
        message = f"Evaluation job {number} failed {attempts} times: {failed.last_error}"
        await raise_system_alert(tx, retry.organization_id, FAILED_CODE, Severity.CRITICAL, message, FAILED_SUBJECT, number, now)


async def requeue(tx: Transaction, caller: Caller, retry: Retry, now: datetime) -> Retry | None:
    """Makes a job that was given up wait for its first attempt again; None when its points are gone.

    Its system alert stays open until an attempt ends well.
    """
    if not await store.requeue(tx, retry, now):
        return None
    waiting = replace(retry, attempt_count=0, next_time=now, fail_time=None)
    before = {"status": retry.state.value, "attempts": retry.attempt_count, "last_error": retry.last_error}
    after = {"status": waiting.state.value, "attempts": waiting.attempt_count, "last_error": waiting.last_error}
    await record_audit(tx, caller, "EvaluationJob.Retried", FAILED_SUBJECT, job_id(retry), now, before, after)
    return waiting


def describe_error(error: Exception) -> str:
    """What is kept of an error."""
    return f"{type(error).__name__}: {error}"[:MAX_ERROR]
