"""Looks at what resolved incidents left behind: reopens them, or follows them up (contract lumetry 11.5).

A sweep is work of the correlation queue, so that it and the correlation of new alerts take turns in an organization.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.alerts.model import Alert, Eligibility
from lumetry_core.alerts.service import membership
from lumetry_core.alerts.service.reading import find_alerts
from lumetry_core.feed.service import hand_over
from lumetry_core.incidents import timeline
from lumetry_core.incidents.candidates import Occurrence, persistent_watch, reopened_incident
from lumetry_core.incidents.correlation import join
from lumetry_core.incidents.model import Entry, Incident, Joining, JoinReason, Member
from lumetry_core.incidents.service.correlating import TOPIC, describe_event, describe_gains, insert_opened, new_member
from lumetry_core.incidents.service.timelines import write_entries
from lumetry_core.incidents.store import candidates as candidate_store
from lumetry_core.incidents.store import incidents as incident_store
from lumetry_core.incidents.store import members as member_store
from lumetry_core.incidents.watch import (
    FIRING_KINDS,
    FollowUp,
    Reopening,
    WatchRules,
    find_firing,
    is_persistent,
    is_watched,
    judge,
    leave,
    may_continue,
    open_follow_up,
    read_rules,
    reopen,
)
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.events import publish
from lumetry_core.violations.model import EvidenceProbe
from lumetry_core.violations.service import find_first_evidence


@dataclass(frozen=True, slots=True)
class Watch:
    """A watched alert and its membership."""

    member: Member
    alert: Alert


@dataclass(slots=True)
class Sweep:
    """What a sweep found and what it makes of it."""

    incidents: dict[int, Incident]
    """Those that were resolved, and the follow-ups that exist, as they are now."""
    watches: dict[int, list[Watch]]
    """By resolved incident."""
    changed: set[int] = field(default_factory=set)
    members: dict[tuple[int, int], Member] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    """Alerts whose watch is over."""
    reopened: list[int] = field(default_factory=list)
    follow_ups: list[tuple[Incident, Incident, list[Watch]]] = field(default_factory=list)
    """Resolved incident, its new follow-up still without number, and the alerts that move."""
    moves: list[tuple[Incident, Incident, list[Watch]]] = field(default_factory=list)
    """The same with a follow-up that exists."""
    entries: list[tuple[int, Entry]] = field(default_factory=list)
    occurrences: list[Occurrence] = field(default_factory=list)


async def has_watched(tx: Transaction, organization_id: int) -> bool:
    """Whether a sweep would find anything to look at."""
    return bool(await incident_store.find_watched_ids(tx, organization_id))


async def sweep(tx: Transaction, organization_id: int, settings: OrganizationSettings, now: datetime) -> None:
    """Looks once at every watched alert of an organization."""
    rules = read_rules(settings)
    found = await load(tx, organization_id)
    evidence = await read_evidence(tx, organization_id, found, rules, now)
    # Newest first: where a follow-up was resolved as well, it is known what becomes of it before an alert joins it.
    for incident_id in sorted(found.watches, reverse=True):
        incident, watches = found.incidents[incident_id], found.watches[incident_id]
        note_persistent(found, incident, watches, rules, now)
        judged = judge(incident, {watch.alert.id: evidence[watch.alert.id] for watch in watches if watch.alert.id in evidence}, rules, now)
        if isinstance(judged, Reopening):
            apply_reopening(found, incident, watches, judged, now)
        elif isinstance(judged, FollowUp):
            apply_follow_up(found, incident, [watch for watch in watches if watch.alert.id in judged.alert_ids], now)
    await record(tx, organization_id, found, settings.correlation_window, now)


async def load(tx: Transaction, organization_id: int) -> Sweep:
    """The resolved incidents with watched alerts and their follow-ups, locked."""
    ids = await incident_store.find_watched_ids(tx, organization_id)
    seen = await incident_store.find_incidents(tx, organization_id, ids)
    follow_up_ids = {incident.follow_up_incident_id for incident in seen if incident.follow_up_incident_id is not None}
    locked = {incident.id: incident for incident in await incident_store.lock_incidents(tx, organization_id, {*ids, *follow_up_ids})}
    resolved = [number for number in ids if number in locked and locked[number].is_resolved]
    members = await member_store.find_active_members(tx, organization_id, resolved)
    alerts = {alert.id: alert for alert in await find_alerts(tx, organization_id, {member.alert_id for member in members})}
    watches: dict[int, list[Watch]] = {}
    for member in members:
        alert = alerts.get(member.alert_id)
        if alert is not None and is_watched(alert, locked[member.incident_id]):
            watches.setdefault(member.incident_id, []).append(Watch(member, alert))
    return Sweep(locked, watches)


async def read_evidence(tx: Transaction, organization_id: int, found: Sweep, rules: WatchRules, now: datetime) -> dict[int, datetime]:
    """The first evidence of each watched alert whose resolution leaves room for more."""
    probes = []
    evidence: dict[int, datetime] = {}
    for incident_id, watches in found.watches.items():
        incident = found.incidents[incident_id]
        if incident.resolve_time is None or not may_continue(incident) or now < incident.resolve_time + rules.settle:
            continue
        evidence |= find_firing((watch.alert for watch in watches), now)
        settled = incident.resolve_time + rules.settle
        probes += [
            EvidenceProbe(watch.alert.id, settled, incident.resolve_time)
            for watch in watches
            if watch.alert.source_kind not in FIRING_KINDS
        ]
    return evidence | await find_first_evidence(tx, organization_id, probes)


def note_persistent(found: Sweep, incident: Incident, watches: Iterable[Watch], rules: WatchRules, now: datetime) -> None:
    """Notes a hint for each watch that got too old since the last sweep."""
    for watch in watches:
        start, noted = watch.alert.watch_start_time, watch.member.persist_time
        if is_persistent(watch.alert, rules, now) and (noted is None or start is None or noted < start):
            found.members[incident.id, watch.alert.id] = replace(watch.member, persist_time=now)
            found.occurrences.append(persistent_watch(incident, watch.alert, now))


def apply_reopening(found: Sweep, incident: Incident, watches: Iterable[Watch], reopening: Reopening, now: datetime) -> None:
    """The incident goes on with all its members; the one that showed it is told apart."""
    after = found.incidents[incident.id] = reopen(incident, reopening, now)
    found.changed.add(incident.id)
    found.reopened.append(incident.id)
    found.entries.append((incident.id, timeline.reopened(incident, after, reopening.alert_id)))
    found.occurrences.append(reopened_incident(after, reopening.alert_id))
    for watch in watches:
        if watch.alert.id == reopening.alert_id:
            member = found.members.get((incident.id, watch.alert.id), watch.member)
            found.members[incident.id, watch.alert.id] = replace(member, joining=replace(member.joining, reason=JoinReason.REOPENED))


def apply_follow_up(found: Sweep, incident: Incident, moving: list[Watch], now: datetime) -> None:
    """The alerts leave for the follow-up, which opens when there is none yet."""
    found.ended |= {watch.alert.id for watch in moving}
    for watch in moving:
        member = found.members.get((incident.id, watch.alert.id), watch.member)
        found.members[incident.id, watch.alert.id] = replace(member, leave_time=now)
    left = found.incidents[incident.id] = leave(incident, len(moving), now)
    found.changed.add(incident.id)
    existing = found.incidents.get(incident.follow_up_incident_id or 0)
    alerts = [watch.alert for watch in moving]
    follow_up = existing or open_follow_up(incident, alerts, now)
    for alert in alerts:
        before = follow_up
        follow_up = join(follow_up, alert, now)
        if follow_up.severity is not before.severity:
            found.entries.append((follow_up.id, timeline.severity_changed(alert.id, before.severity, follow_up.severity)))
    if existing is None:
        found.follow_ups.append((left, follow_up, moving))
    else:
        found.incidents[existing.id] = follow_up
        found.changed.add(existing.id)
        found.moves.append((left, follow_up, moving))


async def record(tx: Transaction, organization_id: int, found: Sweep, window: timedelta, now: datetime) -> None:
    """Writes a sweep's decisions: incidents, members, alerts, timelines, hints and events."""
    opened = await open_follow_ups(tx, organization_id, found)
    joined = [
        new_member(follow_up.id, watch.alert, Joining(JoinReason.FOLLOW_UP, window), now)
        for _, follow_up, moving in found.moves
        for watch in moving
    ]
    entries = list(found.entries)
    for _, follow_up, moving in found.moves:
        entries += [(follow_up.id, timeline.correlated(watch.alert.id)) for watch in moving]
    await incident_store.update_incidents(tx, organization_id, [found.incidents[number] for number in sorted(found.changed)])
    await member_store.update_members(tx, organization_id, list(found.members.values()))
    await member_store.insert_members(tx, organization_id, joined)
    await write_entries(tx, organization_id, entries, [*found.incidents.values(), *opened], now)
    await candidate_store.upsert_occurrences(tx, organization_id, found.occurrences, now)
    await change_alerts(tx, organization_id, found, now)
    opened_ids = {incident.id for incident in opened}
    events = [(TOPIC, "incident.opened", incident) for incident in opened]
    for number in sorted(found.changed - opened_ids):
        kind = "incident.reopened" if number in found.reopened else "incident.updated"
        events.append((TOPIC, kind, found.incidents[number]))
    await publish(tx, organization_id, events, now)
    told = [("incident.opened", incident) for incident in opened]
    told += [("incident.reopened", found.incidents[number]) for number in sorted(found.reopened)]
    handed = [describe_event(event_type, incident, now) for event_type, incident in told]
    gained = [member for member in joined if member.incident_id not in opened_ids]
    await hand_over(tx, organization_id, handed + describe_gains(gained, now), now)


