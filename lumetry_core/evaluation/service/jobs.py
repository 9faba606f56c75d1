"""Jobs as people see them (contract lumetry 12.3)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lumetry_core.alerts.service.system_alerts import close_system_alert
from lumetry_core.evaluation.model import COMPLETED_KEPT, FAILED_KEPT, JobReceipt, JobResult, JobState, JobSummary, Progress, Retry, Run
from lumetry_core.evaluation.service.retries import FAILED_CODE, FAILED_SUBJECT, job_id, requeue
from lumetry_core.evaluation.store import retries as retry_store
from lumetry_core.evaluation.store import runs as run_store
from lumetry_core.metrics.dimension import dimension_key_of
from lumetry_core.metrics.model import BatchHeader, Job, split_job_id
from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.service.catalog import find_metrics_by_id
from lumetry_core.metrics.service.members import find_series
from lumetry_core.runtime.caller import Caller, Permission
from lumetry_core.runtime.clock import from_ms
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found
from lumetry_core.runtime.paging import read_limit
from lumetry_core.violations import service as violations
from lumetry_core.violations.model import ViolationFilter

MAX_JOB_ID = 1 << 62
DEFAULT_FAILED = 100
ALL = 1 << 40
"""A limit that no list reaches."""


async def summarize(tx: Transaction, caller: Caller, progress: Progress, now: datetime) -> JobSummary:
    """Counts the organization's jobs by state; those being evaluated as far as this process does it."""
    queue = await inbox.summarize_queue(tx, caller.organization_id)
    waiting, failed, oldest_retry = await retry_store.count_open(tx, caller.organization_id)
    unfinished = await retry_store.count_unfinished(tx, caller.organization_id, now - COMPLETED_KEPT)
    processing = min(progress.count(caller.organization_id), queue.queued_jobs)
    oldest = min((time for time in (queue.oldest_create_time, oldest_retry) if time is not None), default=None)
    return JobSummary(
        queued=queue.queued_jobs - processing + waiting,
        processing=processing,
        completed=max(queue.evaluated_jobs - unfinished, 0),
        failed=failed,
        oldest_queue_time=oldest,
    )


async def list_failed(tx: Transaction, caller: Caller, limit: int) -> list[JobReceipt]:
    """Jobs that were given up, newest first. Fails with VALIDATION_FAILED (`limit`)."""
    faults = Faults()
    checked = read_limit(limit, faults=faults, default=DEFAULT_FAILED)
    faults.raise_if_any()
    failed = await retry_store.list_failed(tx, caller.organization_id, checked)
    subjects = await describe_subjects(tx, caller.organization_id, failed)
    return [describe_retry(retry, subject) for retry, subject in zip(failed, subjects, strict=True)]


async def get_job(tx: Transaction, caller: Caller, wanted: int, progress: Progress) -> JobReceipt:
    """One job. Fails with NOT_FOUND, PERMISSION_DENIED when the caller neither may view alerts nor submitted it."""
    organization_id = caller.organization_id
    check_number(wanted)
    retry = await find_retry(tx, organization_id, wanted)
    if retry is not None:
        check_may_see(caller, retry)
        (subject,) = await describe_subjects(tx, organization_id, [retry])
        return await with_findings(tx, organization_id, describe_retry(retry, subject), retry.result)
    job = await inbox.find_job(tx, organization_id, wanted)
    if job is None:
        raise not_found("Evaluation job", wanted)
    check_may_see(caller, job.header)
    (subject,) = await describe_subjects(tx, organization_id, [job.header])
    result = await run_store.find_result(tx, job.partition, job.offset)
    receipt = describe_job(job, subject, result, progress.find(job.partition, job.offset))
    return await with_findings(tx, organization_id, receipt, result)


async def retry_job(tx: Transaction, caller: Caller, wanted: int, now: datetime) -> JobReceipt:
    """Puts a failed job back to the queue. Fails with NOT_FOUND; with CONFLICT when it has not failed or its points are gone."""
    check_number(wanted)
    organization_id = caller.organization_id
    retry = await find_retry(tx, organization_id, wanted, lock=True)
    if retry is None and await inbox.find_job(tx, organization_id, wanted) is None:
        raise not_found("Evaluation job", wanted)
    if retry is None or retry.state is not JobState.FAILED:
        raise conflict(wanted, "not failed", f"Evaluation job {wanted} has not failed; only a failed one can be tried again.")
    waiting = await requeue(tx, caller, retry, now)
    if waiting is None:
        message = f"The points of evaluation job {wanted} are no longer kept, so it cannot be tried again. Send them anew."
        raise conflict(wanted, "without points", message)
    (subject,) = await describe_subjects(tx, organization_id, [waiting])
    return describe_retry(waiting, subject)


async def retry_all(tx: Transaction, caller: Caller, now: datetime) -> tuple[int, int]:
    """Puts all failed jobs of the organization back to the queue: how many, and how many cannot be because their points are gone."""
    failed = await retry_store.list_failed(tx, caller.organization_id, ALL)
    done = [await requeue(tx, caller, retry, now) is not None for retry in failed]
    return sum(done), len(done) - sum(done)


