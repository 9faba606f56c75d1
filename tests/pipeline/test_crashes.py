"""Whatever dies, wherever: every point has its effects exactly once."""

import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from lumetry_core.alerts.service import transitions
from lumetry_core.evaluation.model import JobOutcome, JobState
from lumetry_core.evaluation.service import chunks, recording
from lumetry_core.evaluation.store import retries as retry_store
from lumetry_core.evaluation.store import runs as run_store
from lumetry_core.metrics.service import inbox
from lumetry_core.runtime.database import unavailable
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.violations import service as violations
from tests.pipeline.plant import Plant, level, sender

STEPS = [
    (chunks, "read_evaluation_version"),
    (transitions, "find_covering"),
    (transitions, "open_alerts"),
    (violations, "attach_all"),
    (transitions, "escalate"),
    (transitions, "set_last_not_clear"),
    (transitions, "set_first_violation"),
    (transitions, "close_by_recovery"),
    (violations, "record"),
    (transitions, "add_violations"),
    (recording, "raise_warnings"),
    (run_store, "insert_run"),
    (inbox, "advance"),
]
CHUNKS = [
    [(0, 11.0), (60, 11.0), (30, 11.0), (60, 12.0)],
    [(90, 21.0), (100, 21.0), (10, 21.0), (-20, 11.0), (200, 5.0), (500, 5.0), (60, 13.0)],
    [(501, 11.0), (502, 11.0), (20, 99.0), (810, 5.0)],
]
EXPECTED_ALERTS = [
    (None, 60, 500, "Critical", "2 violations within 5 minutes", 8),
    (None, 502, 810, "Warning", "2 violations within 5 minutes", 2),
]


class Stopped(BaseException):
    """The process is gone: nothing that handles failures runs."""


def break_once(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, error: Callable[[], BaseException]) -> list[bool]:
    """Makes a step of the transaction fail once, right after it did its work; the list tells whether it was called."""
    original: Callable[..., Awaitable[Any]] = getattr(module, name)
    called: list[bool] = []

    async def broken(*args: Any, **fields: Any) -> Any:
        done = await original(*args, **fields)
        if not called:
            called.append(True)
            raise error()
        return done

    monkeypatch.setattr(module, name, broken)
    return called


async def prepare(plant: Plant) -> None:
    await plant.send("load", (-3600, 1))
    await plant.run()
    plant.clock.advance(seconds=1000)  # type: ignore[attr-defined]
    await plant.add_rule(
        "load",
        level(trigger_count=2, trigger_window_minutes=5, recovery_minutes=5),
        level("Critical", static_upper=20.0, trigger_count=2, trigger_window_minutes=5, recovery_minutes=5),
    )


async def check(plant: Plant) -> None:
    assert await plant.shown_alerts() == EXPECTED_ALERTS
    first, second = [alert.id for alert in await plant.alerts()]
    assert [(seconds, alert, late) for seconds, _, _, alert, late in await plant.shown_violations()] == [
        (-20, first, False),
        (0, first, False),
        (10, first, False),
        (20, first, True),
        (30, first, False),
        (60, first, False),
        (90, first, False),
        (100, first, False),
        (501, second, False),
        (502, second, False),
    ]
    work = await plant.work("correlation")
    assert sorted(kind for kind, _ in work if kind != "violations_added") == [
        "alert_closed",
        "alert_closed",
        "alert_escalated",
        "alert_opened",
        "alert_opened",
    ]
    assert sum(payload["count"] for kind, payload in work if kind == "violations_added") == 6
    assert (await plant.alerts())[0].first_violation_time == plant.start - timedelta(seconds=20)
    summary = await plant.summary()
    assert (summary.queued, summary.completed, summary.failed) == (0, 4, 0)