async def open_follow_ups(tx: Transaction, organization_id: int, found: Sweep) -> list[Incident]:
    """Stores the new follow-ups, in the order of what they follow, and makes them known as existing ones."""
    ordered = sorted(found.follow_ups, key=lambda entry: entry[0].id)
    opened = await insert_opened(tx, organization_id, [follow_up for _, follow_up, _ in ordered])
    for (resolved, _, moving), follow_up in zip(ordered, opened, strict=True):
        first = min((watch.alert for watch in moving), key=lambda alert: (alert.start_time, alert.id))
        found.incidents[resolved.id] = replace(found.incidents[resolved.id], follow_up_incident_id=follow_up.id)
        found.moves.append((resolved, follow_up, moving))
        found.entries += [
            (resolved.id, timeline.followed_up(follow_up)),
            (follow_up.id, timeline.opened(follow_up.incident_key, first.id)),
            (follow_up.id, timeline.opened_as_follow_up(resolved)),
        ]
    return opened


async def change_alerts(tx: Transaction, organization_id: int, found: Sweep, now: datetime) -> None:
    """Ends watches and moves alerts. One that joins a follow-up which is resolved itself is watched for that from now on."""
    reopened = await member_store.find_active_members(tx, organization_id, found.reopened)
    ended = await membership.end_watch(tx, organization_id, found.ended | {member.alert_id for member in reopened}, now)
    target = {watch.alert.id: follow_up for _, follow_up, moving in found.moves for watch in moving}
    await membership.set_incidents(tx, organization_id, {number: follow_up.id for number, follow_up in target.items()}, now)
    again = {
        alert.id: {
            "incident_eligibility": alert.incident_eligibility or Eligibility.POST_RESOLUTION_WATCH,
            "watch_start_time": now,
            "last_resolved_incident_id": target[alert.id].id,
            "update_time": now,
        }
        for alert in ended
        if alert.id in target and alert.is_active and target[alert.id].is_resolved
    }
    moved: Sequence[Alert] = [replace(alert, incident_id=target[alert.id].id) for alert in ended if alert.id in again]
    await membership.change(tx, organization_id, moved, again, now)
