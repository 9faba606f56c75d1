"""What is told, before it takes the form that a kind of target wants (contract lumetry 14.4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lumetry_core.alerts.decisions import Transition
from lumetry_core.alerts.model import Alert, AlertState, SourceKind
from lumetry_core.notifications.payload import spell_alert
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.clock import to_ms

MAX_FACT = 300
"""Longest text that chats and tickets show of one fact."""
VERBS = {Transition.OPEN: "Opened", Transition.ESCALATE: "Escalated", Transition.CLOSE: "Closed"}
EVENTS = {Transition.OPEN: "alert.opened", Transition.ESCALATE: "alert.escalated", Transition.CLOSE: "alert.closed"}


@dataclass(frozen=True, slots=True)
class Message:
    """One transition of an alert.

    Args:
        key: `{alertId}:{transition}`, by which receivers know a repetition.
        alert_json: The alert as contract lumetry 10.2 spells it (`payload.spell_alert`).
        incident_json: The incident as 14.4 spells it (`payload.spell_incident`); None: none.
        is_test: Marked as a test wherever it is shown.
    """

    key: str
    transition: Transition
    alert_json: Mapping[str, Any]
    incident_json: Mapping[str, Any] | None
    sent_at: datetime
    is_test: bool = False

    @property
    def correlation(self) -> str:
        """What receivers that keep incidents of their own know the alert by."""
        return f"lumetry-{self.key.partition(':')[0]}" if self.is_test else f"lumetry-alert-{self.alert_json['id']}"

    @property
    def severity(self) -> str:
        """`Warning` or `Critical`."""
        return str(self.alert_json["severity"])

    @property
    def title(self) -> str:
        """One line for people."""
        mark = "[Test] " if self.is_test else ""
        verb = "Escalated to Critical" if self.transition is Transition.ESCALATE else VERBS[self.transition]
        return cut(f"{mark}{verb}: {self.alert_json['title'] or self.alert_json['alertName']}")

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What people want to know, in order; what is unknown is left out."""
        alert, incident = self.alert_json, self.incident_json or {}
        metric = alert["metricDisplayName"] or alert["metricId"]
        found = [
            ("Severity", alert["severity"]),
            ("Service", alert["relatedServiceName"]),
            ("CI", alert["relatedCiName"]),
            ("Metric", metric),
            ("Dimension", alert["dimensionKey"]),
            ("Reason", alert["triggerReason"]),
            ("Description", alert["description"]),
            ("Started", alert["eventStartTime"]),
            ("Ended", alert["eventEndTime"]),
            ("Incident", incident.get("incidentKey")),
        ]
        return [(name, cut(str(value))) for name, value in found if value]


def cut(text: str, longest: int = MAX_FACT) -> str:
    """A text in one line, shortened where it is too long."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def make_test(integration_id: int, transition: Transition, now: datetime) -> Message:
    """A message that says of itself that it is a test. Its opening and its close belong together."""
    ended = transition is Transition.CLOSE
    alert = Alert(
        id=0,
        organization_id=0,
        alert_name="Lumetry test message",
        source_kind=SourceKind.METRIC_RULE,
        state=AlertState.CLOSED if ended else AlertState.OPEN,
        severity=Severity.WARNING,
        trigger_reason="This is a test of the integration; nothing is wrong",
        start_time=now,
        end_time=now if ended else None,
        create_time=now,
        update_time=now,
    )
    return Message(f"test-{integration_id}-{to_ms(now)}:{transition}", transition, spell_alert(alert), None, now, is_test=True)
