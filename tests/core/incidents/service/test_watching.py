import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
import pytest

from lumetry_core.access.service.settings import update_settings
from lumetry_core.access.settings import OrganizationSettings, SettingsChange
from lumetry_core.alerts.model import Alert, Closing, Eligibility, SourceKind
from lumetry_core.alerts.service import membership
from lumetry_core.alerts.service.reading import find_alerts
from lumetry_core.alerts.service.transitions import close_by_recovery
from lumetry_core.alerts.store.alerts import update_alerts
from lumetry_core.incidents.model import Incident, IncidentState
from lumetry_core.incidents.service import handling
from lumetry_core.incidents.service.candidates import list_candidates
from lumetry_core.incidents.service.watching import sweep
from lumetry_core.incidents.store.members import list_members
from lumetry_core.incidents.worker import Correlator
from lumetry_core.rules.model import Direction, Severity
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.events import read_after
from lumetry_core.runtime.queue import enqueue
from lumetry_core.violations import service as violations
from lumetry_core.violations.model import NewViolation
from tests.core.incidents.building import NOW, ORGANIZATION, an_opening, correlate_all, open_some
from tests.core.incidents.conftest import ReadIncidents, ReadTimeline


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


@pytest.fixture
async def alerts(database: Database) -> list[Alert]:
    """Two members of one incident."""
    opened = await open_some(database, an_opening(1, "srv-1"), an_opening(2, "srv-1", metric_key="disk.used"))
    await correlate_all(database)
    return opened


async def resolve(database: Database, caller: Caller, incident_id: int = 1, classification: str = "Resolved", minutes: float = 0) -> None:
    async with database.write() as tx:
        await handling.resolve(tx, caller, incident_id, "fan replaced", classification, at(minutes))


async def violate(database: Database, alert: Alert, minutes: float, recorded: float | None = None) -> None:
    """Records a violation of an alert."""
    evidence = NewViolation(
        rule_id=alert.rule_id,
        metric_key=alert.metric_key or "",
        time=at(minutes),
        actual_value=95.0,
        direction=Direction.ABOVE,
        severity=Severity.WARNING,
        metric_display_name="",
        detect_time=at(minutes if recorded is None else recorded),
        dimension_key=alert.dimension_key,
        alert_id=alert.id,
    )
    async with database.write() as tx:
        await violations.record(tx, ORGANIZATION, [evidence])


async def sweep_at(database: Database, minutes: float, settings: OrganizationSettings | None = None) -> None:
    async with database.write() as tx:
        await sweep(tx, ORGANIZATION, settings or OrganizationSettings(), at(minutes))


async def read_alerts(database: Database, alerts: Collection[Alert]) -> list[tuple[int | None, Eligibility | None, bool, int | None]]:
    """Incident, eligibility, whether there is a watch, and the resolved incident of each alert."""
    async with database.read() as tx:
        found = await find_alerts(tx, ORGANIZATION, [alert.id for alert in alerts])
    return [
        (alert.incident_id, alert.incident_eligibility, alert.watch_start_time is not None, alert.last_resolved_incident_id)
        for alert in found
    ]


async def read_hints(database: Database, caller: Caller) -> list[tuple[str, int | None, int | None, int]]:
    async with database.read() as tx:
        found = await list_candidates(tx, caller, "", "", 0)
    return [(hint.type, hint.incident_id, hint.alert_id, hint.occurrence_count) for hint in found]


async def read_events(database: Database) -> list[tuple[str, int]]:
    async with database.read() as tx:
        events = await read_after(tx, ORGANIZATION, 0, ["incidents"], 100)
    return [(event.kind, msgspec.msgpack.decode(event.subject, type=Incident).id) for event in events]


WATCH = Eligibility.POST_RESOLUTION_WATCH


