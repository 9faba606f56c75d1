"""What producers say of signals, as evaluation and external sources do."""

from datetime import datetime

from lumetry_core.alerts.model import Opening, Trigger
from lumetry_core.alerts.reports import Report, Reporter
from lumetry_core.rules.model import Severity
from tests.pipeline.simulation.ground import Signal


def reporter_of(signal: Signal) -> Reporter:
    """The definition of an external signal."""
    return Reporter(1, "source", 100 + signal.number, f"key-{signal.number}", f"definition {signal.number}")


def opening_of(signal: Signal, severity: Severity, start: datetime) -> Opening:
    """The trigger of a rule's signal."""
    return Opening(
        rule_id=signal.rule_id or 0,
        rule_name="rule",
        rule_epoch=1,
        alert_name="alert",
        metric_key=signal.metric_key or "",
        metric_display_name=signal.metric_key or "",
        dimension_key=signal.dimension_key,
        start_time=start,
        severity=severity,
        alert_level_id=3,
        trigger=Trigger(2, 2, 5),
        first_violation_time=start,
        last_not_clear_time=start,
    )


def report_of(signal: Signal, severity: Severity, start: datetime, occurrence: int) -> Report:
    """The Firing of an external signal."""
    return Report(reporter_of(signal), None, f"{signal.number}-{occurrence}", signal.node_id or 0, severity, None, None, {}, start)
