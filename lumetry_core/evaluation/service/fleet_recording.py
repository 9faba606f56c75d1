"""Writes what a tick of fleets found, in the caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import isfinite

from lumetry_core.alerts.detections import DetectedEnd, DetectedRise, Detection, Detector
from lumetry_core.alerts.model import CloseCause
from lumetry_core.alerts.service import detections, transitions
from lumetry_core.alerts.service.system_alerts import close_system_alert, raise_system_alert
from lumetry_core.baselines.bands import CONFIDENCES, confidence
from lumetry_core.fleet.judging import Change, Deviation, Judgement, Learned, Ticked
from lumetry_core.fleet.model import FleetState, MemberState, OpenAlert, Patience
from lumetry_core.fleet.ticking import Opened, Raised, Recovered
from lumetry_core.fleet.wording import spell_analysis, spell_name, spell_ticks, spell_trigger
from lumetry_core.metrics.fleet_contract import Analysis
from lumetry_core.metrics.model import MetricInfo
from lumetry_core.rules.model import Direction, Severity
from lumetry_core.runtime.clock import from_ms
from lumetry_core.runtime.database import Transaction
from lumetry_core.violations import service as violations
from lumetry_core.violations.model import NewViolation, RunAttachment

CARDINALITY_LIMIT = "CardinalityLimit"
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a tick found of one metric. Members whose alert opens have no number of it in `after` yet.

    Args:
        is_changed: The metric's contract is another than the one by which `before` was counted.
    """

    metric: MetricInfo
    before: FleetState | None
    after: FleetState
    judgement: Judgement
    learned: Learned | None
    patience: Patience
    ticked: Ticked
    is_changed: bool

    @property
    def detector(self) -> Detector:
        """The metric's definition as alerts know it."""
        return detector_of(self.metric)


@dataclass(frozen=True, slots=True)
class Left:
    """A metric whose members are not analysed any more, and what was remembered of them."""

    metric_id: int
    state: FleetState
    metric: MetricInfo


def detector_of(metric: MetricInfo) -> Detector:
    """A metric's definition as alerts know it."""
    return Detector(metric.id, metric.metric_key, metric.display_name or metric.metric_key)


async def record_outcomes(
    tx: Transaction, organization_id: int, tick_ms: int, outcomes: Sequence[Outcome], left: Sequence[Left], now: datetime
) -> dict[int, dict[str | None, MemberState]]:
    """Moves alerts and records violations.

    Returns:
        By metric, the states of the members whose alert opened, with its number.
    """
    ends = [end for each in left for end in describe_leaving(each.metric, each.state, "is off", now)]
    rises: list[DetectedRise] = []
    openings: list[tuple[Outcome, Change, Opened]] = []
    for outcome in outcomes:
        if outcome.is_changed and outcome.before is not None:
            ends += describe_leaving(outcome.metric, outcome.before, "was changed", now)
        for change in outcome.ticked.changes:
            if isinstance(change.step, Opened):
                openings.append((outcome, change, change.step))
            elif isinstance(change.step, Raised) and change.before.alert is not None and change.row is not None:
                rises.append(describe_rise(outcome, change.before.alert.id, change.row, change.step))
            elif change.before.alert is not None:
                ends.append(describe_end(outcome, change, change.before.alert.id, tick_ms))
    await detections.end_detected(tx, organization_id, ends, now)
    opened = await detections.open_detected(tx, organization_id, [describe_opening(*each) for each in openings], now)
    states: dict[int, dict[str | None, MemberState]] = {}
    attachments: list[RunAttachment] = []
    for alert, (outcome, change, step) in zip(opened, openings, strict=True):
        of_metric = states.setdefault(outcome.metric.id, {})
        of_metric[change.key] = replace(outcome.after.members[change.key], alert=OpenAlert(alert.id, step.is_critical))
        attachments += [
            RunAttachment(outcome.metric.metric_key, analysis.value, change.key, from_ms(run.start_tick_ms), alert.id)
            for analysis, run in step.runs.items()
        ]
    await violations.attach_runs(tx, organization_id, attachments)
    await record_violations(tx, organization_id, tick_ms, outcomes, states, now)
    await detections.raise_detected(tx, organization_id, rises, now)
    await warn_of_cardinality(tx, organization_id, outcomes, left, now)
    return states


async def record_violations(
    tx: Transaction,
    organization_id: int,
    tick_ms: int,
    outcomes: Iterable[Outcome],
    opened: Mapping[int, Mapping[str | None, MemberState]],
    now: datetime,
) -> None:
    """Records a violation for each outlier; those of alerts that were open before are counted in."""
    new: list[NewViolation] = []
    joined: dict[int, int] = {}
    for outcome in outcomes:
        openings = opened.get(outcome.metric.id, {})
        for deviation in outcome.ticked.deviations:
            state = openings.get(deviation.key) or outcome.after.members[deviation.key]
            alert_id = None if state.alert is None else state.alert.id
            new.append(describe_violation(outcome, deviation, alert_id, tick_ms, now))
            if alert_id is not None and deviation.key not in openings:
                joined[alert_id] = joined.get(alert_id, 0) + 1
    await violations.record(tx, organization_id, new)
    if joined:
        await transitions.add_violations(tx, organization_id, joined, now)


