"""Turns what happened to alerts into what happens to incidents.

The worker's claim keeps an organization to one worker at a time, so that simultaneous alerts cannot open twins; the rows of the incidents
are locked, so that nobody resolves one while it gains a member.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lumetry_core.access.service.settings import read_settings
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.service.membership import set_incidents
from lumetry_core.alerts.service.reading import find_alerts
from lumetry_core.feed.service import hand_over
from lumetry_core.incidents import timeline
from lumetry_core.incidents.correlation import Placement, Standing, correlate, follow, is_waiting
from lumetry_core.incidents.keys import correlation_key_of
from lumetry_core.incidents.model import Entry, Incident, Joining, JoinReason, Member
from lumetry_core.incidents.noticing import is_alone
from lumetry_core.incidents.service.noticing import tell_alone
from lumetry_core.incidents.service.timelines import write_entries
from lumetry_core.incidents.store import incidents as incident_store
from lumetry_core.incidents.store import members as member_store
from lumetry_core.runtime.clock import spell_time
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.events import publish
from lumetry_core.runtime.queue import WorkItem, enqueue

QUEUE = "correlation"
SWEEP = "sweep"
"""Kind of the item that asks for a look at what resolved incidents left behind."""
ROUTING = "routing"
ROUTED_AS = {
    "alert_opened": "open",
    "alert_escalated": "escalate",
    "alert_renewed": "renew",
    "alert_acknowledged": "acknowledge",
    "alert_closed": "close",
    "alert_released": "release",
}
"""What the items of correlation are to those who tell people, who must know the incident first."""
PLACED_KINDS = frozenset({"alert_opened", "alert_escalated", "alert_released"})
"""Items after which an alert may become a member: one that rises from `Info` is not until then."""
TOPIC = "incidents"


@dataclass(frozen=True, slots=True)
class Following:
    """What a member's alert made of its incident and membership."""

    incident: Incident
    member: Member
    entries: list[Entry]


async def correlate_items(tx: Transaction, items: Sequence[WorkItem], defaults: OrganizationSettings, now: datetime) -> None:
    """Does what claimed items of one organization about alerts ask for, and hands them on in their order."""
    if not items:
        return
    organization_id = items[0].organization_id
    named = {item.payload["alert_id"] for item in items}
    new = {item.payload["alert_id"] for item in items if item.kind in PLACED_KINDS}
    released = {item.payload["alert_id"] for item in items if item.kind == "alert_released"}
    alerts = {alert.id: alert for alert in await find_alerts(tx, organization_id, named)}
    members = await member_store.find_present_members(tx, organization_id, named)
    waiting = [
        alert
        for number, alert in alerts.items()
        if number in new and number not in members and is_waiting(alert) and (alert.is_active or number not in released)
    ]
    window = (await read_settings(tx, organization_id, defaults)).correlation_window
    before = await read_standings(tx, organization_id, [member.incident_id for member in members.values()], waiting, window)
    followed, followings = follow_members(before, [(members[number], alerts[number]) for number in members if number in alerts], now)
    correlated, placements = correlate(waiting, followed, window, now)
    incidents = [standing.incident for standing in before], [standing.incident for standing in correlated]
    await record(tx, organization_id, *incidents, followings, placements, now)
    resolved = {standing.incident.id for standing in before if standing.incident.is_resolved}
    carried = {placement.alert.id for placement in placements}
    carried |= {number for number, member in members.items() if member.incident_id not in resolved}
    await tell_alone(tx, organization_id, [alert for alert in alerts.values() if alert.id in new and is_alone(alert, carried)], now)
    routed = [(ROUTED_AS[item.kind], item.payload) for item in items if item.kind in ROUTED_AS]
    await enqueue(tx, organization_id, ROUTING, routed, now)


async def read_standings(
    tx: Transaction, organization_id: int, incident_ids: Iterable[int], waiting: Sequence[Alert], window: timedelta
) -> list[Standing]:
    """The incidents of numbers, and the candidates for alerts, locked, ascending by id, with their active members."""
    wanted = set(incident_ids)
    keys = {key for alert in waiting if (key := correlation_key_of(alert)) is not None}
    if keys:
        starts = [alert.start_time for alert in waiting]
        wanted |= await incident_store.find_candidate_ids(tx, organization_id, keys, min(starts) - window, max(starts) + window)
    locked = await incident_store.lock_incidents(tx, organization_id, wanted)
    active = await member_store.count_active_members(tx, organization_id, wanted) if keys else {}
    return [Standing(incident, active.get(incident.id, {})) for incident in locked]


def follow_members(
    standings: Sequence[Standing], changed: Iterable[tuple[Member, Alert]], now: datetime
) -> tuple[list[Standing], list[Following]]:
    """The incidents, in their order, after what happened to their members, and what changed, oldest alert first."""
    present = {standing.incident.id: standing for standing in standings}
    followings = []
    for member, alert in sorted(changed, key=lambda pair: pair[1].id):
        before = present[member.incident_id]
        after, followed = follow(before, member, alert, now)
        if followed == member:
            continue
        present[member.incident_id] = after
        entries = describe_following(before.incident, after.incident, member, followed)
        followings.append(Following(after.incident, followed, entries))
    return list(present.values()), followings


