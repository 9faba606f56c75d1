"""Writes the effects of a chunk, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby

from lumetry_core.alerts.model import Closing, Escalation, Opening, Trigger
from lumetry_core.alerts.service import transitions
from lumetry_core.alerts.service.system_alerts import raise_system_alert
from lumetry_core.baselines.bands import deviation_percent
from lumetry_core.evaluation.compile import SEVERITY_OF
from lumetry_core.evaluation.effects import AlertChange, Effects, FoundViolation
from lumetry_core.evaluation.machine import Closed, Opened
from lumetry_core.evaluation.model import JobTrace
from lumetry_core.evaluation.service.loading import PartitionState
from lumetry_core.metrics.model import Integers
from lumetry_core.metrics.service.catalog import find_metrics_by_id
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.clock import from_ms
from lumetry_core.runtime.database import Transaction
from lumetry_core.violations import service as violations
from lumetry_core.violations.model import Attachment, NewViolation


async def record_effects(
    tx: Transaction, held: PartitionState, effects: Effects, job_ids: Sequence[int], detect_time: datetime, now: datetime
) -> dict[int, int]:
    """Writes violations and moves alerts.

    Alerts of one rule and member are moved in generations, because the next may open only when the one before is closed. Late violations
    look for alerts that closed before the chunk first: those that close within it were found in memory.

    Args:
        job_ids: For each violation, the job of its point.
        detect_time: When the breaches count as recorded.

    Returns:
        The number of each opened alert by its handle.
    """
    numbers: dict[int, int] = {}
    added: dict[int, int] = {}
    await find_closed_alerts(tx, held, effects, added)
    for _, changes in groupby(effects.alerts, key=lambda change: change.generation):
        await move_alerts(tx, held, list(changes), numbers, now)
    for change in effects.alerts:
        if change.joined:
            number = numbers.get(change.handle, change.handle)
            added[number] = added.get(number, 0) + change.joined
    new = [describe(held, found, job_id, numbers, detect_time) for found, job_id in zip(effects.violations, job_ids, strict=True)]
    await violations.record(tx, held.organization_id, new)
    if added:
        await transitions.add_violations(tx, held.organization_id, added, now)
    await raise_warnings(tx, held, effects, now)
    return numbers


async def find_closed_alerts(tx: Transaction, held: PartitionState, effects: Effects, added: dict[int, int]) -> None:
    """Gives late violations the alert, closed before the chunk, into whose time they fall, and counts them in."""
    homeless = [found for found in effects.violations if found.is_late and found.handle is None]
    if not homeless:
        return
    probes = [(found.watch.rule.id, held.state.member_of_slot[found.slot][1], from_ms(found.time)) for found in homeless]
    covering = await transitions.find_covering(tx, held.organization_id, probes)
    closed_here = {change.handle for change in effects.alerts if change.closed is not None}
    for found, number in zip(homeless, covering, strict=True):
        if number is not None and number not in closed_here:
            found.handle = number
            added[number] = added.get(number, 0) + 1


async def move_alerts(
    tx: Transaction, held: PartitionState, changes: Sequence[AlertChange], numbers: dict[int, int], now: datetime
) -> None:
    """Opens, escalates and closes alerts, at most one of each rule and member."""
    organization_id = held.organization_id
    opening = [(change, change.opened) for change in changes if change.opened is not None]
    opened = await transitions.open_alerts(tx, organization_id, [describe_opening(held, *each) for each in opening], now)
    numbers.update({change.handle: alert.id for (change, _), alert in zip(opening, opened, strict=True)})
    attachments = [
        Attachment(
            change.watch.rule.id,
            held.state.member_of_slot[change.slot][1],
            tuple(from_ms(time) for time in change.attached),
            numbers.get(change.handle, change.handle),
        )
        for change in changes
        if change.attached
    ]
    await violations.attach_all(tx, organization_id, attachments)
    for step in range(max((len(change.escalated) for change in changes), default=0)):
        rising = [describe_escalation(change, step, numbers) for change in changes if len(change.escalated) > step]
        await transitions.escalate(tx, organization_id, rising, now)
    older = [change for change in changes if change.opened is None]
    await transitions.set_last_not_clear(tx, organization_id, {change.handle: from_ms(change.last_not_clear) for change in older})
    extended = {change.handle: from_ms(change.first_violation) for change in changes if change.is_extended}
    extended = {numbers.get(handle, handle): first for handle, first in extended.items()}
    await transitions.set_first_violation(tx, organization_id, extended)
    closing = [describe_closing(change, change.closed, numbers) for change in changes if change.closed is not None]
    if closing:
        await transitions.close_by_recovery(tx, organization_id, closing, now)


def describe_opening(held: PartitionState, change: AlertChange, opened: Opened) -> Opening:
    """An opening as alerts take it."""
    rule, level = change.watch.rule, opened.level
    return Opening(
        rule_id=rule.id,
        rule_name=rule.name,
        rule_epoch=rule.counting_epoch,
        alert_name=rule.alert_name,
        metric_key=rule.metric_key,
        metric_display_name=rule.metric_display_name,
        dimension_key=held.state.member_of_slot[change.slot][1],
        start_time=from_ms(change.start_time),
        severity=SEVERITY_OF[level.rank],
        alert_level_id=level.id,
        trigger=Trigger(len(opened.carried), level.trigger_count, level.window_minutes),
        first_violation_time=from_ms(opened.carried[0]),
        last_not_clear_time=from_ms(change.last_not_clear),
    )


def describe_escalation(change: AlertChange, step: int, numbers: Mapping[int, int]) -> Escalation:
    """An escalation as alerts take it."""
    escalated, rule = change.escalated[step], change.watch.rule
    level = escalated.level
    return Escalation(
        alert_id=numbers.get(change.handle, change.handle),
        rule_id=rule.id,
        rule_name=rule.name,
        severity=SEVERITY_OF[level.rank],
        alert_level_id=level.id,
        trigger=Trigger(escalated.violations, level.trigger_count, level.window_minutes),
    )


def describe_closing(change: AlertChange, closed: Closed, numbers: Mapping[int, int]) -> Closing:
    """A recovery as alerts take it."""
    return Closing(
        alert_id=numbers.get(change.handle, change.handle),
        rule_id=change.watch.rule.id,
        rule_name=change.watch.rule.name,
        end_time=from_ms(change.end_time),
        last_not_clear_time=from_ms(closed.last_not_clear),
        recovery_minutes=closed.recovery_minutes,
    )


def describe(held: PartitionState, found: FoundViolation, job_id: int, numbers: Mapping[int, int], detect_time: datetime) -> NewViolation:
    """A breach as violations take it, with the limits of the level that it names."""
    rule, level, limits = found.watch.rule, found.level, found.limits
    lower, upper = limits.shown[found.watch.levels.index(level)]
    return NewViolation(
        rule_id=rule.id,
        rule_name=rule.name,
        rule_epoch=rule.counting_epoch,
        metric_key=rule.metric_key,
        metric_display_name=rule.metric_display_name,
        dimension_key=held.state.member_of_slot[found.slot][1],
        time=from_ms(found.time),
        actual_value=found.value,
        expected_value=limits.expected,
        lower_threshold=lower,
        upper_threshold=upper,
        deviation_percent=None if limits.expected is None else deviation_percent(found.value, limits.expected),
        baseline_confidence=limits.confidence,
        direction=rule.direction,
        severity=SEVERITY_OF[level.rank],
        alert_level_id=level.id,
        alert_id=None if found.handle is None else numbers.get(found.handle, found.handle),
        job_id=job_id,
        detect_time=detect_time,
        is_late=found.is_late,
    )


async def raise_warnings(tx: Transaction, held: PartitionState, effects: Effects, now: datetime) -> None:
    """Tells operators of metrics whose definition does not fit their points."""
    troubled = effects.ambiguous | effects.overflowing
    if not troubled:
        return
    metrics = await find_metrics_by_id(tx, held.organization_id, troubled)
    for metric_id in sorted(effects.ambiguous):
        key = metrics[metric_id].metric_key
        message = f"Points of metric {key} with different labels fall on one member and time; only the first is evaluated."
        await raise_system_alert(tx, held.organization_id, "AmbiguousDimensions", Severity.WARNING, message, "Metric", key, now)
    for metric_id in sorted(effects.overflowing):
        key, most = metrics[metric_id].metric_key, metrics[metric_id].fleet.max_cardinality
        message = f"Metric {key} has more than {most} members; those beyond are stored but not evaluated."
        await raise_system_alert(tx, held.organization_id, "CardinalityLimit", Severity.WARNING, message, "Metric", key, now)


def trace_jobs(effects: Effects, places: Integers, numbers: Mapping[int, int]) -> dict[int, JobTrace]:
    """What each job left behind, by its place.

    Args:
        places: For each point of the chunk, the place of its job.
    """
    opened: dict[int, list[int]] = {}
    for change in effects.alerts:
        if change.opened is not None:
            opened.setdefault(int(places[change.position]), []).append(numbers[change.handle])
    times: dict[int, list[int]] = {}
    for found in effects.violations:
        times.setdefault(int(places[found.position]), []).append(found.time)
    return {place: JobTrace(from_ms(min(at)), from_ms(max(at)), tuple(sorted(opened.get(place, [])))) for place, at in times.items()}
