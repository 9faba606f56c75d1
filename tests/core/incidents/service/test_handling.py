import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from lumetry_core.access.store.audit import audit_logs
from lumetry_core.alerts.model import Closing, Eligibility
from lumetry_core.alerts.service.reading import find_alerts
from lumetry_core.alerts.service.transitions import close_by_recovery
from lumetry_core.incidents.model import Classification, Incident, IncidentState
from lumetry_core.incidents.service import handling
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.runtime.events import read_after
from tests.core.incidents.building import NOW, ORGANIZATION, an_opening, correlate_all, open_some
from tests.core.incidents.conftest import ReadIncidents, ReadTimeline

LATER = NOW + timedelta(minutes=5)
LONG = "x" * 4001


@pytest.fixture
async def incident(database: Database, read_incidents: ReadIncidents) -> Incident:
    """An incident with two members."""
    await open_some(database, an_opening(1, "srv-1"), an_opening(2, "srv-1"))
    await correlate_all(database)
    (found,) = await read_incidents()
    return found


async def acknowledge(database: Database, caller: Caller, incident_id: int, note: str | None = None, minutes: int = 5) -> Incident:
    async with database.write() as tx:
        return await handling.acknowledge(tx, caller, incident_id, note, NOW + timedelta(minutes=minutes))


async def resolve(
    database: Database, caller: Caller, incident_id: int, note: str = "fan replaced", classification: str = "NoImpact"
) -> Incident:
    async with database.write() as tx:
        return await handling.resolve(tx, caller, incident_id, note, classification, LATER)


async def failure_of(deed: Any) -> LumetryError:
    with pytest.raises(LumetryError) as caught:
        await deed
    return caught.value


