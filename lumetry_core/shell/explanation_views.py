"""Why alerts are in an incident, as people read it."""

from collections.abc import Iterator, Sequence

from lumetry.incidents.v1.incident_pb2 import CorrelationKey, ExplainedMember, PathStep, TimeWindow
from lumetry.incidents.v1.incident_service_pb2 import ExplainIncidentResponse
from lumetry_core.shell.alert_views import draw_heading, text_of, time_of
from lumetry_core.shell.blocks import draw_block
from lumetry_core.shell.screen import NOTHING, Screen, show, spell_seconds
from lumetry_core.shell.text import count_of

REASONS = {
    "Opened": "it opened the incident",
    "WindowMatch": "it shares the key and started within the window",
    "ActiveMemberMatch": "a member with the same configuration item or metric was still active",
    "Reopened": "it went on after the incident was resolved",
    "FollowUp": "it went on long after the earlier incident was resolved",
}
"""What the reasons of contract lumetry 19.4 mean."""


def draw_explanation(answer: ExplainIncidentResponse, screen: Screen) -> list[str]:
    """The incident, then each member in order of joining: why, by which key, on which path, in which window."""
    gone = sum(member.HasField("leave_time") for member in answer.members)
    words = [show(answer.incident_key), count_of(len(answer.members), "alert")]
    words += [f"{gone} of them moved on"] if gone else []
    words += [f"follows up incident {answer.follow_up_of_incident_id}"] if answer.HasField("follow_up_of_incident_id") else []
    return [*draw_heading(words, screen), *(line for member in answer.members for line in draw_member(member, screen))]


def draw_member(member: ExplainedMember, screen: Screen) -> Iterator[str]:
    """Why an alert is, or was, a member."""
    yield ""
    yield from draw_heading((f"Alert {member.alert_id}", show(member.reason), show(member.alert_name)), screen)
    rows = (
        ("joined", time_of(member, "join_time", screen)),
        ("left", time_of(member, "leave_time", screen)),
        ("because", REASONS.get(member.reason, NOTHING)),
        ("key", spell_key(member.correlation_key) if member.HasField("correlation_key") else "none, it belongs with no other"),
        ("path", spell_path(member.path, screen)),
        ("window", spell_window(member.time_window, screen)),
    )
    yield from draw_block(rows, screen)


def spell_key(key: CorrelationKey) -> str:
    """What the members share."""
    parts = [show(key.kind), show(key.value)]
    name = text_of(key, "name")
    return " ".join(parts if name in (NOTHING, parts[1]) else [*parts, name])


def spell_path(path: Sequence[PathStep], screen: Screen) -> str:
    """From the configuration item to the service, each node with the edge by which it was reached."""
    steps = []
    for step in path:
        name = show(step.display_name)
        steps.append(f"({show(step.via_edge_type)}) {name}" if step.via_edge_type else name)
    return (" → " if screen.is_unicode else " -> ").join(steps)


def spell_window(window: TimeWindow, screen: Screen) -> str:
    """How the alert was compared with the newest member before it."""
    text = f"{window.window_minutes} min"
    if window.HasField("reference_alert_id"):
        text += f", {spell_seconds(abs(window.gap_seconds))} from alert {window.reference_alert_id}"
    if window.HasField("reference_time"):
        text += f" of {screen.moment(window.reference_time)}"
    return text
