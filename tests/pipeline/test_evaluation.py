"""From accepted points to violations, alerts, jobs and work, on real databases."""

import pytest

from lumetry_core.evaluation.model import JobOutcome, JobState
from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.settings import Settings as MetricSettings
from lumetry_core.metrics.worker import Sealer
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.pipeline.plant import Plant, level, person, sender

CRITICAL = level("Critical", static_upper=20.0, trigger_count=2, trigger_window_minutes=5, recovery_minutes=2)


async def test_evaluate_opens_escalates_and_closes(plant: Plant) -> None:
    """The life of an alert, point by point, with its evidence and the work for the next stage."""
    await plant.send("load", (-3600, 1))
    rule = await plant.add_rule("load", level(trigger_count=2, trigger_window_minutes=5, recovery_minutes=1), CRITICAL)
    for seconds, value in [(0, 11), (60, 21), (90, 22), (120, 11), (150, 5), (300, 5)]:
        await plant.send("load", (seconds, value))
        await plant.run()
    assert await plant.shown_alerts() == [(None, 60, 300, "Critical", "2 violations within 5 minutes", 4)]
    (alert,) = await plant.alerts()
    assert alert.alert_level_id == rule.levels[1].id
    assert await plant.shown_violations() == [
        (0, 11, "Warning", alert.id, False),
        (60, 21, "Critical", alert.id, False),
        (90, 22, "Critical", alert.id, False),
        (120, 11, "Warning", alert.id, False),
    ]
    assert await plant.work("correlation") == [
        ("alert_opened", {"alert_id": alert.id}),
        ("alert_escalated", {"alert_id": alert.id}),
        ("violations_added", {"alert_id": alert.id, "count": 1}),
        ("violations_added", {"alert_id": alert.id, "count": 1}),
        ("alert_closed", {"alert_id": alert.id}),
    ]


@pytest.mark.parametrize("restarts", [False, True])
async def test_evaluate_in_one_chunk_or_many_with_restarts(plant: Plant, restarts: bool) -> None:
    """The same points give the same alerts, whether they come at once or one by one to a process that always dies in between."""
    points = [(0, 11), (60, 11), (30, 11), (61, 5), (400, 5), (401, 11), (402, 11), (10, 12), (402, 13), (403, 9)]
    await plant.send("load", (-3600, 1), host="a")
    await plant.add_rule("load", level(trigger_count=2, trigger_window_minutes=2, recovery_minutes=5))
    if restarts:
        for point in points:
            await plant.send("load", point, host="a")
            await plant.run()
            plant.restart()
    else:
        await plant.send("load", *points, host="a")
        await plant.run()
    assert await plant.shown_alerts() == [
        ("host=a", 60, 400, "Warning", "2 violations within 2 minutes", 4),
        ("host=a", 402, None, "Warning", "2 violations within 2 minutes", 2),
    ]
    first, second = [alert.id for alert in await plant.alerts()]
    assert [(seconds, alert, late) for seconds, _, _, alert, late in await plant.shown_violations()] == [
        (0, first, False),
        (10, first, True),
        (30, first, False),
        (60, first, False),
        (401, second, False),
        (402, second, False),
    ]


async def test_evaluate_after_a_manual_close_counts_from_zero(plant: Plant) -> None:
    """Violations recorded before the close never open another alert; later ones do."""
    await plant.send("load", (-3600, 1))
    await plant.add_rule("load", level(trigger_count=3, trigger_window_minutes=60), level("Critical", static_upper=20.0, trigger_count=1))
    await plant.send("load", (0, 11), (1, 11), (2, 21))
    await plant.run()
    (alert,) = await plant.alerts()
    await plant.close(alert)
    plant.clock.advance(seconds=1)  # type: ignore[attr-defined]
    await plant.send("load", (3, 11), (4, 11))
    await plant.run()
    assert len(await plant.alerts()) == 1
    plant.restart()
    await plant.send("load", (5, 11))
    await plant.run()
    assert [(start, reason) for _, start, _, _, reason, _ in await plant.shown_alerts()] == [
        (2, "1 violation within 1 minute"),
        (5, "3 violations within 60 minutes"),
    ]


