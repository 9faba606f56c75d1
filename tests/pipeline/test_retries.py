"""Jobs that were given up and that people want tried again, and operators who must know of jobs."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from lumetry_core.access.store.audit import audit_logs
from lumetry_core.evaluation.model import JobOutcome, JobReceipt, JobState
from lumetry_core.evaluation.service import chunks, jobs
from lumetry_core.evaluation.service.backlog import watch_backlog
from lumetry_core.evaluation.store.retries import evaluation_retries
from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.settings import Settings as MetricSettings
from lumetry_core.metrics.worker import Sealer
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.pipeline.plant import Plant, level, person

Cure = Callable[[], None]


@pytest.fixture
def cure(monkeypatch: pytest.MonkeyPatch) -> Cure:
    """Makes every evaluation of points above 600 fail until it is called."""
    original, sick = chunks.evaluate, [True]

    def picky(state: Any, chunk: chunks.Chunk, *args: Any) -> Any:
        if sick and (chunk.values > 600).any():
            raise ArithmeticError("cannot judge")
        return original(state, chunk, *args)

    monkeypatch.setattr(chunks, "evaluate", picky)
    return sick.clear


async def pass_seconds(plant: Plant, seconds: int) -> None:
    for _ in range(seconds):
        plant.clock.advance(seconds=1)  # type: ignore[attr-defined]
        await plant.run()


async def fail(plant: Plant, *values: float) -> list[int]:
    """Sends points, each a job, whose evaluation is given up; their jobs."""
    await plant.send("load", (-3600, 1))
    await plant.add_rule("load", level(trigger_count=1))
    batches = [await plant.send("load", (second, value)) for second, value in enumerate(values)]
    await plant.run()
    await pass_seconds(plant, 16)
    return [batch.job_ids[0] for batch in batches]


async def retry(plant: Plant, job: int, organization_id: int = 7) -> JobReceipt:
    async with plant.database.write() as tx:
        return await jobs.retry_job(tx, person(organization_id), job, plant.clock.now())


async def refused(plant: Plant, job: int, organization_id: int = 7) -> tuple[Reason, str]:
    with pytest.raises(LumetryError) as failure:
        await retry(plant, job, organization_id)
    return failure.value.reason, failure.value.message


async def shown_system_alerts(plant: Plant) -> list[tuple[str, str, int, bool]]:
    """Code, subject, occurrences and openness of system alerts, oldest first."""
    found = sorted(await plant.system_alerts(), key=lambda alert: alert.id)
    return [(alert.code, alert.subject_id, alert.occurrence_count, alert.close_time is None) for alert in found]


async def test_retry_job_judges_the_points_after_all(plant: Plant, cure: Cure) -> None:
    """A job that was given up waits again with all attempts before it, then has its effects, and the system alert closes."""
    (job,) = await fail(plant, 666)
    failed = await plant.job(job)
    assert (failed.state, failed.attempt_count, failed.fail_time) == (JobState.FAILED, 5, failed.start_time)
    assert await shown_system_alerts(plant) == [("EvaluationJobFailed", str(job), 1, True)]
    cure()
    await pass_seconds(plant, 60)
    assert (await plant.job(job)).state is JobState.FAILED
    queued = await retry(plant, job)
    assert queued == await plant.job(job)
    assert (queued.state, queued.attempt_count, queued.last_error, queued.fail_time) == (
        JobState.QUEUED,
        0,
        "ArithmeticError: cannot judge",
        None,
    )
    summary = await plant.summary()
    assert (summary.queued, summary.failed, summary.completed) == (1, 0, 1)
    await pass_seconds(plant, 1)
    done = await plant.job(job)
    (alert,) = await plant.alerts()
    (violation,) = await plant.violations()
    assert (done.state, done.outcome, done.attempt_count) == (JobState.COMPLETED, JobOutcome.EVALUATED, 1)
    assert (done.violation_ids, done.opened_alert_ids) == ((violation.id,), (alert.id,))
    assert await shown_system_alerts(plant) == [("EvaluationJobFailed", str(job), 1, False)]
    summary = await plant.summary()
    assert (summary.queued, summary.failed, summary.completed) == (0, 0, 2)


async def test_retry_job_that_fails_again_is_given_up_again(plant: Plant, cure: Cure) -> None:
    """It has five attempts again with the same pauses; the open system alert counts the repetition; it can be tried once more."""
    (job,) = await fail(plant, 666)
    await retry(plant, job)
    await pass_seconds(plant, 15)
    assert ((await plant.job(job)).state, (await plant.job(job)).attempt_count) == (JobState.QUEUED, 4)
    await pass_seconds(plant, 1)
    assert ((await plant.job(job)).state, (await plant.job(job)).attempt_count) == (JobState.FAILED, 5)
    assert await shown_system_alerts(plant) == [("EvaluationJobFailed", str(job), 2, True)]
    cure()
    await retry(plant, job)
    await pass_seconds(plant, 1)
    assert (await plant.job(job)).outcome is JobOutcome.EVALUATED
    assert await shown_system_alerts(plant) == [("EvaluationJobFailed", str(job), 2, False)]


async def test_retry_job_survives_a_restart(plant: Plant, cure: Cure) -> None:
    """What waits is durable: another process does it."""
    (job,) = await fail(plant, 666)
    cure()
    await retry(plant, job)
    plant.restart()
    await pass_seconds(plant, 1)
    assert (await plant.job(job)).outcome is JobOutcome.EVALUATED


async def test_retry_job_that_has_not_failed(plant: Plant, cure: Cure) -> None:
    """Waiting, completed and already repeated jobs are a conflict; unknown ones and those of others do not exist."""
    good = await plant.send("load", (-7200, 1))
    only_failed = "only a failed one can be tried again."
    assert await refused(plant, good.job_ids[0]) == (Reason.CONFLICT, f"Evaluation job {good.job_ids[0]} has not failed; {only_failed}")
    (job,) = await fail(plant, 666)
    assert await refused(plant, good.job_ids[0]) == (Reason.CONFLICT, f"Evaluation job {good.job_ids[0]} has not failed; {only_failed}")
    await retry(plant, job)
    assert await refused(plant, job) == (Reason.CONFLICT, f"Evaluation job {job} has not failed; {only_failed}")
    cure()
    await pass_seconds(plant, 1)
    assert await refused(plant, job) == (Reason.CONFLICT, f"Evaluation job {job} has not failed; {only_failed}")
    for number in (job + 1_000_000, 0, -1, 1 << 62, 2**63 - 1):
        assert await refused(plant, number) == (Reason.NOT_FOUND, f"Evaluation job {number} does not exist.")
    assert await refused(plant, job, organization_id=8) == (Reason.NOT_FOUND, f"Evaluation job {job} does not exist.")


async def test_retry_job_without_points(plant: Plant, cure: Cure) -> None:
    """A release that dropped the points of jobs it gave up leaves nothing to judge, which is said."""
    job, other = await fail(plant, 666, 667)
    async with plant.database.write() as tx:
        await tx.execute(
            update(evaluation_retries).where(evaluation_retries.c.offset == (await jobs.find_retry(tx, 7, job)).offset).values(payload=None)
        )  # type: ignore[union-attr]
    gone = f"The points of evaluation job {job} are no longer kept, so it cannot be tried again. Send them anew."
    assert await refused(plant, job) == (Reason.CONFLICT, gone)
    assert (await plant.job(job)).state is JobState.FAILED
    async with plant.database.write() as tx:
        assert await jobs.retry_all(tx, person(), plant.clock.now()) == (1, 1)
    assert [(await plant.job(number)).state for number in (job, other)] == [JobState.FAILED, JobState.QUEUED]


async def test_retry_all_takes_the_failed_jobs_of_one_organization(plant: Plant, cure: Cure) -> None:
    """Nothing is done for another organization, and nothing is left to be done a second time; each job is audited."""
    numbers = await fail(plant, 666, 667, 668)
    cure()
    async with plant.database.write() as tx:
        assert await jobs.retry_all(tx, system_caller(8), plant.clock.now()) == (0, 0)
        assert await jobs.retry_all(tx, system_caller(7), plant.clock.now()) == (3, 0)
        assert await jobs.retry_all(tx, system_caller(7), plant.clock.now()) == (0, 0)
    await pass_seconds(plant, 1)
    assert [(await plant.job(number)).outcome for number in numbers] == [JobOutcome.EVALUATED] * 3
    assert [is_open for *_, is_open in await shown_system_alerts(plant)] == [False] * 3
    columns = audit_logs.c
    async with plant.database.read() as tx:
        found = (await tx.execute(select(audit_logs).where(columns.entity_type == "EvaluationJob").order_by(columns.id))).all()
    assert sorted(int(row.entity_id) for row in found) == sorted(numbers)
    assert {(row.action, row.actor_name) for row in found} == {("EvaluationJob.Retried", "system")}
    error = "ArithmeticError: cannot judge"
    assert json.loads(found[0].old_values_json) == {"status": "Failed", "attempts": 5, "last_error": error}
    assert json.loads(found[0].new_values_json) == {"status": "Queued", "attempts": 0, "last_error": error}


async def test_watch_backlog_raises_above_60_seconds_and_closes_below_30(plant: Plant) -> None:
    """Each watch that finds the organization behind counts; other organizations are not blamed; evaluators watch by themselves, too."""
    await plant.send("load", (0, 1), caller=person())
    await plant.send("load", (0, 1), caller=person(8))
    await plant.run()
    seen = []

    async def watch(**span: float) -> None:
        plant.clock.advance(**span)  # type: ignore[attr-defined]
        async with plant.database.write() as tx:
            await watch_backlog(tx, plant.clock.now())
        seen.append(await shown_system_alerts(plant))

    await watch(seconds=100)
    await plant.send("load", (1, 1))
    for _ in range(3):
        await watch(seconds=30)
    message = (await plant.system_alerts())[0].message
    await watch(seconds=1)
    await plant.run()
    await watch(seconds=1)
    once, twice, over = ([("EvaluationBacklog", "7", count, is_open)] for count, is_open in ((1, True), (2, True), (2, False)))
    assert seen == [[], [], [], once, twice, over]
    assert message == "The oldest accepted points have waited 90 s for their evaluation."


async def test_watch_backlog_leaves_out_jobs_between_attempts(plant: Plant, cure: Cure) -> None:
    """An old job that is tried again is no sign of a core that is too slow."""
    (job,) = await fail(plant, 666)
    plant.clock.advance(days=1)  # type: ignore[attr-defined]
    await retry(plant, job)
    async with plant.database.write() as tx:
        await watch_backlog(tx, plant.clock.now())
    assert [code for code, *_ in await shown_system_alerts(plant)] == ["EvaluationJobFailed"]


async def test_retry_job_whose_points_were_sealed(plant: Plant, cure: Cure) -> None:
    """That the points of a job lie in segments meanwhile makes them no repetitions."""
    (job,) = await fail(plant, 666)
    plant.clock.advance(hours=1)  # type: ignore[attr-defined]
    await plant.run()
    async with plant.database.write() as tx:
        await inbox.acquire(tx, "core-1", plant.clock.now())
    sealer = Sealer(plant.database, "core-1", MetricSettings(seal_points=1, seal_age_seconds=0))
    while await sealer.tick(plant.clock.now()):
        plant.clock.advance(seconds=1)  # type: ignore[attr-defined]
    cure()
    await retry(plant, job)
    await pass_seconds(plant, 2)
    done = await plant.job(job)
    (violation,) = await plant.violations()
    assert (done.outcome, done.violation_ids) == (JobOutcome.EVALUATED, (violation.id,))