def describe_following(before: Incident, after: Incident, member: Member, followed: Member) -> list[Entry]:
    """What the timeline tells of a member's change: counts alone tell nothing."""
    entries = []
    if after.severity is not before.severity:
        entries.append(timeline.severity_changed(member.alert_id, before.severity, after.severity))
    if member.is_active and not followed.is_active:
        entries.append(timeline.alert_closed(member.alert_id))
    return entries


async def record(
    tx: Transaction,
    organization_id: int,
    before: Sequence[Incident],
    after: Sequence[Incident],
    followings: Sequence[Following],
    placements: Sequence[Placement],
    now: datetime,
) -> None:
    """Writes a round's decisions: incidents, members, timelines and events.

    Args:
        before: The incidents as they were read.
        after: The same in the same order, then those that opened.
    """
    changed = [incident for old, incident in zip(before, after, strict=False) if incident != old]
    opened = await insert_opened(tx, organization_id, after[len(before) :])
    stored = [*after[: len(before)], *opened]
    joined = [new_member(stored[placement.position].id, placement.alert, placement.joining, now) for placement in placements]
    entries = [(following.member.incident_id, entry) for following in followings for entry in following.entries]
    for placement in placements:
        incident = stored[placement.position]
        entries += [(incident.id, entry) for entry in describe_placement(incident, placement)]
    await incident_store.update_incidents(tx, organization_id, changed)
    await member_store.update_members(tx, organization_id, [following.member for following in followings])
    await member_store.insert_members(tx, organization_id, joined)
    await write_entries(tx, organization_id, entries, stored, now)
    await set_incidents(tx, organization_id, {member.alert_id: member.incident_id for member in joined}, now)
    events = [(TOPIC, "incident.opened", incident) for incident in opened]
    told = {incident.id for old, incident in zip(before, after, strict=False) if is_worth_telling(old, incident)}
    events += [(TOPIC, "incident.updated", incident) for incident in changed if incident.id in told]
    await publish(tx, organization_id, events, now)
    handed = [describe_event("incident.opened", incident, now) for incident in opened]
    await hand_over(tx, organization_id, handed + describe_gains(joined, now), now)


def describe_event(event_type: str, incident: Incident, now: datetime) -> tuple[str, dict[str, object]]:
    """What subscribers of the feed get of an incident's event (contract monitoring 12.2)."""
    return event_type, {"incident_id": incident.id, "time": spell_time(now)}


def describe_gains(joined: Iterable[Member], now: datetime) -> list[tuple[str, dict[str, object]]]:
    """What subscribers of the feed get of alerts that joined incidents, one event for each incident; an opening tells of its own alert."""
    gained: dict[int, list[int]] = {}
    for member in joined:
        if member.joining.reason is not JoinReason.OPENED:
            gained.setdefault(member.incident_id, []).append(member.alert_id)
    return [
        ("incident.alert_correlated", {"incident_id": incident_id, "alert_ids": alert_ids, "time": spell_time(now)})
        for incident_id, alert_ids in gained.items()
    ]


def is_worth_telling(before: Incident, after: Incident) -> bool:
    """Whether streams hear of a change: more than the count of violations, which rises with every point and which lists show."""
    return replace(after, violation_count=before.violation_count, update_time=before.update_time) != before


async def insert_opened(tx: Transaction, organization_id: int, drafts: Sequence[Incident]) -> list[Incident]:
    """Stores new incidents, in order, under the organization's next numbers."""
    if not drafts:
        return []
    numbers = await incident_store.take_numbers(tx, organization_id, len(drafts))
    numbered = [replace(draft, number=number) for draft, number in zip(drafts, numbers, strict=True)]
    ids = await incident_store.insert_incidents(tx, numbered)
    return [replace(incident, id=ids[incident.number]) for incident in numbered]


def new_member(incident_id: int, alert: Alert, joining: Joining, now: datetime) -> Member:
    """The membership of an alert that joins now."""
    return Member(
        incident_id=incident_id,
        alert_id=alert.id,
        alert_time=alert.start_time,
        metric_key=alert.metric_key,
        is_active=alert.is_active,
        violation_count=alert.violation_count,
        severity=alert.severity,
        joining=joining,
        join_time=now,
        ci_node_id=alert.related_ci_id,
    )


def describe_placement(incident: Incident, placement: Placement) -> list[Entry]:
    """What the timeline tells of a new member, which may have closed before it was looked at."""
    alert = placement.alert
    entries = []
    if placement.joining.reason is JoinReason.OPENED:
        entries.append(timeline.opened(incident.incident_key, alert.id))
    entries.append(timeline.correlated(alert.id))
    if placement.raised_from is not None:
        entries.append(timeline.severity_changed(alert.id, placement.raised_from, alert.severity))
    if not alert.is_active:
        entries.append(timeline.alert_closed(alert.id))
    return entries