async def test_evaluate_by_changed_rules_from_the_next_point_on(plant: Plant) -> None:
    """A change acts on points evaluated afterwards, and counting starts anew."""
    await plant.send("load", (-3600, 1))
    rule = await plant.add_rule("load", level(trigger_count=2, trigger_window_minutes=10))
    await plant.send("load", (0, 11))
    await plant.run()
    await plant.change_rule(rule, level(trigger_count=2, trigger_window_minutes=11))
    await plant.send("load", (1, 11))
    await plant.run()
    assert await plant.shown_alerts() == []
    await plant.send("load", (2, 11))
    await plant.run()
    assert await plant.shown_alerts() == [(None, 2, None, "Warning", "2 violations within 11 minutes", 2)]


async def test_rule_that_leaves_active_closes_its_alerts(plant: Plant) -> None:
    """Its alerts close at the time of the change; active again, it starts over."""
    await plant.send("load", (-3600, 1))
    rule = await plant.add_rule("load")
    await plant.send("load", (0, 11))
    await plant.run()
    plant.clock.advance(seconds=30)  # type: ignore[attr-defined]
    await plant.change_rule(rule, status="Disabled")
    plant.clock.advance(seconds=30)  # type: ignore[attr-defined]
    await plant.send("load", (31, 11))
    await plant.run()
    await plant.change_rule(rule)
    await plant.send("load", (61, 11))
    await plant.run()
    assert [(start, end) for _, start, end, _, _, _ in await plant.shown_alerts()] == [(0, 30), (61, None)]


async def test_late_points_join_closed_alerts(plant: Plant) -> None:
    """Late evidence joins the alert into whose time it falls, also after a restart; outside it stands alone."""
    await plant.send("load", (-3600, 1))
    await plant.add_rule("load", level(recovery_minutes=1))
    await plant.send("load", (0, 11), (60, 5), (500, 5))
    await plant.run()
    plant.restart()
    await plant.send("load", (30, 99), (61, 99), (-1, 99))
    await plant.run()
    (alert,) = await plant.alerts()
    assert alert.violation_count == 2
    assert [(seconds, found, late) for seconds, _, _, found, late in await plant.shown_violations()] == [
        (-1, None, True),
        (0, alert.id, False),
        (30, alert.id, True),
        (61, None, True),
    ]


async def test_get_job_tells_the_outcome(plant: Plant) -> None:
    """Every outcome, with what the job recorded and opened."""
    first = await plant.send("load", (-3600, 1), host="a")
    assert (await plant.job(first.job_ids[0])).state is JobState.QUEUED
    await plant.run()
    assert (await plant.job(first.job_ids[0])).outcome is JobOutcome.NO_RULE
    await plant.add_rule("load")
    opening = await plant.send("load", (0, 11), host="a")
    again = await plant.send("load", (0, 12), host="a")
    await plant.run()
    late = await plant.send("load", (-500, 1), host="a")
    await plant.run()
    (violation,) = await plant.violations()
    (alert,) = await plant.alerts()
    receipt = await plant.job(opening.job_ids[0])
    assert (receipt.outcome, receipt.violation_ids, receipt.opened_alert_ids) == (JobOutcome.EVALUATED, (violation.id,), (alert.id,))
    assert (receipt.metric_key, receipt.dimension_key, receipt.point_time) == ("load", "host=a", plant.start)
    assert (receipt.batch_id, receipt.attempt_count, receipt.state) == (opening.batch_id, 1, JobState.COMPLETED)
    assert [(await plant.job(batch.job_ids[0])).outcome for batch in (again, late)] == [JobOutcome.DUPLICATE, JobOutcome.LATE]
    assert (await plant.summary()).completed == 4