async def read_audit(database: Database) -> list[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Action, id, and what changed of the old and new values of each entry."""
    async with database.read() as tx:
        rows = (await tx.execute(select(audit_logs).order_by(audit_logs.c.id))).all()
    entries = []
    for row in rows:
        old, new = json.loads(row.old_values_json), json.loads(row.new_values_json)
        changed = [name for name in old if old[name] != new[name]]
        entries.append((row.action, row.entity_id, {name: old[name] for name in changed}, {name: new[name] for name in changed}))
    return entries


async def read_events(database: Database) -> list[tuple[str, Incident]]:
    async with database.read() as tx:
        events = await read_after(tx, ORGANIZATION, 0, ["incidents"], 100)
    return [(event.kind, msgspec.msgpack.decode(event.subject, type=Incident)) for event in events]


async def test_acknowledge_records_who_and_why(
    database: Database, caller: Caller, incident: Incident, read_incidents: ReadIncidents, read_timeline: ReadTimeline
) -> None:
    """An open incident gets its owner, a timeline entry, an event and an audit entry."""
    expected = replace(
        incident,
        state=IncidentState.ACKNOWLEDGED,
        acknowledge_time=LATER,
        acknowledged_by_user_name="anna",
        acknowledge_note="on it",
        update_time=LATER,
    )
    assert await acknowledge(database, caller, incident.id, "on it") == expected
    assert await read_incidents() == [expected]
    assert (await read_timeline(incident.id))[-1] == ("Acknowledged", "User", 3)
    assert (await read_events(database))[-1] == ("incident.updated", expected)
    assert await read_audit(database) == [
        (
            "Incident.Acknowledged",
            str(incident.id),
            {"status": "Open", "acknowledgedAt": None, "acknowledgedByUserName": None, "acknowledgeNote": None},
            {
                "status": "Acknowledged",
                "acknowledgedAt": "2026-06-01T08:05:00Z",
                "acknowledgedByUserName": "anna",
                "acknowledgeNote": "on it",
            },
        )
    ]


async def test_acknowledge_again_replaces_only_a_given_note(
    database: Database, caller: Caller, incident: Incident, read_incidents: ReadIncidents, read_timeline: ReadTimeline
) -> None:
    """The first owner stays; without a note nothing changes at all."""
    first = await acknowledge(database, caller, incident.id, "on it")
    timeline = await read_timeline(incident.id)
    bert = replace(caller, user_id=4, user_name="bert")
    assert await acknowledge(database, bert, incident.id, None, 6) == first
    again = replace(first, acknowledge_note="found it", update_time=NOW + timedelta(minutes=7))
    assert await acknowledge(database, bert, incident.id, "found it", 7) == again
    assert await read_incidents() == [again]
    assert await read_timeline(incident.id) == timeline
    assert [action for action, *_ in await read_audit(database)] == ["Incident.Acknowledged"] * 2
    assert [kind for kind, _ in await read_events(database)] == ["incident.opened", "incident.updated", "incident.updated"]


async def test_acknowledge_refuses_a_long_note(
    database: Database, caller: Caller, incident: Incident, read_incidents: ReadIncidents
) -> None:
    """Nothing is written; 4000 characters are allowed."""
    error = await failure_of(acknowledge(database, caller, incident.id, LONG))
    assert (error.reason, error.faults) == (Reason.VALIDATION_FAILED, (Fault("note", "must have at most 4000 characters"),))
    assert await read_incidents() == [incident]
    assert (await acknowledge(database, caller, incident.id, LONG[1:])).acknowledge_note == LONG[1:]


async def test_resolve_ends_an_incident_and_watches_active_members(
    database: Database, caller: Caller, incident: Incident, read_incidents: ReadIncidents, read_timeline: ReadTimeline
) -> None:
    """Members keep their state; the active ones are counted and watched."""
    async with database.write() as tx:
        await close_by_recovery(tx, ORGANIZATION, [Closing(incident.newest_alert_id, 2, "Rule 2", NOW, NOW, 5)], NOW)
    await correlate_all(database)
    (before,) = await read_incidents()
    expected = replace(
        before,
        state=IncidentState.RESOLVED,
        resolve_time=LATER,
        resolved_by_user_name="anna",
        resolve_note="fan replaced",
        resolution_classification=Classification.NO_IMPACT,
        active_alert_count_at_resolution=1,
        update_time=LATER,
    )
    assert await resolve(database, caller, incident.id) == expected
    assert await read_incidents() == [expected]
    async with database.read() as tx:
        first, second = await find_alerts(tx, ORGANIZATION, range(1, 100))
    assert (first.state, first.incident_eligibility, first.watch_start_time, first.last_resolved_incident_id, first.incident_id) == (
        "Open",
        Eligibility.POST_RESOLUTION_WATCH,
        LATER,
        incident.id,
        incident.id,
    )
    assert (second.state, second.incident_eligibility, second.last_resolved_incident_id) == ("Closed", None, None)
    assert (await read_timeline(incident.id))[-2:] == [("Resolved", "User", 3), ("PostResolutionWatchStarted", "Alert", first.id)]
    assert (await read_events(database))[-1] == ("incident.resolved", expected)
    assert [action for action, *_ in await read_audit(database)] == ["Incident.Resolved"]


async def test_resolve_keeps_the_acknowledgement(database: Database, caller: Caller, incident: Incident) -> None:
    """Who owned it stays visible."""
    await acknowledge(database, caller, incident.id, "on it")
    resolved = await resolve(database, caller, incident.id)
    assert (resolved.state, resolved.acknowledge_time, resolved.acknowledge_note) == (IncidentState.RESOLVED, LATER, "on it")


@pytest.mark.parametrize("classification", [member.value for member in Classification])
async def test_resolve_takes_every_classification(database: Database, caller: Caller, incident: Incident, classification: str) -> None:
    """All seven of the contract."""
    assert (await resolve(database, caller, incident.id, "done", classification)).resolution_classification == classification


CHOICES = "must be one of Resolved, NoImpact, FalsePositive, Duplicate, Maintenance, AcceptedRisk, Transferred"


@pytest.mark.parametrize(
    ("note", "classification", "faults"),
    [
        ("", "", [("note", "must not be blank"), ("resolutionClassification", CHOICES)]),
        (" \t\n", "noimpact", [("note", "must not be blank"), ("resolutionClassification", CHOICES)]),
        (LONG, "NoImpact", [("note", "must have at most 4000 characters")]),
        ("a\0b", "NoImpact", [("note", "must not contain the character NUL")]),
        ("done", "Closed", [("resolutionClassification", CHOICES)]),
    ],
)
async def test_resolve_names_every_fault(
    database: Database,
    caller: Caller,
    incident: Incident,
    read_incidents: ReadIncidents,
    note: str,
    classification: str,
    faults: list[tuple[str, str]],
) -> None:
    """Both fields are checked at once, classifications with their case, and nothing is written."""
    error = await failure_of(resolve(database, caller, incident.id, note, classification))
    assert (error.reason, error.faults) == (Reason.VALIDATION_FAILED, tuple(Fault(*fault) for fault in faults))
    assert await read_incidents() == [incident]


async def test_resolved_incidents_are_final(database: Database, caller: Caller, incident: Incident) -> None:
    """Neither deed is possible a second time; faults are named before the conflict."""
    await resolve(database, caller, incident.id)
    for deed, verb in ((acknowledge, "acknowledged"), (resolve, "resolved")):
        error = await failure_of(deed(database, caller, incident.id))
        assert (error.reason, error.message, error.metadata) == (
            Reason.CONFLICT,
            f"Incident INC-000001 is resolved and cannot be {verb}.",
            {"type": "Incident", "id": str(incident.id), "state": "Resolved"},
        )
    assert (await failure_of(resolve(database, caller, incident.id, ""))).reason is Reason.VALIDATION_FAILED


async def test_deeds_find_only_the_own_organization(database: Database, caller: Caller, incident: Incident) -> None:
    """An incident of another organization does not exist, whatever else is wrong."""
    stranger = replace(caller, organization_id=8)
    for deed in (acknowledge(database, stranger, incident.id, LONG), resolve(database, stranger, incident.id, "")):
        error = await failure_of(deed)
        assert (error.reason, error.metadata) == (Reason.NOT_FOUND, {"type": "Incident", "id": str(incident.id)})


async def test_resolve_makes_later_alerts_open_a_new_incident(
    database: Database, caller: Caller, incident: Incident, read_incidents: ReadIncidents
) -> None:
    """A resolved incident takes no members, though one of its own is still active; that one still counts there."""
    await resolve(database, caller, incident.id)
    await open_some(database, an_opening(3, "srv-1"))
    async with database.write() as tx:
        await close_by_recovery(tx, ORGANIZATION, [Closing(incident.newest_alert_id, 2, "Rule 2", NOW, NOW, 5)], LATER)
    await correlate_all(database, LATER)
    found = [(one.incident_key, one.state, one.alert_count, one.active_alert_count) for one in await read_incidents()]
    assert found == [("INC-000001", IncidentState.RESOLVED, 2, 1), ("INC-000002", IncidentState.OPEN, 1, 1)]
