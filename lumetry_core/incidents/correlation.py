"""Which incident an alert belongs to, and how incidents follow their members: pure decisions (contract lumetry 11.4)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lumetry_core.alerts.model import Alert
from lumetry_core.incidents.model import Incident, Joining, JoinReason, Member, worst
from lumetry_core.rules.model import Severity

HOST_LABEL = "host.id"


@dataclass(frozen=True, slots=True)
class Placement:
    """An alert that became a member: of which incident, by its position in the result, why, and the severity that it raised."""

    position: int
    alert: Alert
    joining: Joining
    raised_from: Severity | None = None


def correlation_key_of(alert: Alert) -> str | None:
    """What alerts must share to be about one thing: the host, else the metric; None when neither is known.

    The host is the `host.id` pair of the dimension key (contract lumetry 4.4).
    """
    for pair in (alert.dimension_key or "").split("|"):
        label, _, value = pair.partition("=")
        if label == HOST_LABEL and value.strip():
            return "host:" + value.replace("%7C", "|").replace("%25", "%")
    return f"metric:{alert.metric_key}" if alert.metric_key else None


def is_waiting(alert: Alert) -> bool:
    """Whether the alert takes part in correlation: it belongs to no incident and nothing holds it back."""
    return alert.incident_id is None and alert.incident_eligibility is None


def correlate(
    alerts: Iterable[Alert], incidents: Sequence[Incident], window: timedelta, now: datetime
) -> tuple[list[Incident], list[Placement]]:
    """Places alerts in incidents, oldest start first, so that the order in which they are given does not matter.

    Args:
        alerts: Those that are not waiting are left out.
        incidents: All unresolved incidents of the alerts' keys; others change nothing.
        window: See `Settings`.
        now: When it is decided.

    Returns:
        The given incidents with their new members, in place, then those that opened, still without `id` and `number`; and the
        placements in the order of the decisions.
    """
    result = list(incidents)
    positions: dict[str, list[int]] = defaultdict(list)
    for position, incident in enumerate(result):
        if incident.correlation_key is not None and not incident.is_resolved:
            positions[incident.correlation_key].append(position)
    placements = []
    waiting = {alert.id: alert for alert in alerts if is_waiting(alert)}
    for alert in sorted(waiting.values(), key=lambda alert: (alert.start_time, alert.id)):
        key = correlation_key_of(alert)
        chosen: int | None = None
        joining = Joining(JoinReason.OPENED, window)
        for position in positions[key] if key is not None else ():
            reason = match(alert, result[position], window)
            if reason is not None and (chosen is None or result[chosen].newest_alert_time <= result[position].newest_alert_time):
                chosen, joining = position, explain(alert, result[position], reason, window)
        if chosen is None:
            chosen = len(result)
            result.append(open_incident(alert, key, now))
            if key is not None:
                positions[key].append(chosen)
        before = result[chosen]
        result[chosen] = join(before, alert, now)
        raised_from = before.severity if result[chosen].severity is not before.severity else None
        placements.append(Placement(chosen, alert, joining, raised_from))
    return result, placements


def match(alert: Alert, incident: Incident, window: timedelta) -> JoinReason | None:
    """Why an unresolved incident of the alert's key is a candidate; None when it is not.

    All members of an incident share the host, or the metric where there is no host, so any active member matches.
    """
    if abs(alert.start_time - incident.newest_alert_time) <= window:
        return JoinReason.WINDOW_MATCH
    return JoinReason.ACTIVE_MEMBER_MATCH if incident.active_alert_count else None


def explain(alert: Alert, incident: Incident, reason: JoinReason, window: timedelta) -> Joining:
    """The decision to join, with the newest member before."""
    gap = abs(alert.start_time - incident.newest_alert_time)
    return Joining(reason, window, incident.newest_alert_id, incident.newest_alert_time, gap)


def open_incident(alert: Alert, key: str | None, now: datetime) -> Incident:
    """A new incident around its first alert, which has still to join."""
    return Incident(
        id=0,
        organization_id=alert.organization_id,
        number=0,
        correlation_key=key,
        primary_metric_key=alert.metric_key,
        severity=alert.severity,
        start_time=alert.start_time,
        newest_alert_id=alert.id,
        newest_alert_time=alert.start_time,
        create_time=now,
        update_time=now,
    )


def join(incident: Incident, alert: Alert, now: datetime) -> Incident:
    """The incident with one more member."""
    is_newest = alert.start_time >= incident.newest_alert_time
    return replace(
        incident,
        severity=worst(incident.severity, alert.severity),
        start_time=min(incident.start_time, alert.start_time),
        newest_alert_id=alert.id if is_newest else incident.newest_alert_id,
        newest_alert_time=alert.start_time if is_newest else incident.newest_alert_time,
        alert_count=incident.alert_count + 1,
        active_alert_count=incident.active_alert_count + alert.is_active,
        violation_count=incident.violation_count + alert.violation_count,
        update_time=now,
    )


def follow(incident: Incident, member: Member, alert: Alert, now: datetime) -> tuple[Incident, Member]:
    """The incident and the membership after what happened to a member since it was counted last.

    Counting the difference, not the event, makes a repeated or a combined event harmless.
    """
    severity = worst(incident.severity, alert.severity)
    followed = replace(
        incident,
        severity=severity,
        active_alert_count=incident.active_alert_count + alert.is_active - member.is_active,
        violation_count=incident.violation_count + alert.violation_count - member.violation_count,
    )
    if followed != incident:
        followed = replace(followed, update_time=now)
    return followed, replace(member, is_active=alert.is_active, violation_count=alert.violation_count, severity=alert.severity)