async def test_get_job_is_shown_to_its_sender(plant: Plant) -> None:
    """The submitting credential sees its job, another one without permission does not, another organization finds nothing."""
    batch = await plant.send("load", (0, 1))
    assert (await plant.job(batch.job_ids[0], sender())).batch_id == batch.batch_id
    with pytest.raises(LumetryError) as refused:
        await plant.job(batch.job_ids[0], sender(credential_id=6))
    assert refused.value.reason is Reason.PERMISSION_DENIED
    for caller, number in [(person(8), batch.job_ids[0]), (person(), 10**9), (person(), -1)]:
        with pytest.raises(LumetryError) as missing:
            await plant.job(number, caller)
        assert missing.value.reason is Reason.NOT_FOUND


async def test_ambiguous_dimensions_raise_a_system_alert(plant: Plant) -> None:
    """Two label sets on one member and time: stored both, evaluated once, operators are told."""
    await plant.send("load", (-3600, 1), host="a")
    await plant.add_rule("load")
    await plant.send_mixed([("load", {"host": "a"}, 0, 11.0), ("load", {"host": "a", "version": "2"}, 0, 99.0)])
    await plant.run()
    assert [(seconds, value) for seconds, value, *_ in await plant.shown_violations()] == [(0, 11)]
    assert [(alert.code, alert.subject_id) for alert in await plant.system_alerts()] == [("AmbiguousDimensions", "load")]


async def test_evaluate_keeps_organizations_apart(plant: Plant) -> None:
    """Points of two organizations in one chunk meet only their own rules."""
    for organization_id in (7, 8):
        await plant.send("load", (-3600, 1), caller=sender(organization_id))
    await plant.add_rule("load", organization_id=8)
    await plant.send("load", (0, 11), caller=sender(7))
    await plant.send("load", (0, 12), caller=sender(8))
    await plant.run()
    assert (len(await plant.alerts(7)), len(await plant.alerts(8))) == (0, 1)


async def test_evaluate_recognises_repetitions_of_sealed_points(plant: Plant) -> None:
    """Points that left the inbox for segments are known all the same, with and without a restart."""
    await plant.send("load", (-3600, 1), host="a")
    await plant.add_rule("load")
    await plant.send("load", (0, 5), (1, 5), (3, 5), host="a")
    await plant.run()
    plant.clock.advance(seconds=600)  # type: ignore[attr-defined]
    assert await Sealer(plant.database, "core-1", MetricSettings(seal_points=1)).tick(plant.clock.now())
    async with plant.database.read() as tx:
        assert all(position.sealed_offset == position.next_offset for position in await inbox.read_positions(tx))
    for restarts in (False, True):
        if restarts:
            plant.restart()
        repeated = await plant.send("load", (1, 99), (0, 99), (3, 99), host="a")
        await plant.run()
        assert (await plant.job(repeated.job_ids[0])).outcome is JobOutcome.DUPLICATE
    await plant.send("load", (2, 99), host="a")
    await plant.run()
    assert [(seconds, value) for seconds, value, *_ in await plant.shown_violations()] == [(2, 99)]


async def test_evaluate_after_a_rule_left_active_and_came_back(plant: Plant) -> None:
    """Its alert ends with the first change; what breaches afterwards opens another one, however soon."""
    await plant.send("load", (-3600, 1))
    rule = await plant.add_rule("load", level(recovery_minutes=60))
    await plant.send("load", (0, 11))
    await plant.run()
    await plant.change_rule(rule, level(recovery_minutes=60), status="Disabled")
    await plant.change_rule(rule, level(recovery_minutes=60))
    await plant.send("load", (1, 12), (2, 13))
    await plant.run()
    assert [(start, end, count) for _, start, end, _, _, count in await plant.shown_alerts()] == [(0, 0, 1), (1, None, 2)]