async def test_sweep_reopens_on_evidence_within_the_horizon(
    database: Database, caller: Caller, alerts: list[Alert], read_incidents: ReadIncidents, read_timeline: ReadTimeline
) -> None:
    """The incident goes on with all its members; what it loses stands in the timeline, and there is a hint."""
    (before,) = await read_incidents()
    async with database.write() as tx:
        await handling.acknowledge(tx, caller, before.id, "on it", at(0))
    await resolve(database, caller)
    assert await read_alerts(database, alerts) == [(1, WATCH, True, 1)] * 2
    await violate(database, alerts[1], 12)
    await sweep_at(database, 13)
    assert await read_incidents() == [
        replace(
            before,
            reopen_count=1,
            last_reopen_time=at(13),
            reopen_reason=f"Alert {alerts[1].id} still active 12 minutes after resolution",
            update_time=at(13),
        )
    ]
    assert await read_alerts(database, alerts) == [(1, None, False, 1)] * 2
    assert (await read_timeline(1))[-1] == ("Reopened", "Alert", alerts[1].id)
    async with database.read() as tx:
        members = await list_members(tx, ORGANIZATION, 1)
    assert [member.joining.reason for member in members] == ["Opened", "Reopened"]
    assert await read_hints(database, caller) == [("ReopenedIncident", 1, alerts[1].id, 1)]
    assert (await read_events(database))[-1] == ("incident.reopened", 1)
    await sweep_at(database, 14)
    assert [incident.reopen_count for incident in await read_incidents()] == [1]


@pytest.mark.parametrize(
    ("minutes", "recorded", "classification"), [(9, 9, "Resolved"), (30, -1, "Resolved"), (30, 30, "AcceptedRisk"), (30, 30, "Maintenance")]
)
async def test_sweep_disregards_what_is_no_evidence(
    database: Database, caller: Caller, alerts: list[Alert], read_incidents: ReadIncidents, minutes: int, recorded: int, classification: str
) -> None:
    """Violations before the settle time, or recorded before the resolution, and final classifications change nothing; the watch stays."""
    await resolve(database, caller, classification=classification)
    await violate(database, alerts[0], minutes, recorded)
    await sweep_at(database, 31)
    assert [incident.state for incident in await read_incidents()] == [IncidentState.RESOLVED]
    assert await read_alerts(database, alerts) == [(1, WATCH, True, 1)] * 2


async def test_sweep_follows_up_what_persists(
    database: Database, caller: Caller, alerts: list[Alert], read_incidents: ReadIncidents, read_timeline: ReadTimeline
) -> None:
    """Past the horizon an alert moves, once the threshold is over; others join it later; what they leave keeps what it spanned."""
    (before,) = await read_incidents()
    await resolve(database, caller)
    await violate(database, alerts[0], 61)
    await sweep_at(database, 119)
    assert len(await read_incidents()) == 1
    await sweep_at(database, 120)
    first, second = await read_incidents()
    assert (first.state, first.alert_count, first.active_alert_count, first.violation_count) == (IncidentState.RESOLVED, 2, 1, 4)
    assert second == Incident(
        id=2,
        organization_id=ORGANIZATION,
        number=2,
        correlation_key=before.correlation_key,
        primary_ci_node_id=before.primary_ci_node_id,
        primary_ci_name=before.primary_ci_name,
        severity=Severity.WARNING,
        start_time=NOW,
        newest_alert_id=alerts[0].id,
        newest_alert_time=NOW,
        alert_count=1,
        active_alert_count=1,
        violation_count=2,
        follow_up_of_incident_id=1,
        create_time=at(120),
        update_time=at(120),
    )
    assert await read_alerts(database, alerts) == [(2, None, False, 1), (1, WATCH, True, 1)]
    assert await read_timeline(2) == [
        ("IncidentOpened", "Alert", alerts[0].id),
        ("FollowUpCreated", "Incident", 1),
        ("AlertCorrelated", "Alert", alerts[0].id),
    ]
    assert (await read_timeline(1))[-1] == ("FollowUpCreated", "Incident", 2)
    assert (await read_events(database))[-2:] == [("incident.opened", 2), ("incident.updated", 1)]
    await violate(database, alerts[1], 125)
    await sweep_at(database, 126)
    assert await read_alerts(database, alerts) == [(2, None, False, 1)] * 2
    first, second = await read_incidents()
    assert (first.active_alert_count, second.alert_count, second.active_alert_count, second.violation_count) == (0, 2, 2, 4)
    async with database.read() as tx:
        members = await list_members(tx, ORGANIZATION, 1), await list_members(tx, ORGANIZATION, 2)
    assert [member.leave_time for member in members[0]] == [at(120), at(126)]
    assert [(member.alert_id, member.joining.reason) for member in members[1]] == [(alert.id, "FollowUp") for alert in alerts]
    assert await read_hints(database, caller) == [("PersistentWatch", 1, alerts[1].id, 2)]


