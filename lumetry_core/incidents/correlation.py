"""Which incident an alert belongs to, and how incidents follow their members: pure decisions (contract lumetry 11.4)."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby

from lumetry_core.alerts.model import Alert
from lumetry_core.incidents.keys import Anchor, CorrelationKey, KeyKind, anchor_of, key_of
from lumetry_core.incidents.model import Incident, Joining, JoinReason, Member, worst
from lumetry_core.rules.model import Severity


@dataclass(frozen=True, slots=True)
class Standing:
    """An incident, and its active members by what an alert must share with one of them to join outside the window."""

    incident: Incident
    active: Mapping[Anchor, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placement:
    """An alert that became a member: of which incident, by its position in the result, why, and the severity that it raised."""

    position: int
    alert: Alert
    joining: Joining
    raised_from: Severity | None = None


def is_waiting(alert: Alert) -> bool:
    """Whether the alert takes part in correlation: it belongs to no incident and nothing holds it back."""
    return alert.incident_id is None and alert.incident_eligibility is None and alert.severity is not Severity.INFO


def correlate(
    alerts: Iterable[Alert], standings: Sequence[Standing], window: timedelta, now: datetime
) -> tuple[list[Standing], list[Placement]]:
    """Places alerts in incidents, oldest start first, so that neither their order nor that of their numbers matters.

    Alerts of one key that start at one time lie in each other's window. The one with the newest candidate therefore goes first: the others
    find it there, whichever of them was noticed first.

    Args:
        alerts: Those that are not waiting are left out.
        standings: All unresolved incidents of the alerts' keys that can be candidates; others change nothing.
        window: See `Settings`.
        now: When it is decided.

    Returns:
        The given incidents with their new members, in place, then those that opened, still without `id` and `number`; and the
        placements in the order of the decisions.
    """
    desk = Desk(standings, window, now)
    waiting = {alert.id: alert for alert in alerts if is_waiting(alert)}
    for _, group in groupby(sorted(waiting.values(), key=order_of), key=lambda alert: alert.start_time):
        simultaneous: dict[CorrelationKey | None, list[Alert]] = defaultdict(list)
        for alert in group:
            simultaneous[key_of(alert)].append(alert)
        for key, of_key in simultaneous.items():
            for alert in desk.order(of_key, key):
                desk.place(alert, key)
    return desk.standings, desk.placements


def order_of(alert: Alert) -> tuple[datetime, int, str, str, int, int]:
    """By start; then by what the alert is about, which does not depend on who was noticed first as numbers do."""
    return (
        alert.start_time,
        alert.related_ci_id or 0,
        alert.metric_key or "",
        alert.dimension_key or "",
        alert.rule_id or 0,
        alert.id,
    )


class Desk:
    """The incidents while alerts are placed in them, one after the other."""

    def __init__(self, standings: Sequence[Standing], window: timedelta, now: datetime) -> None:
        self._window = window
        self._now = now
        self.standings = list(standings)
        self.placements: list[Placement] = []
        self._active: dict[int, Counter[Anchor]] = {}
        """The counts of the incidents that gained a member, which are the desk's own."""
        self._positions: dict[str, list[int]] = defaultdict(list)
        for position, standing in enumerate(self.standings):
            incident = standing.incident
            if incident.correlation_key is not None and not incident.is_resolved:
                self._positions[incident.correlation_key].append(position)

    def find(self, alert: Alert, key: CorrelationKey) -> tuple[int, JoinReason] | None:
        """The candidate with the newest member, of equal ones the last, and why it is one."""
        anchor = anchor_of(alert.related_ci_id, alert.metric_key)
        found: tuple[int, JoinReason] | None = None
        for position in self._positions[key.text]:
            standing = self.standings[position]
            is_active = anchor is not None and standing.active.get(anchor, 0) > 0
            reason = match(alert, standing.incident, is_active=is_active, window=self._window)
            if reason is not None and (found is None or self._newest(found[0]) <= self._newest(position)):
                found = position, reason
        return found

    def order(self, alerts: list[Alert], key: CorrelationKey | None) -> list[Alert]:
        """Alerts of one key and start, the one with the newest candidate first."""
        if key is None or len(alerts) == 1:
            return alerts
        start = alerts[0].start_time
        if all(abs(start - self._newest(position)) <= self._window for position in self._positions[key.text]):
            return alerts  # all have the same candidates

        def newest_candidate_of(alert: Alert) -> tuple[bool, datetime, int]:
            found = self.find(alert, key)
            return (False, start, 0) if found is None else (True, self._newest(found[0]), found[0])

        return sorted(alerts, key=newest_candidate_of, reverse=True)

    def _newest(self, position: int) -> datetime:
        return self.standings[position].incident.newest_alert_time

    def place(self, alert: Alert, key: CorrelationKey | None) -> None:
        """Makes the alert a member of its candidate, else of a new incident."""
        found = None if key is None else self.find(alert, key)
        if found is None:
            position, joining = len(self.standings), Joining(JoinReason.OPENED, self._window)
            self.standings.append(Standing(open_incident(alert, key, self._now)))
            if key is not None:
                self._positions[key.text].append(position)
        else:
            position = found[0]
            joining = explain(alert, self.standings[position].incident, found[1], self._window)
        before = self.standings[position].incident
        after = join(before, alert, self._now)
        if position not in self._active:
            self._active[position] = Counter(self.standings[position].active)
        anchor = anchor_of(alert.related_ci_id, alert.metric_key)
        if alert.is_active and anchor is not None:
            self._active[position][anchor] += 1
        self.standings[position] = Standing(after, self._active[position])
        raised_from = before.severity if after.severity is not before.severity else None
        self.placements.append(Placement(position, alert, joining, raised_from))