def check_number(wanted: int) -> None:
    """Fails with NOT_FOUND when no job can have the number."""
    if not 0 < wanted < MAX_JOB_ID:
        raise not_found("Evaluation job", wanted)


def conflict(job: int, state: str, message: str) -> LumetryError:
    """The failure of what a job's state forbids."""
    return LumetryError(Reason.CONFLICT, message, type=FAILED_SUBJECT, id=str(job), state=state)


def check_may_see(caller: Caller, header: BatchHeader | Retry) -> None:
    """Fails with PERMISSION_DENIED unless the caller may view alerts or submitted the job with the credential of this call."""
    is_submitter = caller.kind is not None and (caller.kind.value, caller.credential_id) == (header.credential_kind, header.credential_id)
    if not is_submitter and not caller.may(Permission.VIEW_ALERTS):
        name = Permission.VIEW_ALERTS.value
        raise LumetryError(Reason.PERMISSION_DENIED, f"The permission {name} is missing.", permission=name)


async def find_retry(tx: Transaction, organization_id: int, wanted: int, *, lock: bool = False) -> Retry | None:
    """The job, if an evaluation of it failed.

    Args:
        lock: Keeps others from changing it until the transaction ends.
    """
    partition, offset = split_job_id(wanted)
    return await retry_store.find_retry(tx, organization_id, partition, offset, lock=lock)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a job is about, as far as it is about one thing."""

    metric_key: str | None
    point_time: datetime | None
    dimension_key: str | None


async def describe_subjects(tx: Transaction, organization_id: int, headers: Sequence[BatchHeader | Retry]) -> list[Subject]:
    """What jobs are about, in their order."""
    metrics = await find_metrics_by_id(tx, organization_id, {header.metric_id for header in headers if header.metric_id is not None})
    series = await find_series(tx, organization_id, {header.series_id for header in headers if header.series_id is not None})
    subjects = []
    for header in headers:
        metric = metrics.get(header.metric_id) if header.metric_id is not None else None
        of_point = series.get(header.series_id) if header.series_id is not None else None
        subjects.append(
            Subject(
                metric_key=None if metric is None else metric.metric_key,
                point_time=None if header.time_ms is None else from_ms(header.time_ms),
                dimension_key=None
                if metric is None or of_point is None
                else dimension_key_of(of_point.labels, metric.dimension_keys, metric.multidimensional),
            )
        )
    return subjects


def describe_retry(retry: Retry, subject: Subject) -> JobReceipt:
    """A job that failed at least once."""
    return JobReceipt(
        id=job_id(retry),
        batch_id=retry.batch_id,
        state=retry.state,
        outcome=None if retry.result is None else retry.result.outcome,
        metric_key=subject.metric_key,
        point_time=subject.point_time,
        dimension_key=subject.dimension_key,
        attempt_count=retry.attempt_count,
        last_error=retry.last_error,
        violation_ids=(),
        opened_alert_ids=(),
        create_time=retry.create_time,
        start_time=retry.start_time,
        complete_time=None if retry.result is None else retry.result.complete_time,
        fail_time=retry.fail_time,
    )


def describe_job(job: Job, subject: Subject, result: JobResult | None, running: Run | None) -> JobReceipt:
    """A job that never failed; without result it waits or is `running`."""
    waits = JobState.QUEUED if running is None else JobState.PROCESSING
    started = result or running
    return JobReceipt(
        id=job.id,
        batch_id=job.header.batch_id,
        state=waits if result is None else JobState.COMPLETED,
        outcome=None if result is None else result.outcome,
        metric_key=subject.metric_key,
        point_time=subject.point_time,
        dimension_key=subject.dimension_key,
        attempt_count=0 if started is None else 1,
        last_error=None,
        violation_ids=(),
        opened_alert_ids=(),
        create_time=job.create_time,
        start_time=None if started is None else started.start_time,
        complete_time=None if result is None else result.complete_time,
        fail_time=None,
    )


async def with_findings(tx: Transaction, organization_id: int, receipt: JobReceipt, result: JobResult | None) -> JobReceipt:
    """Adds the violations that the job recorded and the alerts that it opened."""
    if result is None or result.trace is None:
        return receipt
    wanted = ViolationFilter(start_time=result.trace.first_time, end_time=result.trace.last_time, limit=ALL)
    found = await violations.list_violations(tx, organization_id, wanted)
    own = sorted(violation.id for violation in found if violation.job_id == receipt.id)
    return replace(receipt, violation_ids=tuple(own), opened_alert_ids=result.trace.alert_ids)


async def clean_up(tx: Transaction, now: datetime) -> None:
    """Drops what is no longer kept of jobs: completed ones after 24 hours, failed ones, with their system alert, after 30 days."""
    for retry in await retry_store.list_failed_before(tx, now - FAILED_KEPT):
        await close_system_alert(tx, retry.organization_id, FAILED_CODE, FAILED_SUBJECT, str(job_id(retry)), now)
    await retry_store.delete_retries(tx, now - COMPLETED_KEPT, now - FAILED_KEPT)
    await run_store.delete_runs(tx, now - COMPLETED_KEPT)
