"""Writes what a cycle of compound rules does, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from lumetry_core.alerts.model import Closing, Escalation, Opening, Trigger
from lumetry_core.alerts.service import transitions
from lumetry_core.baselines.bands import deviation_percent
from lumetry_core.evaluation.compile import SEVERITY_OF
from lumetry_core.evaluation.compound import Breach, Outcome
from lumetry_core.evaluation.machine import Closed, Escalated, Opened
from lumetry_core.metrics.model import MetricInfo
from lumetry_core.runtime.clock import from_ms
from lumetry_core.runtime.database import Transaction
from lumetry_core.violations import service as violations
from lumetry_core.violations.model import Attachment, NewViolation


async def record_outcomes(
    tx: Transaction,
    organization_id: int,
    outcomes: Sequence[Outcome],
    metrics: Mapping[str, MetricInfo],
    detect_time: datetime,
    now: datetime,
) -> None:
    """Moves alerts and writes violations; a cycle does at most one thing to each rule.

    Args:
        metrics: Of all conditions, by key.
        detect_time: When the breaches count as recorded.
    """
    opening = [(outcome, outcome.step.opened) for outcome in outcomes if outcome.step.opened is not None]
    opened = await transitions.open_alerts(tx, organization_id, [describe_opening(*each) for each in opening], now)
    numbers = {outcome.watch.rule.id: alert.id for (outcome, _), alert in zip(opening, opened, strict=True)}
    await violations.attach_all(tx, organization_id, [kept for outcome in outcomes if (kept := describe_attachment(outcome, numbers))])
    rising = [describe_escalation(outcome, outcome.step.escalated) for outcome in outcomes if outcome.step.escalated is not None]
    if rising:
        await transitions.escalate(tx, organization_id, rising, now)
    await remember(tx, organization_id, outcomes)
    closing = [describe_closing(outcome, outcome.step.closed) for outcome in outcomes if outcome.step.closed is not None]
    if closing:
        await transitions.close_by_recovery(tx, organization_id, closing, now)
    new = [describe_violation(outcome, outcome.cycle.breach, metrics, numbers, detect_time) for outcome in outcomes if outcome.cycle.breach]
    await violations.record(tx, organization_id, new)
    added = count_added(outcomes)
    if added:
        await transitions.add_violations(tx, organization_id, added, now)


async def remember(tx: Transaction, organization_id: int, outcomes: Sequence[Outcome]) -> None:
    """Keeps with older alerts when their rule was last not clear, and their first violation if it is a new one."""
    last_not_clear, first_violation = {}, {}
    for outcome in outcomes:
        before, after = outcome.before.alert, outcome.step.state.alert
        if before is None or after is None:
            continue
        if outcome.step.violated is not None:
            last_not_clear[after.handle] = from_ms(outcome.time)
        if after.first_violation < before.first_violation:
            first_violation[after.handle] = from_ms(after.first_violation)
    await transitions.set_last_not_clear(tx, organization_id, last_not_clear)
    await transitions.set_first_violation(tx, organization_id, first_violation)


def count_added(outcomes: Sequence[Outcome]) -> dict[int, int]:
    """How many violations each older alert gets, by its number."""
    added = {}
    for outcome in outcomes:
        violated, escalated = outcome.step.violated, outcome.step.escalated
        if violated is not None and violated.handle is not None and outcome.step.opened is None:
            added[violated.handle] = 1 + (0 if escalated is None else len(escalated.carried))
    return added


def describe_opening(outcome: Outcome, opened: Opened) -> Opening:
    """An opening as alerts take it. The alert is one of the rule's first metric, whichever condition is breached."""
    rule, level = outcome.watch.rule, opened.level
    return Opening(
        rule_id=rule.id,
        rule_name=rule.name,
        rule_epoch=rule.counting_epoch,
        alert_name=rule.alert_name,
        metric_key=rule.metric_key,
        metric_display_name=rule.metric_display_name,
        dimension_key=None,
        start_time=from_ms(outcome.time),
        severity=SEVERITY_OF[level.rank],
        alert_level_id=level.id,
        trigger=Trigger(len(opened.carried), level.trigger_count, level.window_minutes),
        first_violation_time=from_ms(opened.carried[0]),
        last_not_clear_time=from_ms(outcome.time),
    )


def describe_attachment(outcome: Outcome, numbers: Mapping[int, int]) -> Attachment | None:
    """The violations of earlier cycles that become part of an alert; None without any."""
    opened, escalated = outcome.step.opened, outcome.step.escalated
    carried = opened.carried if opened is not None else escalated.carried if escalated is not None else ()
    times = tuple(from_ms(time) for time in carried if time != outcome.time)
    if not times or outcome.step.state.alert is None:
        return None
    rule_id = outcome.watch.rule.id
    return Attachment(rule_id, None, times, numbers.get(rule_id, outcome.step.state.alert.handle))


def describe_escalation(outcome: Outcome, escalated: Escalated) -> Escalation:
    """An escalation as alerts take it."""
    rule, level = outcome.watch.rule, escalated.level
    return Escalation(
        alert_id=escalated.handle,
        rule_id=rule.id,
        rule_name=rule.name,
        severity=SEVERITY_OF[level.rank],
        alert_level_id=level.id,
        trigger=Trigger(escalated.violations, level.trigger_count, level.window_minutes),
    )


def describe_closing(outcome: Outcome, closed: Closed) -> Closing:
    """A recovery as alerts take it."""
    return Closing(
        alert_id=closed.handle,
        rule_id=outcome.watch.rule.id,
        rule_name=outcome.watch.rule.name,
        end_time=from_ms(outcome.time),
        last_not_clear_time=from_ms(closed.last_not_clear),
        recovery_minutes=closed.recovery_minutes,
    )


def describe_violation(
    outcome: Outcome, breach: Breach, metrics: Mapping[str, MetricInfo], numbers: Mapping[int, int], detect_time: datetime
) -> NewViolation:
    """A cycle on which the rule holds as violations take it: metric, value and limits are those of the breach, the time is the cycle's."""
    rule, level = outcome.watch.rule, outcome.watch.watch.levels[0]
    strategy, seen = rule.conditions[breach.condition], breach.seen
    ((lower, upper),) = seen.limits.shown
    expected = seen.limits.expected
    violated = outcome.step.violated
    handle = None if violated is None else violated.handle
    return NewViolation(
        rule_id=rule.id,
        rule_name=rule.name,
        rule_epoch=rule.counting_epoch,
        metric_key=strategy.metric_key,
        metric_display_name=metrics[strategy.metric_key].display_name,
        dimension_key=None,
        time=from_ms(outcome.time),
        actual_value=seen.value,
        expected_value=expected,
        lower_threshold=lower,
        upper_threshold=upper,
        deviation_percent=None if expected is None else deviation_percent(seen.value, expected),
        baseline_confidence=seen.limits.confidence,
        direction=strategy.direction,
        severity=SEVERITY_OF[level.rank],
        alert_level_id=level.id,
        alert_id=None if handle is None else numbers.get(rule.id, handle),
        job_id=None,
        detect_time=detect_time,
        is_late=False,
    )