def match(alert: Alert, incident: Incident, *, is_active: bool, window: timedelta) -> JoinReason | None:
    """Why an unresolved incident of the alert's key is a candidate; None when it is not.

    Args:
        is_active: A still active member has the alert's configuration item, or its metric when there is none.
    """
    if abs(alert.start_time - incident.newest_alert_time) <= window:
        return JoinReason.WINDOW_MATCH
    return JoinReason.ACTIVE_MEMBER_MATCH if is_active else None


def explain(alert: Alert, incident: Incident, reason: JoinReason, window: timedelta) -> Joining:
    """The decision to join, with the newest member before."""
    gap = abs(alert.start_time - incident.newest_alert_time)
    return Joining(reason, window, incident.newest_alert_id, incident.newest_alert_time, gap)


def open_incident(alert: Alert, key: CorrelationKey | None, now: datetime) -> Incident:
    """A new incident around its first alert, which has still to join."""
    has_node = key is not None and key.kind in (KeyKind.SERVICE, KeyKind.CI)
    return Incident(
        id=0,
        organization_id=alert.organization_id,
        number=0,
        correlation_key=None if key is None else key.text,
        primary_service_node_id=alert.related_service_id,
        primary_service_name=alert.related_service_name,
        primary_ci_node_id=alert.related_ci_id,
        primary_ci_name=alert.related_ci_name,
        primary_metric_key=None if has_node else alert.metric_key,
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
    active_count = incident.active_alert_count + alert.is_active
    return replace(
        incident,
        severity=worst(incident.severity, alert.severity),
        start_time=min(incident.start_time, alert.start_time),
        newest_alert_id=alert.id if is_newest else incident.newest_alert_id,
        newest_alert_time=alert.start_time if is_newest else incident.newest_alert_time,
        alert_count=incident.alert_count + 1,
        active_alert_count=active_count,
        violation_count=incident.violation_count + alert.violation_count,
        inactive_time=None if active_count else incident.inactive_time or now,
        update_time=now,
    )


def follow(standing: Standing, member: Member, alert: Alert, now: datetime) -> tuple[Standing, Member]:
    """The incident and the membership after what happened to a member since it was counted last.

    Counting the difference, not the event, makes a repeated or a combined event harmless.
    """
    incident = standing.incident
    active_count = incident.active_alert_count + alert.is_active - member.is_active
    followed = replace(
        incident,
        severity=worst(incident.severity, alert.severity),
        active_alert_count=active_count,
        violation_count=incident.violation_count + alert.violation_count - member.violation_count,
        inactive_time=None if active_count else incident.inactive_time or now,
    )
    if followed != incident:
        followed = replace(followed, update_time=now)
    active = standing.active
    if member.anchor is not None and alert.is_active is not member.is_active:
        active = {**active, member.anchor: active.get(member.anchor, 0) + alert.is_active - member.is_active}
    after = replace(member, is_active=alert.is_active, violation_count=alert.violation_count, severity=alert.severity)
    return Standing(followed, active), after
