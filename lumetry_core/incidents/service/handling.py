"""What people do with incidents: take them over and end them (contract lumetry 11.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from lumetry_core.access.service.audit import record_audit
from lumetry_core.activity.model import actor_of
from lumetry_core.alerts.service.membership import start_watch
from lumetry_core.feed.service import hand_over
from lumetry_core.incidents import timeline
from lumetry_core.incidents.model import Classification, Entry, Incident, IncidentState
from lumetry_core.incidents.notes import check_note
from lumetry_core.incidents.service.candidates import note_resolution
from lumetry_core.incidents.service.correlating import TOPIC, describe_event
from lumetry_core.incidents.service.timelines import write_entries
from lumetry_core.incidents.store import incidents as incident_store
from lumetry_core.runtime.caller import Caller, system_caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found
from lumetry_core.runtime.events import publish

RESOLVED_AT_ONCE = 200
FEED_EVENT = {IncidentState.ACKNOWLEDGED: "incident.acknowledged", IncidentState.RESOLVED: "incident.resolved"}


async def acknowledge(tx: Transaction, caller: Caller, incident_id: int, note: str | None, now: datetime) -> Incident:
    """Marks ownership. On an acknowledged incident a given note replaces the stored one and nothing else changes.

    Fails with NOT_FOUND, VALIDATION_FAILED (`note`), CONFLICT when resolved.
    """
    before = await lock(tx, caller, incident_id)
    faults = Faults()
    check_note(note or "", faults)
    faults.raise_if_any()
    forbid_resolved(before, "acknowledged")
    if before.state is IncidentState.ACKNOWLEDGED:
        if note is None or note == before.acknowledge_note:
            return before
        after = replace(before, acknowledge_note=note, update_time=now)
        entries = []
    else:
        after = replace(
            before,
            state=IncidentState.ACKNOWLEDGED,
            acknowledge_time=now,
            acknowledged_by_user_name=caller.user_name,
            acknowledge_note=note,
            update_time=now,
        )
        entries = [timeline.acknowledged(caller, note)]
    await record(tx, caller, before, after, "Acknowledged", "incident.updated", entries, now)
    return after


async def resolve(tx: Transaction, caller: Caller, incident_id: int, note: str, classification: str, now: datetime) -> Incident:
    """Ends an incident. Its members keep their state; those still active are watched from now on.

    Fails with NOT_FOUND, VALIDATION_FAILED (`note`, `resolutionClassification`), CONFLICT when resolved.
    """
    before = await lock(tx, caller, incident_id)
    faults = Faults()
    faults.check(bool(note.strip()), "note", "must not be blank")
    check_note(note, faults)
    known = {member.value: member for member in Classification}
    faults.check(classification in known, "resolutionClassification", f"must be one of {', '.join(known)}")
    faults.raise_if_any()
    forbid_resolved(before, "resolved")
    return await end(tx, caller, before, known[classification], note, now)


async def end(tx: Transaction, caller: Caller, before: Incident, classification: Classification, note: str, now: datetime) -> Incident:
    """Resolves an incident that the transaction has locked."""
    watched = await start_watch(tx, caller.organization_id, before.id, now)
    after = replace(
        before,
        state=IncidentState.RESOLVED,
        resolve_time=now,
        resolved_by_user_name=caller.user_name,
        resolve_note=note,
        resolution_classification=classification,
        active_alert_count_at_resolution=len(watched),
        update_time=now,
    )
    entries = [timeline.resolved(caller, classification, note), *(timeline.watch_started(alert.id) for alert in watched)]
    await record(tx, caller, before, after, "Resolved", "incident.resolved", entries, now)
    await note_resolution(tx, after, now)
    return after


async def resolve_inactive(tx: Transaction, organization_id: int, after_minutes: int, now: datetime) -> bool:
    """Resolves incidents that have had no active alert for so long; True when there may be more of them."""
    since = now - timedelta(minutes=after_minutes)
    caller = system_caller(organization_id)
    found = await incident_store.find_inactive_ids(tx, organization_id, since, RESOLVED_AT_ONCE)
    for incident in await incident_store.lock_incidents(tx, organization_id, found):
        if not incident.is_resolved and incident.inactive_time is not None and incident.inactive_time <= since:
            note = f"Auto-resolved: no active alert for {after_minutes} minutes"
            await end(tx, caller, incident, Classification.RESOLVED, note, now)
    return len(found) == RESOLVED_AT_ONCE


async def lock(tx: Transaction, caller: Caller, incident_id: int) -> Incident:
    """The incident, kept from changing until the transaction ends. Fails with NOT_FOUND."""
    found = await incident_store.lock_incidents(tx, caller.organization_id, [incident_id])
    if not found:
        raise not_found("Incident", incident_id)
    return found[0]


def forbid_resolved(incident: Incident, deed: str) -> None:
    """Fails with CONFLICT when the incident is over."""
    if incident.is_resolved:
        message = f"Incident {incident.incident_key} is resolved and cannot be {deed}."
        raise LumetryError(Reason.CONFLICT, message, type="Incident", id=str(incident.id), state=incident.state.value)


async def record(
    tx: Transaction,
    caller: Caller,
    before: Incident,
    after: Incident,
    verb: str,
    event: str,
    entries: Sequence[Entry],
    now: datetime,
) -> None:
    """Writes a person's deed: the incident, its timeline, the event and the audit entry `Incident.{verb}`."""
    organization_id = caller.organization_id
    await incident_store.update_incidents(tx, organization_id, [after])
    await write_entries(tx, organization_id, [(after.id, entry) for entry in entries], [after], now, actor_of(caller))
    await publish(tx, organization_id, [(TOPIC, event, after)], now)
    if after.state is not before.state:
        await hand_over(tx, organization_id, [describe_event(FEED_EVENT[after.state], after, now)], now)
    await record_audit(tx, caller, f"Incident.{verb}", "Incident", after.id, now, spell(before), spell(after))


def spell(incident: Incident) -> Mapping[str, Any]:
    """What people change of an incident, as the contract spells it."""
    return {
        "status": incident.state,
        "acknowledgedAt": incident.acknowledge_time,
        "acknowledgedByUserName": incident.acknowledged_by_user_name,
        "acknowledgeNote": incident.acknowledge_note,
        "resolvedAt": incident.resolve_time,
        "resolvedByUserName": incident.resolved_by_user_name,
        "resolveNote": incident.resolve_note,
        "resolutionClassification": incident.resolution_classification,
        "activeAlertCountAtResolution": incident.active_alert_count_at_resolution,
    }