async def test_sweep_never_reopens_with_horizon_zero(
    database: Database, caller: Caller, alerts: list[Alert], read_incidents: ReadIncidents
) -> None:
    """All evidence from the settle time on counts for a follow-up then, with the organization's own threshold."""
    settings = OrganizationSettings(incidents_reopen_horizon_minutes=0, incidents_persistence_threshold_minutes=30)
    await resolve(database, caller)
    await violate(database, alerts[0], 11)
    await sweep_at(database, 29, settings)
    assert [incident.state for incident in await read_incidents()] == [IncidentState.RESOLVED]
    await sweep_at(database, 30, settings)
    assert [(one.state, one.follow_up_of_incident_id) for one in await read_incidents()] == [
        (IncidentState.RESOLVED, None),
        (IncidentState.OPEN, 1),
    ]


@pytest.mark.parametrize("kind", [SourceKind.EXTERNAL, SourceKind.MONITOR])
async def test_sweep_takes_firing_alerts_as_evidence(
    database: Database, caller: Caller, alerts: list[Alert], read_incidents: ReadIncidents, kind: SourceKind
) -> None:
    """What has no violations is evidence by being active at the sweep, from the settle time on."""
    async with database.write() as tx:
        await update_alerts(tx, ORGANIZATION, {alerts[0].id: {"source_kind": kind}})
    await resolve(database, caller)
    await sweep_at(database, 9)
    assert [incident.reopen_count for incident in await read_incidents()] == [0]
    await sweep_at(database, 10)
    assert [incident.reopen_reason for incident in await read_incidents()] == [
        f"Alert {alerts[0].id} still active 10 minutes after resolution"
    ]


async def test_sweep_waits_while_maintenance_covers_an_alert(
    database: Database, caller: Caller, alerts: list[Alert], read_incidents: ReadIncidents
) -> None:
    """Its watch goes on afterwards; a reopening by another alert leaves it covered."""
    await resolve(database, caller)
    async with database.write() as tx:
        await membership.suppress(tx, ORGANIZATION, {alerts[0].id: 12}, at(1))
    await violate(database, alerts[0], 20)
    await sweep_at(database, 21)
    assert [incident.reopen_count for incident in await read_incidents()] == [0]
    async with database.write() as tx:
        await membership.release(tx, ORGANIZATION, [alerts[0].id], at(22))
        await membership.suppress(tx, ORGANIZATION, {alerts[1].id: 13}, at(22))
    await sweep_at(database, 23)
    assert [incident.reopen_count for incident in await read_incidents()] == [1]
    assert await read_alerts(database, alerts) == [(1, None, False, 1), (1, Eligibility.MAINTENANCE_SUPPRESSED, False, 1)]


async def test_sweep_forgets_alerts_that_closed(
    database: Database, caller: Caller, alerts: list[Alert], read_incidents: ReadIncidents
) -> None:
    """A closed alert is no evidence, whatever it did before."""
    await resolve(database, caller)
    await violate(database, alerts[0], 20)
    async with database.write() as tx:
        await close_by_recovery(tx, ORGANIZATION, [Closing(alerts[0].id, 1, "Rule 1", at(25), NOW, 5)], at(25))
    await sweep_at(database, 26)
    assert [incident.reopen_count for incident in await read_incidents()] == [0]
    assert await read_alerts(database, alerts) == [(1, None, False, 1), (1, WATCH, True, 1)]


async def test_sweep_watches_for_a_follow_up_that_is_resolved_itself(
    database: Database, caller: Caller, alerts: list[Alert], read_incidents: ReadIncidents
) -> None:
    """There is one follow-up of a resolution: who joins it after its own end is watched for that, and may reopen it."""
    await resolve(database, caller)
    await violate(database, alerts[0], 61)
    await sweep_at(database, 120)
    await resolve(database, caller, 2, minutes=121)
    await violate(database, alerts[1], 125)
    await sweep_at(database, 126)
    assert await read_alerts(database, alerts) == [(2, WATCH, True, 2)] * 2
    await violate(database, alerts[1], 135)
    await sweep_at(database, 136)
    assert [(one.state, one.active_alert_count) for one in await read_incidents()] == [(IncidentState.RESOLVED, 0), (IncidentState.OPEN, 2)]
    assert await read_alerts(database, alerts) == [(2, None, False, 2)] * 2


