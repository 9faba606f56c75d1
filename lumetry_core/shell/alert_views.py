"""Alerts as people read them."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from lumetry.alerts.v1.alert_pb2 import Alert, Decision
from lumetry.alerts.v1.alert_service_pb2 import ExplainAlertResponse
from lumetry_core.shell.blocks import draw_block, draw_text, draw_value
from lumetry_core.shell.documents import state_of
from lumetry_core.shell.screen import NOTHING, Screen, show
from lumetry_core.shell.tables import Column, draw_table
from lumetry_core.shell.text import count_of, pad

MARKS = {"Passed": "✓", "Blocked": "✗", "Held": "‖", "Pending": "…", "NotApplicable": "–", "NotReached": "·"}
ASCII_MARKS = {"Passed": "+", "Blocked": "x", "Held": "=", "Pending": "~", "NotApplicable": "-", "NotReached": "."}
GATE_WIDTH = len("PostResolutionWatch")
VERDICT_WIDTH = len("NotApplicable")


def text_of(message: Message, *names: str) -> str:
    """The first of the fields that is there, as one safe line; a hyphen without any."""
    for name in names:
        if message.HasField(name):
            return show(str(getattr(message, name)))
    return NOTHING


def time_of(message: Message, name: str, screen: Screen) -> str:
    """A time and how long ago it is; a hyphen when absent."""
    return screen.since(getattr(message, name)) if message.HasField(name) else NOTHING


def draw_alerts(alerts: Sequence[Alert], screen: Screen, indent: str = "") -> list[str]:
    """A table of alerts."""
    columns = (
        Column("ID", [str(alert.id) for alert in alerts], is_number=True),
        Column("SEVERITY", [show(alert.severity) for alert in alerts], has_colours=True),
        Column("STATUS", [state_of(alert) for alert in alerts], has_colours=True),
        Column("AGE", [screen.age(alert.start_time) for alert in alerts], is_number=True),
        Column("ALERT", [show(alert.alert_name) for alert in alerts], can_shrink=True),
        Column("ON", [text_of(alert, *SUBJECTS) for alert in alerts], can_shrink=True),
        Column("INCIDENT", [text_of(alert, "incident_id") for alert in alerts], is_number=True, can_go=True),
        Column("REASON", [show(alert.trigger_reason) for alert in alerts], can_shrink=True, can_go=True),
        Column("OPENED", [screen.moment(alert.start_time) for alert in alerts], can_go=True),
    )
    return draw_table(columns, screen, indent)


SUBJECTS = ("related_ci_name", "dimension_key", "related_service_name", "external_instance_key", "metric_key")
"""What an alert is about, the most telling first."""


def draw_alert(alert: Alert, screen: Screen) -> list[str]:
    """Everything about an alert."""
    words = (f"Alert {alert.id}", show(alert.severity), state_of(alert), show(alert.alert_name))
    violations = str(alert.violation_count) if alert.violation_count else NOTHING
    monitor = f"{show(alert.monitor.name)} ({show(alert.monitor.kind)} {show(alert.monitor.id)})"
    watched = time_of(alert, "watch_start_time", screen)
    rows = (
        ("opened", screen.since(alert.start_time)),
        ("acknowledged", time_of(alert, "acknowledge_time", screen)),
        ("closed", time_of(alert, "end_time", screen)),
        ("reason", show(alert.trigger_reason)),
        ("violations", violations),
        ("title", text_of(alert, "title")),
        ("description", text_of(alert, "description")),
        ("metric", text_of(alert, "metric_key")),
        ("member", text_of(alert, "dimension_key")),
        ("CI", named(alert, "related_ci_name", "related_ci_id")),
        ("service", named(alert, "related_service_name", "related_service_id")),
        ("incident", text_of(alert, "incident_id")),
        ("eligibility", text_of(alert, "incident_eligibility")),
        ("window", text_of(alert, "maintenance_window_id")),
        ("watched since", watched),
        ("resolved in", text_of(alert, "last_resolved_incident_id")),
        ("source", show(alert.source_kind)),
        ("rule", text_of(alert, "rule_id")),
        ("level", text_of(alert, "alert_level_id")),
        ("alarm source", named(alert, "external_source_name", "external_source_id")),
        ("definition", named(alert, "external_definition_key", "external_definition_id")),
        ("instance", text_of(alert, "external_instance_key")),
        ("occurrence", text_of(alert, "external_occurrence_key")),
        ("monitor", monitor if alert.HasField("monitor") else NOTHING),
    )
    return [*draw_heading(words, screen), *draw_block(rows, screen)]


def draw_heading(words: Sequence[str], screen: Screen) -> list[str]:
    """The line above a block."""
    lines = draw_text("  ".join(words), screen)
    return [screen.strong(line) for line in lines]


def named(message: Message, name: str, number: str) -> str:
    """A name with the number behind it."""
    text, identity = text_of(message, name), text_of(message, number)
    return identity if text == NOTHING else text if identity == NOTHING else f"{text} ({identity})"


def draw_decisions(answer: ExplainAlertResponse, screen: Screen) -> list[str]:
    """The trace of a transition: what came of it, then every gate."""
    words = (f"Alert {answer.alert_id}", show(answer.transition), show(answer.outcome))
    lines = [*draw_heading(words, screen), *draw_text(show(answer.summary), screen)]
    told = ""
    for gate in answer.gates:
        time = screen.moment(gate.time) if gate.HasField("time") else ""
        if time not in ("", told):  # most gates are decided together
            told = time
            lines += ["", f"  {screen.faint(time)}"]
        lines += draw_gate(gate, screen)
    return lines


def draw_gate(gate: Decision, screen: Screen) -> Iterator[str]:
    """What a gate decided, why, and by which record; deliveries one by one."""
    mark = (MARKS if screen.is_unicode else ASCII_MARKS).get(gate.verdict, "?")
    verdict = pad(show(gate.verdict), VERDICT_WIDTH)
    lead = f"{screen.colour(gate.verdict, mark)} {gate.order} {pad(show(gate.gate), GATE_WIDTH)}  {screen.colour(gate.verdict, verdict)}"
    about = [show(gate.reason)]
    if gate.record_type or gate.record_id:
        about.append(f"[{' '.join(show(part) for part in (gate.record_type, gate.record_id, gate.record_name) if part)}]")
    yield from draw_value(lead, 4 + GATE_WIDTH + 2 + VERDICT_WIDTH, "  ".join(about), screen, "  ")
    for line in spell_details(gate.details_json, screen):
        yield from draw_text(line, screen, " " * 6)


def spell_details(text: str, screen: Screen) -> Iterator[str]:
    """What the details tell beyond the reason: when a hold ends or ended, and what came of each delivery."""
    details: dict[str, Any] = json.loads(text or "{}")
    for name, words in (("until", "until"), ("releasedAt", "released at")):
        if isinstance(details.get(name), str):
            yield f"{words} {spell_written(details[name], screen)}"
    for target in details.get("targets") or ():
        arrow = "→" if screen.is_unicode else "->"
        attempts = target.get("attempts")
        parts = [f"{arrow} integration {target.get('integrationId')}: {target.get('status')}"]
        parts += [count_of(attempts, "attempt")] if attempts else []
        parts += [str(target["lastError"])] if target.get("lastError") else []
        yield show(", ".join(parts))


def spell_written(text: str, screen: Screen) -> str:
    """A time that stands in details, as the screen shows times."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return show(text)
    time = Timestamp()
    time.FromDatetime(moment)
    return screen.moment(time)