def describe_violation(outcome: Outcome, deviation: Deviation, alert_id: int | None, tick_ms: int, now: datetime) -> NewViolation:
    """An outlier as violations take it, at the time of the point that was judged."""
    fresh, row = outcome.judgement.fresh, deviation.row
    judged = outcome.judgement.analyses[deviation.analysis]
    config = outcome.metric.fleet.peer if deviation.analysis is Analysis.PEER else outcome.metric.fleet.baseline
    trust = None
    if deviation.analysis is Analysis.BASELINE and outcome.learned is not None:
        trust = CONFIDENCES[confidence(outcome.learned.counts[row : row + 1], outcome.learned.minimum_points)[0]]
    return NewViolation(
        rule_id=None,
        metric_key=outcome.metric.metric_key,
        metric_display_name=outcome.detector.metric_display_name,
        dimension_key=deviation.key,
        time=from_ms(int(fresh.times_ms[row])),
        actual_value=float(fresh.values[row]),
        expected_value=number(judged.expected[row]),
        lower_threshold=number(judged.lower[row]),
        upper_threshold=number(judged.upper[row]),
        deviation_percent=number(judged.deviations[row], decimals=2),
        baseline_confidence=trust,
        direction=Direction(config.direction.value),
        severity=severity_of(is_critical=bool(judged.is_critical[row])),
        alert_id=alert_id,
        detect_time=now,
        analysis=deviation.analysis.value,
        tick_time=from_ms(tick_ms),
    )


def describe_opening(outcome: Outcome, change: Change, step: Opened) -> Detection:
    """An opening as alerts take it."""
    analysis, row = step.analysis, change.row or 0
    ticks = step.runs[analysis].ticks
    return Detection(
        detector=outcome.detector,
        dimension_key=change.key,
        analysis=spell_analysis(analysis),
        ticks=ticks,
        needed=outcome.patience.open_ticks[analysis],
        alert_name=spell_name(analysis, outcome.detector.metric_display_name),
        trigger_reason=spell_reason(outcome, analysis, ticks, row),
        severity=severity_of(is_critical=step.is_critical),
        start_time=from_ms(int(outcome.judgement.fresh.times_ms[row])),
        violation_count=sum(run.ticks for run in step.runs.values()),
        first_violation_time=from_ms(min(run.first_time_ms for run in step.runs.values())),
    )


def describe_rise(outcome: Outcome, alert_id: int, row: int, step: Raised) -> DetectedRise:
    """A rise in severity as alerts take it."""
    reason = spell_reason(outcome, step.analysis, step.ticks, row)
    return DetectedRise(alert_id, outcome.detector, spell_analysis(step.analysis), step.ticks, reason)


def describe_end(outcome: Outcome, change: Change, alert_id: int, tick_ms: int) -> DetectedEnd:
    """A close by normality, at the time of the point that completed it, or because the member is gone, at the tick that found it so."""
    if isinstance(change.step, Recovered) and change.row is not None:
        needed = outcome.patience.close_ticks
        reason = f"Normal for {spell_ticks(change.step.ticks)} in a row, {needed} needed"
        end_time = from_ms(int(outcome.judgement.fresh.times_ms[change.row]))
        return DetectedEnd(alert_id, outcome.detector, CloseCause.RECOVERY, reason, end_time, change.step.ticks, needed)
    minutes = outcome.patience.gone_ms // MINUTE_MS
    reason = f"No value for {minutes} min: the member is gone"
    return DetectedEnd(alert_id, outcome.detector, CloseCause.MEMBER_GONE, reason, from_ms(tick_ms))


def describe_leaving(metric: MetricInfo, state: FleetState, what: str, now: datetime) -> list[DetectedEnd]:
    """The close of all alerts of a metric that is no longer analysed as it was."""
    detector = detector_of(metric)
    reason = f"Fleet analysis of metric '{detector.metric_display_name}' {what}, which closes its alerts"
    alert_ids = sorted(member.alert.id for member in state.members.values() if member.alert is not None)
    return [DetectedEnd(alert_id, detector, CloseCause.DETECTOR_CHANGED, reason, now) for alert_id in alert_ids]


def spell_reason(outcome: Outcome, analysis: Analysis, ticks: int, row: int) -> str:
    """Why an alert opens or rises."""
    expected = outcome.judgement.analyses[analysis].expected[row]
    return spell_trigger(analysis, ticks, float(outcome.judgement.fresh.values[row]), float(expected))


async def warn_of_cardinality(
    tx: Transaction, organization_id: int, outcomes: Sequence[Outcome], left: Sequence[Left], now: datetime
) -> None:
    """Tells operators, once, of metrics that have members beyond the limit, and when they have none any more."""
    for outcome in outcomes:
        key, was = outcome.metric.metric_key, outcome.before is not None and outcome.before.is_overflowing
        if outcome.after.is_overflowing and not was:
            limit = outcome.metric.fleet.max_cardinality
            message = f"Metric {key} has more than {limit} members; those beyond are stored but not evaluated."
            await raise_system_alert(tx, organization_id, CARDINALITY_LIMIT, Severity.WARNING, message, "Metric", key, now)
        elif was and not outcome.after.is_overflowing:
            await close_system_alert(tx, organization_id, CARDINALITY_LIMIT, "Metric", key, now)
    for each in left:
        if each.state.is_overflowing:
            await close_system_alert(tx, organization_id, CARDINALITY_LIMIT, "Metric", each.metric.metric_key, now)


def severity_of(*, is_critical: bool) -> Severity:
    """The severity of an outlier."""
    return Severity.CRITICAL if is_critical else Severity.WARNING


def number(value: float, *, decimals: int | None = None) -> float | None:
    """A number of a column; None where there is none."""
    if not isfinite(value):
        return None
    return float(value) if decimals is None else round(float(value), decimals)
