"""What detectors of fleets say of alerts, and the traces of these transitions (contract lumetry 6.2, 19.2)."""

from dataclasses import dataclass
from datetime import datetime

from lumetry_core.alerts.decisions import Decision, Explanation, Gate, Record, Transition, Verdict, finish, no_trigger
from lumetry_core.alerts.model import Alert, AlertState, CloseCause, SourceKind
from lumetry_core.rules.model import Severity


@dataclass(frozen=True, slots=True)
class Detector:
    """The definition of the metric whose members are compared."""

    metric_id: int
    metric_key: str
    metric_display_name: str

    @property
    def record(self) -> Record:
        """The definition as a deciding record."""
        return Record("MetricDefinition", str(self.metric_id), self.metric_display_name)


@dataclass(frozen=True, slots=True)
class Detection:
    """Outlier ticks in a row that open an alert.

    Args:
        analysis: What found the outliers, for people, such as `Peer deviation`.
        ticks: How many there were, `needed` how many open an alert.
        start_time: Time of the point that completed them.
        violation_count: All violations that become part of the alert.
    """

    detector: Detector
    dimension_key: str | None
    analysis: str
    ticks: int
    needed: int
    alert_name: str
    trigger_reason: str
    severity: Severity
    start_time: datetime
    violation_count: int
    first_violation_time: datetime


@dataclass(frozen=True, slots=True)
class DetectedRise:
    """An outlier beyond the critical threshold on an open `Warning` alert."""

    alert_id: int
    detector: Detector
    analysis: str
    ticks: int
    trigger_reason: str


@dataclass(frozen=True, slots=True)
class DetectedEnd:
    """Why an alert of a detector closes: after normal ticks in a row, or for another `cause`, which `reason` says for people."""

    alert_id: int
    detector: Detector
    cause: CloseCause
    reason: str
    end_time: datetime
    ticks: int = 0
    needed: int = 0


def new_detected_alert(organization_id: int, detection: Detection, now: datetime) -> Alert:
    """The alert of a detection, still without its number."""
    return Alert(
        id=0,
        organization_id=organization_id,
        metric_key=detection.detector.metric_key,
        metric_display_name=detection.detector.metric_display_name,
        dimension_key=detection.dimension_key,
        alert_name=detection.alert_name,
        source_kind=SourceKind.FLEET_DETECTOR,
        state=AlertState.OPEN,
        severity=detection.severity,
        trigger_reason=detection.trigger_reason,
        violation_count=detection.violation_count,
        start_time=detection.start_time,
        first_violation_time=detection.first_violation_time,
        last_not_clear_time=detection.start_time,
        create_time=now,
        update_time=now,
    )


def explain_detection(alert_id: int, detection: Detection, now: datetime) -> Explanation:
    """The trace of outlier ticks that opened an alert."""
    record = detection.detector.record
    counted = f"{spell_outliers(detection.ticks)}, {detection.needed} needed"
    details = {"count": detection.ticks, "needed": detection.needed}
    hysteresis = "No alert was open for this metric and member" if detection.dimension_key else "No alert was open for this metric"
    gates = (
        matched_detector(detection.detector, detection.analysis, now),
        Decision(Gate.TRIGGER_WINDOW, Verdict.PASSED, counted, record, now, details),
        Decision(Gate.HYSTERESIS, Verdict.PASSED, hysteresis, record, now),
    )
    return finish(alert_id, Transition.OPEN, gates)


def explain_rise(alert: Alert, rise: DetectedRise, now: datetime) -> Explanation:
    """The trace of a rise in severity. `alert` is the one before it."""
    record = rise.detector.record
    reason = f"The open alert rises from {alert.severity} to {Severity.CRITICAL}"
    counted = f"Beyond the critical threshold; {spell_outliers(rise.ticks)}"
    gates = (
        matched_detector(rise.detector, rise.analysis, now),
        Decision(Gate.TRIGGER_WINDOW, Verdict.PASSED, counted, record, now, {"count": rise.ticks}),
        Decision(Gate.HYSTERESIS, Verdict.PASSED, reason, record, now),
    )
    return finish(alert.id, Transition.ESCALATE, gates)


def explain_end(alert: Alert, end: DetectedEnd, now: datetime) -> Explanation:
    """The trace of a close by the detector. `alert` is the one before it."""
    record = end.detector.record
    name = end.detector.metric_display_name
    if end.cause is CloseCause.DETECTOR_CHANGED:
        first = Decision(Gate.RULE, Verdict.PASSED, end.reason, record, now)
        last = Decision(Gate.HYSTERESIS, Verdict.NOT_APPLICABLE, "The member is no longer judged as it was", record, now)
    else:
        details = {"count": end.ticks, "needed": end.needed} if end.cause is CloseCause.RECOVERY else {}
        first = Decision(Gate.RULE, Verdict.PASSED, f"Fleet analysis of metric '{name}' judges the member", record, now)
        last = Decision(Gate.HYSTERESIS, Verdict.PASSED, end.reason, record, now, details)
    return finish(alert.id, Transition.CLOSE, (first, no_trigger(now), last))


def matched_detector(detector: Detector, analysis: str, now: datetime) -> Decision:
    """The first gate's decision for an analysis that produced the transition."""
    reason = f"{analysis} of metric '{detector.metric_display_name}' is on and judges the member"
    return Decision(Gate.RULE, Verdict.PASSED, reason, detector.record, now)


def spell_outliers(ticks: int) -> str:
    """Outlier ticks in a row, for people."""
    return "1 outlier tick" if ticks == 1 else f"{ticks} outlier ticks in a row"