@pytest.mark.parametrize(("module", "name"), STEPS, ids=[name for _, name in STEPS])
async def test_process_dies_inside_the_transaction(plant: Plant, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
    """A process that dies at any step leaves nothing of its chunk; its successor does the chunk once."""
    await prepare(plant)
    called = break_once(monkeypatch, module, name, Stopped)
    for points in CHUNKS:
        await plant.send("load", *points)
        try:
            await plant.run()
        except Stopped:
            plant.restart()
            await plant.run()
    assert called
    await check(plant)


@pytest.mark.parametrize(("module", "name"), STEPS[::4], ids=[name for _, name in STEPS[::4]])
async def test_store_fails_inside_the_transaction(plant: Plant, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
    """A store that cannot be used fails no job: the same evaluator does the whole chunk again later."""
    await prepare(plant)
    called = break_once(monkeypatch, module, name, unavailable)
    for points in CHUNKS:
        await plant.send("load", *points)
        with contextlib.suppress(LumetryError):
            await plant.run()
        await plant.run()
    assert called
    await check(plant)


async def test_process_dies_after_the_commit(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed is not done again, although the process never learnt of it."""
    await prepare(plant)
    for points in CHUNKS:
        await plant.send("load", *points)
        with monkeypatch.context() as patch:
            patch.setattr(chunks, "apply", stop)
            with pytest.raises(Stopped):
                await plant.run()
        plant.restart()
        await plant.run()
    await check(plant)


def stop(*_: object) -> None:
    raise Stopped


async def test_rules_change_during_evaluation(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk evaluated by rules that changed before it was written is evaluated again by the new ones."""
    await plant.send("load", (-3600, 1))
    rule = await plant.add_rule("load", level(trigger_count=2))
    await plant.send("load", (0, 11))
    changed: list[bool] = []

    async def change() -> None:
        if not changed:
            changed.append(True)
            await plant.change_rule(rule, level(trigger_count=1))

    judge = chunks.Memory.judge

    async def judge_then_change(self: chunks.Memory, *args: Any, **fields: Any) -> Any:
        judged = await judge(self, *args, **fields)
        await change()
        return judged

    monkeypatch.setattr(chunks.Memory, "judge", judge_then_change)
    await plant.run()
    assert await plant.shown_alerts() == [(None, 0, None, "Warning", "1 violation within 1 minute", 1)]


async def poison(monkeypatch: pytest.MonkeyPatch, value: float, failures: int) -> None:
    """Makes every evaluation of a chunk that holds the value fail, so often."""
    original = chunks.evaluate
    left = [failures]

    def picky(state: Any, chunk: chunks.Chunk, *args: Any) -> Any:
        if value in chunk.values and left[0]:
            if len(chunk.values) == 1:
                left[0] -= 1
            raise ArithmeticError(f"cannot judge {value}")
        return original(state, chunk, *args)

    monkeypatch.setattr(chunks, "evaluate", picky)


async def test_poison_never_blocks_its_partition(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that always fails is tried five times with doubled pauses and given up, while all others go on at once."""
    await plant.send("load", (-3600, 1))
    await plant.add_rule("load")
    await poison(monkeypatch, 666.0, 100)
    good = [await plant.send("load", (0, 11)), await plant.send("load", (1, 12))]
    bad = await plant.send("load", (2, 666))
    good.append(await plant.send("load", (3, 13)))
    await plant.run()
    assert [seconds for seconds, *_ in await plant.shown_violations()] == [0, 1, 3]
    attempts: list[tuple[datetime, int]] = []
    for _ in range(40):
        receipt = await plant.job(bad.job_ids[0])
        if not attempts or attempts[-1][1] != receipt.attempt_count:
            attempts.append((plant.clock.now(), receipt.attempt_count))
        plant.clock.advance(seconds=0.5)  # type: ignore[attr-defined]
        await plant.run()
    moments = [plant.seconds(moment) for moment, _ in attempts]
    assert [count for _, count in attempts] == [1, 2, 3, 4, 5]
    assert moments == [0.0, 1.0, 3.0, 7.0, 15.0]
    receipt = await plant.job(bad.job_ids[0])
    assert (receipt.state, receipt.last_error) == (JobState.FAILED, "ArithmeticError: cannot judge 666.0")
    assert [(alert.code, alert.subject_id) for alert in await plant.system_alerts()] == [("EvaluationJobFailed", str(bad.job_ids[0]))]
    assert [(await plant.job(batch.job_ids[0])).outcome for batch in good] == [JobOutcome.EVALUATED] * 3
    summary = await plant.summary()
    assert (summary.queued, summary.completed, summary.failed) == (0, 4, 1)


async def test_retry_evaluates_the_point_once(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that recovers has its effects then; a repetition accepted meanwhile does not, and a restart in between changes nothing."""
    await plant.send("load", (-3600, 1))
    await plant.add_rule("load")
    await poison(monkeypatch, 666.0, 2)
    bad = await plant.send("load", (2, 666))
    await plant.run()
    again = await plant.send("load", (2, 11))
    await plant.run()
    plant.restart()
    for _ in range(10):
        plant.clock.advance(seconds=1)  # type: ignore[attr-defined]
        await plant.run()
    (alert,) = await plant.alerts()
    assert await plant.shown_violations() == [(2, 666, "Warning", alert.id, False)]
    receipts = [await plant.job(batch.job_ids[0]) for batch in (bad, again)]
    assert [(receipt.outcome, receipt.attempt_count) for receipt in receipts] == [(JobOutcome.EVALUATED, 3), (JobOutcome.DUPLICATE, 1)]
    assert len(receipts[0].violation_ids) == len(receipts[0].opened_alert_ids) == 1


async def test_poison_within_a_transaction_is_put_aside(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job whose effects cannot be written is put aside like one that cannot be evaluated."""
    await plant.send("load", (-3600, 1))
    await plant.add_rule("load")
    await plant.run()
    original = violations.record

    async def picky(tx: Any, organization_id: int, new: Any) -> None:
        await original(tx, organization_id, new)
        if any(violation.actual_value == 666 for violation in new):
            raise ValueError("cannot write 666")

    monkeypatch.setattr(violations, "record", picky)
    bad = await plant.send("load", (0, 666))
    await plant.send("load", (1, 11), caller=sender())
    await plant.run()
    (alert,) = await plant.alerts()
    assert await plant.shown_violations() == [(1, 11, "Warning", alert.id, False)]
    assert (await plant.job(bad.job_ids[0])).last_error == "ValueError: cannot write 666"


async def test_clean_up_drops_old_jobs(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Failed jobs go after 30 days, with their system alert; runs after a day."""
    await plant.send("load", (-3600, 1))
    await poison(monkeypatch, 666.0, 100)
    bad = await plant.send("load", (0, 666))
    for _ in range(20):
        await plant.run()
        plant.clock.advance(seconds=1)  # type: ignore[attr-defined]
    async with plant.database.read() as tx:
        assert len(await retry_store.list_failed(tx, 7, 10)) == 1
    plant.clock.advance(days=31)  # type: ignore[attr-defined]
    await plant.run()
    async with plant.database.read() as tx:
        assert await retry_store.list_failed(tx, 7, 10) == []
        assert await run_store.find_result(tx, 0, 1) is None
    assert [(alert.code, alert.close_time is not None) for alert in await plant.system_alerts()] == [("EvaluationJobFailed", True)]
    assert bad.job_ids
