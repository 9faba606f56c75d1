"""What becomes of a resolved incident while alerts of it stay active: pure decisions (contract lumetry 11.5)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.alerts.model import Alert, Eligibility, SourceKind
from lumetry_core.incidents.model import Classification, Incident, IncidentState, worst

MINUTE = timedelta(minutes=1)
FINAL_CLASSIFICATIONS = frozenset({Classification.ACCEPTED_RISK, Classification.MAINTENANCE})
"""After these an incident is neither reopened nor followed up."""
FIRING_KINDS = frozenset({SourceKind.EXTERNAL, SourceKind.MONITOR})
"""Alerts without violations: that they are active is the evidence."""


@dataclass(frozen=True, slots=True)
class WatchRules:
    """The spans after a resolution that decide."""

    settle: timedelta
    """Evidence within it is disregarded."""
    horizon: timedelta
    """Evidence within it reopens; zero: never."""
    persistence: timedelta
    """After it evidence past the horizon makes a follow-up, and the watch itself is worth a hint."""


@dataclass(frozen=True, slots=True)
class Reopening:
    """The incident goes on, because of an alert's evidence at a time."""

    alert_id: int
    evidence_time: datetime


@dataclass(frozen=True, slots=True)
class FollowUp:
    """The condition persists past the horizon: these alerts move to a new incident, or to the one that the resolution led to before."""

    alert_ids: tuple[int, ...]


def read_rules(settings: OrganizationSettings) -> WatchRules:
    """The spans that an organization set."""
    return WatchRules(
        settings.incidents_reopen_settle_minutes * MINUTE,
        settings.incidents_reopen_horizon_minutes * MINUTE,
        settings.incidents_persistence_threshold_minutes * MINUTE,
    )


def is_watched(alert: Alert, incident: Incident) -> bool:
    """Whether the alert's evidence counts against the resolution of its incident now; under maintenance it waits."""
    return (
        alert.is_active
        and alert.incident_eligibility is Eligibility.POST_RESOLUTION_WATCH
        and alert.last_resolved_incident_id == incident.id
    )


def may_continue(incident: Incident) -> bool:
    """Whether the resolution leaves room for a reopening or a follow-up."""
    return incident.resolution_classification not in FINAL_CLASSIFICATIONS


def find_firing(alerts: Iterable[Alert], now: datetime) -> dict[int, datetime]:
    """The evidence of alerts that have no violations: their state now."""
    return {alert.id: now for alert in alerts if alert.source_kind in FIRING_KINDS and alert.is_active}


def is_persistent(alert: Alert, rules: WatchRules, now: datetime) -> bool:
    """Whether a watch is so old that it is worth a hint."""
    return alert.watch_start_time is not None and now >= alert.watch_start_time + rules.persistence


def judge(incident: Incident, evidence: Mapping[int, datetime], rules: WatchRules, now: datetime) -> Reopening | FollowUp | None:
    """What a sweep makes of a resolved incident.

    Args:
        evidence: The first evidence of each watched alert since the settle time, by alert.
    """
    resolve_time = incident.resolve_time
    if resolve_time is None or not may_continue(incident):
        return None
    counted = sorted((time, alert_id) for alert_id, time in evidence.items() if time >= resolve_time + rules.settle)
    if not counted:
        return None
    if incident.follow_up_incident_id is None and rules.horizon and counted[0][0] <= resolve_time + rules.horizon:
        time, alert_id = counted[0]
        return Reopening(alert_id, time)
    if now < resolve_time + rules.persistence:
        return None
    return FollowUp(tuple(sorted(alert_id for _, alert_id in counted)))


def describe_reopening(incident: Incident, reopening: Reopening) -> str:
    """The reason as the contract words it (contract lumetry 22.16)."""
    minutes = (reopening.evidence_time - (incident.resolve_time or reopening.evidence_time)) // MINUTE
    return f"Alert {reopening.alert_id} still active {minutes} minutes after resolution"


def reopen(incident: Incident, reopening: Reopening, now: datetime) -> Incident:
    """The incident as it goes on: nobody owns it, and it has no end."""
    return replace(
        incident,
        state=IncidentState.OPEN,
        reopen_count=incident.reopen_count + 1,
        last_reopen_time=now,
        reopen_reason=describe_reopening(incident, reopening),
        acknowledge_time=None,
        acknowledged_by_user_name=None,
        acknowledge_note=None,
        resolve_time=None,
        resolved_by_user_name=None,
        resolve_note=None,
        resolution_classification=None,
        active_alert_count_at_resolution=None,
        follow_up_incident_id=None,
        update_time=now,
    )


def open_follow_up(incident: Incident, alerts: Iterable[Alert], now: datetime) -> Incident:
    """A new incident around the same centre, whose first members, which have still to join, are these alerts."""
    ordered = sorted(alerts, key=lambda alert: (alert.start_time, alert.id))
    severity = ordered[0].severity
    for alert in ordered:
        severity = worst(severity, alert.severity)
    return Incident(
        id=0,
        organization_id=incident.organization_id,
        number=0,
        correlation_key=incident.correlation_key,
        primary_service_node_id=incident.primary_service_node_id,
        primary_service_name=incident.primary_service_name,
        primary_ci_node_id=incident.primary_ci_node_id,
        primary_ci_name=incident.primary_ci_name,
        primary_metric_key=incident.primary_metric_key,
        severity=severity,
        start_time=ordered[0].start_time,
        newest_alert_id=ordered[-1].id,
        newest_alert_time=ordered[-1].start_time,
        follow_up_of_incident_id=incident.id,
        create_time=now,
        update_time=now,
    )


def leave(incident: Incident, count: int, now: datetime) -> Incident:
    """The incident after so many of its active members left; what it spanned stays counted."""
    active_count = incident.active_alert_count - count
    return replace(incident, active_alert_count=active_count, inactive_time=None if active_count else now, update_time=now)
