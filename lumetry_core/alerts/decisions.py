"""Why people were (not) told of a transition: the nine gates, each as it was when it was decided (contract lumetry 19.2).

The first three are decided with the transition; routing and delivery, which come later, fill the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from lumetry_core.alerts.model import Alert, Closing, Escalation, Opening, Trigger
from lumetry_core.rules.model import RuleStatus, Severity


class Transition(StrEnum):
    """What people may be told of."""

    OPEN = "open"
    ESCALATE = "escalate"
    CLOSE = "close"


class Gate(StrEnum):
    """What a transition must pass, in order."""

    RULE = "Rule"
    TRIGGER_WINDOW = "TriggerWindow"
    HYSTERESIS = "Hysteresis"
    MAINTENANCE = "Maintenance"
    SILENCE = "Silence"
    COOLDOWN = "Cooldown"
    POST_RESOLUTION_WATCH = "PostResolutionWatch"
    ROUTE = "Route"
    DELIVERY = "Delivery"


class Verdict(StrEnum):
    """What a gate decided. `Blocked` is final; `Held` is delivered later if the alert is still active."""

    PASSED = "Passed"
    BLOCKED = "Blocked"
    HELD = "Held"
    PENDING = "Pending"
    NOT_APPLICABLE = "NotApplicable"
    NOT_REACHED = "NotReached"


class Outcome(StrEnum):
    """What came of a transition."""

    PAGED = "Paged"
    PARTLY_PAGED = "PartlyPaged"
    NOT_PAGED = "NotPaged"
    PENDING = "Pending"
    NOT_OCCURRED = "NotOccurred"


@dataclass(frozen=True, slots=True)
class Record:
    """The record that decided."""

    type: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What one gate decided. `time` is None while it is not decided; `details` holds JSON values."""

    gate: Gate
    verdict: Verdict
    reason: str
    record: Record | None
    time: datetime | None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def order(self) -> int:
        """From 1: the gate's place."""
        return ORDER[self.gate]


ORDER = {gate: number for number, gate in enumerate(Gate, start=1)}


@dataclass(frozen=True, slots=True)
class Explanation:
    """The trace of one transition of an alert: all gates in order, none when it has not occurred."""

    alert_id: int
    transition: Transition
    outcome: Outcome
    summary: str
    gates: tuple[Decision, ...]


NO_INTEGRATION = "No integration is configured"


def explain_opening(alert_id: int, opening: Opening, now: datetime) -> Explanation:
    """The trace of a rule's trigger that opened an alert."""
    hysteresis = "No alert was open for this rule and member" if opening.dimension_key else "No alert was open for this rule"
    gates = (
        matched_rule(opening.rule_id, opening.rule_name, now),
        met_trigger(opening.trigger, level_record(opening.alert_level_id, opening.severity), now),
        Decision(Gate.HYSTERESIS, Verdict.PASSED, hysteresis, None, now),
    )
    return finish(alert_id, Transition.OPEN, gates)


def explain_escalation(alert: Alert, escalation: Escalation, now: datetime) -> Explanation:
    """The trace of a rise in severity. `alert` is the one before it."""
    record = level_record(escalation.alert_level_id, escalation.severity)
    reason = f"The open alert rises from {alert.severity} to {escalation.severity}"
    gates = (
        matched_rule(escalation.rule_id, escalation.rule_name, now),
        met_trigger(escalation.trigger, record, now),
        Decision(Gate.HYSTERESIS, Verdict.PASSED, reason, record, now),
    )
    return finish(alert.id, Transition.ESCALATE, gates)


def explain_recovery(alert: Alert, closing: Closing, now: datetime) -> Explanation:
    """The trace of a quiet period that closed an alert. `alert` is the one before it."""
    quiet_seconds = int((closing.end_time - closing.last_not_clear_time).total_seconds())
    reason = f"Clear for {spell_duration(closing.end_time - closing.last_not_clear_time)}, {closing.recovery_minutes} min needed"
    record = None if alert.alert_level_id is None else level_record(alert.alert_level_id, alert.severity)
    details = {"quietSeconds": quiet_seconds, "recoveryMinutes": closing.recovery_minutes}
    gates = (
        matched_rule(closing.rule_id, closing.rule_name, now),
        no_trigger(now),
        Decision(Gate.HYSTERESIS, Verdict.PASSED, reason, record, now, details),
    )
    return finish(alert.id, Transition.CLOSE, gates)


def explain_manual_close(alert: Alert, person: str | None, now: datetime) -> Explanation:
    """The trace of a close by a person. `alert` is the one before it."""
    by = f"Closed by {person}" if person else "Closed by hand"
    gates = (
        Decision(Gate.RULE, Verdict.NOT_APPLICABLE, by, None, now),
        no_trigger(now),
        Decision(Gate.HYSTERESIS, Verdict.NOT_APPLICABLE, f"{by}, which needs no quiet period", None, now),
    )
    return finish(alert.id, Transition.CLOSE, gates)


def explain_rule_left_active(alert: Alert, rule_name: str, status: RuleStatus, now: datetime) -> Explanation:
    """The trace of a close because the rule is no longer evaluated. `alert` is the one before it."""
    record = Record("Rule", str(alert.rule_id), rule_name)
    gates = (
        Decision(Gate.RULE, Verdict.PASSED, f"Rule '{rule_name}' became {status}, which closes its alerts", record, now),
        no_trigger(now),
        Decision(Gate.HYSTERESIS, Verdict.NOT_APPLICABLE, "The rule is no longer evaluated", record, now),
    )
    return finish(alert.id, Transition.CLOSE, gates)


def no_trigger(now: datetime) -> Decision:
    """The second gate's decision for a close."""
    return Decision(Gate.TRIGGER_WINDOW, Verdict.NOT_APPLICABLE, "Closing needs no trigger", None, now)


def matched_rule(rule_id: int, rule_name: str, now: datetime) -> Decision:
    """The first gate's decision for a rule that produced the transition."""
    return Decision(Gate.RULE, Verdict.PASSED, f"Rule '{rule_name}' is Active and matches", Record("Rule", str(rule_id), rule_name), now)


def met_trigger(trigger: Trigger, record: Record, now: datetime) -> Decision:
    """The second gate's decision for a trigger that was met."""
    details = {"count": trigger.count, "needed": trigger.needed, "windowMinutes": trigger.window_minutes}
    return Decision(Gate.TRIGGER_WINDOW, Verdict.PASSED, f"{trigger.reason}, {trigger.needed} needed", record, now, details)


def level_record(level_id: int, severity: Severity) -> Record:
    """The alert level as a deciding record."""
    return Record("RuleAlertLevel", str(level_id), severity.value)


def finish(alert_id: int, transition: Transition, first: tuple[Decision, Decision, Decision]) -> Explanation:
    """Adds the gates after detection, which are not decided yet."""
    return Explanation(alert_id, transition, Outcome.PENDING, NOT_ROUTED, (*first, *UNDECIDED))


NOT_ROUTED = "The routing has not been decided yet"
UNDECIDED = tuple(Decision(gate, Verdict.PENDING, NOT_ROUTED, None, None) for gate in tuple(Gate)[3:])


def not_occurred(alert_id: int, transition: Transition) -> Explanation:
    """The answer for a transition that has not happened."""
    done = {Transition.OPEN: "opened", Transition.ESCALATE: "escalated", Transition.CLOSE: "closed"}[transition]
    return Explanation(alert_id, transition, Outcome.NOT_OCCURRED, f"The alert has not {done}", ())


def spell_duration(duration: timedelta) -> str:
    """A duration for people, such as `5 min` or `5 min 30 s`."""
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
