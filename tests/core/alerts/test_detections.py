from dataclasses import replace
from datetime import UTC, datetime, timedelta

from lumetry_core.alerts.decisions import Decision, Gate, Outcome, Record, Transition, Verdict
from lumetry_core.alerts.detections import (
    DetectedEnd,
    DetectedRise,
    Detection,
    Detector,
    explain_detection,
    explain_end,
    explain_rise,
    new_detected_alert,
)
from lumetry_core.alerts.model import CloseCause
from lumetry_core.rules.model import Severity

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
DETECTOR = Detector(5, "cpu", "CPU load")
RECORD = Record("MetricDefinition", "5", "CPU load")
DETECTION = Detection(
    detector=DETECTOR,
    dimension_key="host.id=a",
    analysis="Peer deviation",
    ticks=3,
    needed=3,
    alert_name="CPU load deviates from peers",
    trigger_reason="Peer deviation for 3 ticks: 89 vs median 42",
    severity=Severity.WARNING,
    start_time=NOW,
    violation_count=3,
    first_violation_time=NOW - timedelta(minutes=2),
)
ALERT = replace(new_detected_alert(7, DETECTION, NOW), id=9012)
ON = "Peer deviation of metric 'CPU load' is on and judges the member"


def test_explain_detection_decides_three_gates() -> None:
    """The definition decides the first three gates; the rest is still to be decided, as for any alert."""
    explanation = explain_detection(9012, DETECTION, NOW)
    assert (explanation.transition, explanation.outcome, len(explanation.gates)) == (Transition.OPEN, Outcome.PENDING, 9)
    assert explanation.gates[:3] == (
        Decision(Gate.RULE, Verdict.PASSED, ON, RECORD, NOW),
        Decision(Gate.TRIGGER_WINDOW, Verdict.PASSED, "3 outlier ticks in a row, 3 needed", RECORD, NOW, {"count": 3, "needed": 3}),
        Decision(Gate.HYSTERESIS, Verdict.PASSED, "No alert was open for this metric and member", RECORD, NOW),
    )


def test_explain_rise_names_the_severities() -> None:
    """The critical threshold decides a rise."""
    rise = DetectedRise(9012, DETECTOR, "Peer deviation", 4, "Peer deviation for 4 ticks: 200 vs median 42")
    explanation = explain_rise(ALERT, rise, NOW)
    assert explanation.transition is Transition.ESCALATE
    assert explanation.gates[:3] == (
        Decision(Gate.RULE, Verdict.PASSED, ON, RECORD, NOW),
        Decision(Gate.TRIGGER_WINDOW, Verdict.PASSED, "Beyond the critical threshold; 4 outlier ticks in a row", RECORD, NOW, {"count": 4}),
        Decision(Gate.HYSTERESIS, Verdict.PASSED, "The open alert rises from Warning to Critical", RECORD, NOW),
    )


def test_explain_end_tells_why() -> None:
    """Normal ticks, a member that is gone and a detector that changed each say so."""
    judges = Decision(Gate.RULE, Verdict.PASSED, "Fleet analysis of metric 'CPU load' judges the member", RECORD, NOW)
    closing = Decision(Gate.TRIGGER_WINDOW, Verdict.NOT_APPLICABLE, "Closing needs no trigger", None, NOW)
    normal = DetectedEnd(9012, DETECTOR, CloseCause.RECOVERY, "Normal for 3 ticks in a row, 3 needed", NOW, 3, 3)
    counts = {"count": 3, "needed": 3}
    assert explain_end(ALERT, normal, NOW).gates[:3] == (
        judges,
        closing,
        Decision(Gate.HYSTERESIS, Verdict.PASSED, "Normal for 3 ticks in a row, 3 needed", RECORD, NOW, counts),
    )
    gone = DetectedEnd(9012, DETECTOR, CloseCause.MEMBER_GONE, "No value for 60 min: the member is gone", NOW)
    assert explain_end(ALERT, gone, NOW).gates[:3] == (
        judges,
        closing,
        Decision(Gate.HYSTERESIS, Verdict.PASSED, "No value for 60 min: the member is gone", RECORD, NOW),
    )
    off = "Fleet analysis of metric 'CPU load' is off, which closes its alerts"
    left = DetectedEnd(9012, DETECTOR, CloseCause.DETECTOR_CHANGED, off, NOW)
    assert explain_end(ALERT, left, NOW).gates[:3] == (
        Decision(Gate.RULE, Verdict.PASSED, off, RECORD, NOW),
        closing,
        Decision(Gate.HYSTERESIS, Verdict.NOT_APPLICABLE, "The member is no longer judged as it was", RECORD, NOW),
    )