async def test_sweep_notes_a_persistent_watch_once(database: Database, caller: Caller, alerts: list[Alert]) -> None:
    """Each watch makes the hint stronger once, also after a classification that lets it rest; a new watch does so again."""
    await resolve(database, caller, classification="AcceptedRisk")
    await sweep_at(database, 119)
    assert await read_hints(database, caller) == []
    await sweep_at(database, 120)
    await sweep_at(database, 121)
    assert await read_hints(database, caller) == [("PersistentWatch", 1, alerts[1].id, 2)]


async def test_new_alerts_open_new_incidents_after_a_resolution(
    database: Database, caller: Caller, alerts: list[Alert], read_incidents: ReadIncidents
) -> None:
    """Only watched alerts bring an incident back."""
    await resolve(database, caller)
    await open_some(database, an_opening(3, "srv-1", start_time=at(1)), now=at(1))
    await correlate_all(database, at(1))
    assert [(one.state, one.alert_count) for one in await read_incidents()] == [(IncidentState.RESOLVED, 2), (IncidentState.OPEN, 1)]


async def test_correlator_sweeps_with_the_settings_of_the_organization(
    database: Database, caller: Caller, alerts: list[Alert], read_incidents: ReadIncidents
) -> None:
    """A sweep in the queue uses what the organization set."""
    async with database.write() as tx:
        change = SettingsChange({"incidents_reopen_settle_minutes": 0})
        await update_settings(tx, caller, change, OrganizationSettings(), NOW)
    await resolve(database, caller)
    await violate(database, alerts[0], 1)
    async with database.write() as tx:
        await enqueue(tx, ORGANIZATION, "correlation", [("sweep", {})], at(2))
    await correlate_all(database, at(2))
    assert [incident.reopen_count for incident in await read_incidents()] == [1]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_sweeps_and_people_take_turns(database: Database, caller: Caller, read_incidents: ReadIncidents) -> None:
    """Correlators, sweeps and people at once lose no count and lock nobody out; an alert is in one incident at a time."""
    settings = OrganizationSettings(incidents_reopen_settle_minutes=0, incidents_persistence_threshold_minutes=1)
    opened: list[Alert] = []

    async def resolve_what_is_open() -> None:
        for incident in await read_incidents():
            if not incident.is_resolved:
                await resolve(database, caller, incident.id, "NoImpact", 5)

    async def keep_violating(minutes: float) -> None:
        for alert in list(opened):
            await violate(database, alert, minutes)

    async def ask(minutes: float) -> None:
        async with database.write() as tx:
            await enqueue(tx, ORGANIZATION, "correlation", [("sweep", {})], at(minutes))
        await asyncio.gather(*(work_all(database, settings, at(minutes)) for _ in range(2)))

    for number in range(6):
        opened += await open_some(database, an_opening(number, "srv-1"), an_opening(number, "srv-2"), now=at(number))
        minutes = 6.0 + number
        await asyncio.gather(ask(minutes), resolve_what_is_open(), keep_violating(minutes), ask(minutes))
    await ask(60)
    incidents = await read_incidents()
    async with database.read() as tx:
        alerts = await find_alerts(tx, ORGANIZATION, [alert.id for alert in opened])
        members = [member for one in incidents for member in await list_members(tx, ORGANIZATION, one.id) if member.leave_time is None]
    assert sorted((member.alert_id, member.incident_id) for member in members) == sorted((alert.id, alert.incident_id) for alert in alerts)
    present = Counter(member.incident_id for member in members)
    assert {one.id: one.active_alert_count for one in incidents} == {one.id: present[one.id] for one in incidents}
    assert any(one.reopen_count for one in incidents)


async def work_all(database: Database, settings: OrganizationSettings, now: datetime) -> None:
    correlator = Correlator(database, settings)
    while await correlator.tick(now):
        pass
