from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from lumetry_core.alerts.decisions import (
    Decision,
    Explanation,
    Gate,
    Outcome,
    Record,
    Transition,
    Verdict,
    explain_escalation,
    explain_manual_close,
    explain_opening,
    explain_recovery,
    explain_rule_left_active,
    not_occurred,
)
from lumetry_core.alerts.model import Alert, Closing, Escalation, Opening, Trigger
from lumetry_core.alerts.service.transitions import new_alert
from lumetry_core.rules.model import RuleStatus, Severity

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
OPENING = Opening(
    rule_id=17,
    rule_name="Database health",
    rule_epoch=1,
    alert_name="Database health",
    metric_key="db.latency",
    metric_display_name="Latency",
    dimension_key=None,
    start_time=NOW,
    severity=Severity.WARNING,
    alert_level_id=3,
    trigger=Trigger(11, 5, 10),
    first_violation_time=NOW,
    last_not_clear_time=NOW,
)
ALERT: Alert = replace(new_alert(7, OPENING, NOW), id=9012)
RULE = Record("Rule", "17", "Database health")
WARNING = Record("RuleAlertLevel", "3", "Warning")
CRITICAL = Record("RuleAlertLevel", "4", "Critical")
ESCALATION = Escalation(9012, 17, "Database health", Severity.CRITICAL, 4, Trigger(1, 1, 1))


def first_three(explanation: Explanation) -> list[tuple[Verdict, str, Record | None, dict[str, Any]]]:
    return [(gate.verdict, gate.reason, gate.record, dict(gate.details)) for gate in explanation.gates[:3]]


def test_explain_opening_decides_three_gates() -> None:
    """The nine gates stand in order; those after detection are still to be decided."""
    details = {"count": 11, "needed": 5, "windowMinutes": 10}
    undecided = "The routing has not been decided yet"
    later = [Gate.MAINTENANCE, Gate.SILENCE, Gate.COOLDOWN, Gate.POST_RESOLUTION_WATCH, Gate.ROUTE, Gate.DELIVERY]
    assert explain_opening(9012, OPENING, NOW) == Explanation(
        9012,
        Transition.OPEN,
        Outcome.PENDING,
        undecided,
        (
            Decision(Gate.RULE, Verdict.PASSED, "Rule 'Database health' is Active and matches", RULE, NOW),
            Decision(Gate.TRIGGER_WINDOW, Verdict.PASSED, "11 violations within 10 minutes, 5 needed", WARNING, NOW, details),
            Decision(Gate.HYSTERESIS, Verdict.PASSED, "No alert was open for this rule", None, NOW),
            *(Decision(gate, Verdict.PENDING, undecided, None, None) for gate in later),
        ),
    )
    assert [gate.order for gate in explain_opening(9012, OPENING, NOW).gates] == list(range(1, 10))


def test_explain_escalation_names_the_level_that_triggered() -> None:
    """The trigger is that of the higher level."""
    assert first_three(explain_escalation(ALERT, ESCALATION, NOW)) == [
        (Verdict.PASSED, "Rule 'Database health' is Active and matches", RULE, {}),
        (Verdict.PASSED, "1 violation within 1 minute, 1 needed", CRITICAL, {"count": 1, "needed": 1, "windowMinutes": 1}),
        (Verdict.PASSED, "The open alert rises from Warning to Critical", CRITICAL, {}),
    ]


def test_explain_recovery_tells_the_quiet_period() -> None:
    """The third gate shows how long it was clear, and how long it had to be."""
    closing = Closing(9012, 17, "Database health", NOW + timedelta(minutes=6, seconds=30), NOW, 5)
    assert first_three(explain_recovery(ALERT, closing, NOW)) == [
        (Verdict.PASSED, "Rule 'Database health' is Active and matches", RULE, {}),
        (Verdict.NOT_APPLICABLE, "Closing needs no trigger", None, {}),
        (Verdict.PASSED, "Clear for 6 min 30 s, 5 min needed", WARNING, {"quietSeconds": 390, "recoveryMinutes": 5}),
    ]


def test_explain_closes_without_recovery() -> None:
    """People and rules that leave `Active` close without a quiet period."""
    assert first_three(explain_manual_close(ALERT, "admin", NOW)) == [
        (Verdict.NOT_APPLICABLE, "Closed by admin", None, {}),
        (Verdict.NOT_APPLICABLE, "Closing needs no trigger", None, {}),
        (Verdict.NOT_APPLICABLE, "Closed by admin, which needs no quiet period", None, {}),
    ]
    assert first_three(explain_rule_left_active(ALERT, "Database health", RuleStatus.DISABLED, NOW)) == [
        (Verdict.PASSED, "Rule 'Database health' became Disabled, which closes its alerts", RULE, {}),
        (Verdict.NOT_APPLICABLE, "Closing needs no trigger", None, {}),
        (Verdict.NOT_APPLICABLE, "The rule is no longer evaluated", RULE, {}),
    ]


def test_not_occurred_has_no_gates() -> None:
    """What has not happened was not decided."""
    expected = Explanation(9012, Transition.ESCALATE, Outcome.NOT_OCCURRED, "The alert has not escalated", ())
    assert not_occurred(9012, Transition.ESCALATE) == expected
