import asyncio
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from lumetry_core.access.service.settings import update_settings
from lumetry_core.access.settings import OrganizationSettings, SettingsChange
from lumetry_core.alerts.model import Closing, Eligibility, Escalation, Trigger
from lumetry_core.alerts.service.membership import release, suppress
from lumetry_core.alerts.service.reading import find_alerts
from lumetry_core.alerts.service.transitions import add_violations, close_by_recovery, escalate
from lumetry_core.alerts.store.alerts import update_alerts
from lumetry_core.feed.registry import INCIDENT_TYPES
from lumetry_core.feed.service import subscribe
from lumetry_core.incidents.model import Incident, JoinReason
from lumetry_core.incidents.store.members import find_present_members
from lumetry_core.incidents.worker import work_off
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.clock import spell_time
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.events import read_after
from lumetry_core.runtime.queue import claim, complete, enqueue
from lumetry_core.topology.model import Edge, EdgeType, NodeType
from lumetry_core.topology.store.edges import insert_edges
from tests.core.incidents.building import NOW, ORGANIZATION, add_nodes, an_opening, correlate_all, open_some
from tests.core.incidents.conftest import ReadIncidents, ReadTimeline

LATER = NOW + timedelta(minutes=5)


def key_and_counts(incident: Incident) -> tuple[str, str | None, int, int, int]:
    """Key, correlation key, and the three counters."""
    return (
        incident.incident_key,
        incident.correlation_key,
        incident.alert_count,
        incident.active_alert_count,
        incident.violation_count,
    )


def an_escalation(alert_id: int) -> Escalation:
    return Escalation(alert_id, 17, "Rule 17", Severity.CRITICAL, 4, Trigger(3, 3, 5))


def a_closing(alert_id: int) -> Closing:
    return Closing(alert_id, 17, "Rule 17", LATER, NOW, 5)


async def read_events(database: Database, topic: str = "incidents") -> list[tuple[str, int]]:
    """Kind and subject's id of each event."""
    async with database.read() as tx:
        events = await read_after(tx, ORGANIZATION, 0, [topic], 10_000)
    return [(event.kind, msgspec.msgpack.decode(event.subject)["id"]) for event in events]


async def test_correlate_items_groups_by_host_else_metric(
    database: Database, read_incidents: ReadIncidents, read_timeline: ReadTimeline
) -> None:
    """Alerts of one host meet over metrics; alerts without host meet by metric; each incident has its number."""
    alerts = await open_some(
        database,
        an_opening(1, "srv-1"),
        an_opening(2, "srv-1", metric_key="disk.used", severity=Severity.CRITICAL),
        an_opening(3, "srv-2"),
        an_opening(4),
        an_opening(5, metric_key="disk.used"),
        an_opening(6, dimension_key="mount=/"),
    )
    await correlate_all(database, LATER)
    incidents = await read_incidents()
    assert [key_and_counts(incident) for incident in incidents] == [
        ("INC-000001", "metric:cpu.usage", 2, 2, 4),
        ("INC-000002", "metric:disk.used", 1, 1, 2),
        ("INC-000003", "ci:1", 2, 2, 4),
        ("INC-000004", "ci:2", 1, 1, 2),
    ]
    first = incidents[2]
    assert (first.severity, first.primary_ci_node_id, first.primary_ci_name, first.primary_metric_key, first.start_time) == (
        Severity.CRITICAL,
        1,
        "srv-1",
        None,
        NOW,
    )
    assert [incident.primary_metric_key for incident in incidents] == ["cpu.usage", "disk.used", None, None]
    assert await read_timeline(first.id) == [
        ("IncidentOpened", "Alert", alerts[0].id),
        ("AlertCorrelated", "Alert", alerts[0].id),
        ("AlertCorrelated", "Alert", alerts[1].id),
        ("SeverityChanged", "Alert", alerts[1].id),
    ]
    async with database.read() as tx:
        found = await find_alerts(tx, ORGANIZATION, [alert.id for alert in alerts])
    assert [alert.incident_id for alert in found] == [incidents[position].id for position in (2, 2, 3, 0, 1, 0)]
    assert await read_events(database) == [("incident.opened", incident.id) for incident in incidents]


async def test_correlate_items_hands_over_what_joins(database: Database, read_incidents: ReadIncidents) -> None:
    """Subscribers hear of an opening, and of all alerts that join in a round at once; the first is part of the opening."""
    async with database.write() as tx:
        await subscribe(tx, ORGANIZATION, "listener", "test", INCIDENT_TYPES)
    await open_some(database, an_opening(1, "srv-1"))
    await correlate_all(database)
    joining = await open_some(database, an_opening(2, "srv-1"), an_opening(3, "srv-1"), now=LATER)
    await correlate_all(database, LATER)
    (incident,) = await read_incidents()
    async with database.write() as tx:
        handed = [(item.kind, item.payload) for item in await claim(tx, "listener")]
    assert handed == [
        ("incident.opened", {"incident_id": incident.id, "time": spell_time(NOW)}),
        (
            "incident.alert_correlated",
            {"incident_id": incident.id, "alert_ids": [alert.id for alert in joining], "time": spell_time(LATER)},
        ),
    ]


async def test_correlate_items_joins_over_rounds(database: Database, read_incidents: ReadIncidents, read_timeline: ReadTimeline) -> None:
    """A later alert joins what an earlier round opened, and why is kept with the membership."""
    (first,) = await open_some(database, an_opening(1, "srv-1"))
    await correlate_all(database)
    (second,) = await open_some(database, an_opening(2, "srv-1", start_time=NOW + timedelta(minutes=4)), now=LATER)
    await correlate_all(database, LATER)
    (incident,) = await read_incidents()
    assert key_and_counts(incident) == ("INC-000001", "ci:1", 2, 2, 4)
    assert (incident.newest_alert_id, incident.update_time) == (second.id, LATER)
    assert await read_events(database) == [("incident.opened", incident.id), ("incident.updated", incident.id)]
    async with database.read() as tx:
        members = await find_present_members(tx, ORGANIZATION, [first.id, second.id])
    joining = members[second.id].joining
    assert (joining.reason, joining.window, joining.reference_alert_id, joining.reference_time, joining.gap) == (
        "WindowMatch",
        timedelta(minutes=30),
        first.id,
        NOW,
        timedelta(minutes=4),
    )
    assert (members[first.id].joining.reason, members[first.id].joining.gap) == ("Opened", None)
    assert await read_timeline(incident.id) == [
        ("IncidentOpened", "Alert", first.id),
        ("AlertCorrelated", "Alert", first.id),
        ("AlertCorrelated", "Alert", second.id),
    ]


async def test_correlate_items_opens_anew_beyond_the_window(database: Database, read_incidents: ReadIncidents) -> None:
    """Without active member an incident takes nothing from outside the window."""
    (first,) = await open_some(database, an_opening(1, "srv-1"))
    async with database.write() as tx:
        await close_by_recovery(tx, ORGANIZATION, [a_closing(first.id)], LATER)
    await correlate_all(database, LATER)
    await open_some(database, an_opening(1, "srv-1", start_time=NOW + timedelta(minutes=31)), now=LATER)
    await correlate_all(database, LATER)
    assert [key_and_counts(incident) for incident in await read_incidents()] == [
        ("INC-000001", "ci:1", 1, 0, 2),
        ("INC-000002", "ci:1", 1, 1, 2),
    ]


async def test_correlate_items_follows_members(database: Database, read_incidents: ReadIncidents, read_timeline: ReadTimeline) -> None:
    """Violations, escalation and close of a member change counters, severity and timeline of its incident."""
    (alert,) = await open_some(database, an_opening(17, "srv-1"))
    await correlate_all(database)
    (before,) = await read_incidents()
    async with database.write() as tx:
        await add_violations(tx, ORGANIZATION, {alert.id: 3}, LATER)
    await correlate_all(database, LATER)
    assert await read_incidents() == [replace(before, violation_count=5, update_time=LATER)]
    async with database.write() as tx:
        await escalate(tx, ORGANIZATION, [an_escalation(alert.id)], LATER)
    await correlate_all(database, LATER)
    assert await read_incidents() == [replace(before, violation_count=5, severity=Severity.CRITICAL, update_time=LATER)]
    async with database.write() as tx:
        await add_violations(tx, ORGANIZATION, {alert.id: 1}, LATER)
        await close_by_recovery(tx, ORGANIZATION, [a_closing(alert.id)], LATER)
    await correlate_all(database, LATER)
    assert await read_incidents() == [
        replace(before, violation_count=6, severity=Severity.CRITICAL, active_alert_count=0, inactive_time=LATER, update_time=LATER)
    ]
    assert (await read_timeline(before.id))[2:] == [("SeverityChanged", "Alert", alert.id), ("AlertClosed", "Alert", alert.id)]
    assert await read_events(database) == [("incident.opened", before.id), ("incident.updated", before.id), ("incident.updated", before.id)]


async def test_correlate_items_takes_a_whole_life_at_once(
    database: Database, read_incidents: ReadIncidents, read_timeline: ReadTimeline
) -> None:
    """An alert that escalated and closed before anybody looked is counted as it is, with nothing counted twice."""
    (alert,) = await open_some(database, an_opening(17, "srv-1"))
    async with database.write() as tx:
        await add_violations(tx, ORGANIZATION, {alert.id: 3}, LATER)
        await escalate(tx, ORGANIZATION, [an_escalation(alert.id)], LATER)
        await close_by_recovery(tx, ORGANIZATION, [a_closing(alert.id)], LATER)
    await correlate_all(database, LATER)
    (incident,) = await read_incidents()
    assert (key_and_counts(incident), incident.severity) == (("INC-000001", "ci:1", 1, 0, 5), Severity.CRITICAL)
    assert await read_timeline(incident.id) == [
        ("IncidentOpened", "Alert", alert.id),
        ("AlertCorrelated", "Alert", alert.id),
        ("AlertClosed", "Alert", alert.id),
    ]


async def test_correlate_items_is_not_disturbed_by_repetitions(database: Database, read_incidents: ReadIncidents) -> None:
    """An item that comes twice, or names an unknown alert, changes nothing, and is completed."""
    (alert,) = await open_some(database, an_opening(17, "srv-1"))
    await correlate_all(database)
    before = await read_incidents()
    kinds = ("alert_opened", "alert_escalated", "violations_added", "alert_closed")
    items = [(kind, {"alert_id": number}) for kind in kinds for number in (alert.id, alert.id + 1000)]
    async with database.write() as tx:
        await enqueue(tx, ORGANIZATION, "correlation", items, LATER)
    await correlate_all(database, LATER)
    assert await read_incidents() == before
    async with database.write() as tx:
        assert await claim(tx, "correlation") == []


async def test_correlate_items_keeps_organizations_apart(database: Database, read_incidents: ReadIncidents) -> None:
    """The same host in two organizations makes two incidents, each with the first number of its organization."""
    await open_some(database, an_opening(1, "srv-1"))
    await open_some(database, an_opening(1, "srv-1"), organization_id=8)
    await correlate_all(database)
    assert [key_and_counts(incident) for incident in await read_incidents()] == [("INC-000001", "ci:1", 1, 1, 2)]


async def test_correlate_items_says_when_nothing_waits(database: Database) -> None:
    """An empty queue is no work."""
    async with database.write() as tx:
        assert await work_off(tx, OrganizationSettings(), NOW) is False


async def test_correlate_items_rolls_back_as_a_whole(database: Database, read_incidents: ReadIncidents) -> None:
    """A failed round leaves its items waiting and no number used."""
    await open_some(database, an_opening(1, "srv-1"))

    async def fail() -> None:
        async with database.write() as tx:
            await work_off(tx, OrganizationSettings(), NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await read_incidents() == []
    await correlate_all(database)
    assert [key_and_counts(incident) for incident in await read_incidents()] == [("INC-000001", "ci:1", 1, 1, 2)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_correlate_items_never_opens_twins(database: Database, read_incidents: ReadIncidents) -> None:
    """Several correlators that work at once while alerts keep opening make one incident of one host."""

    async def open_slowly(rule_ids: range) -> None:
        for rule_id in rule_ids:
            await open_some(database, an_opening(rule_id, "srv-1"), an_opening(rule_id, "srv-2"))

    await open_some(database, an_opening(99, "srv-1"), an_opening(99, "srv-2"))
    openers = [asyncio.create_task(open_slowly(range(start, start + 10))) for start in (100, 200)]
    while not all(opener.done() for opener in openers):
        await asyncio.gather(*(correlate_all(database) for _ in range(4)))
    await asyncio.gather(*openers)
    await correlate_all(database)
    assert sorted(key_and_counts(incident)[1:] for incident in await read_incidents()) == [
        ("ci:1", 21, 21, 42),
        ("ci:2", 21, 21, 42),
    ]


async def test_correlate_items_leaves_out_suppressed_alerts(database: Database, read_incidents: ReadIncidents) -> None:
    """An alert that maintenance holds back opens nothing."""
    (alert,) = await open_some(database, an_opening(1, "srv-1"))
    async with database.write() as tx:
        await update_alerts(tx, ORGANIZATION, {alert.id: {"incident_eligibility": Eligibility.MAINTENANCE_SUPPRESSED}})
    await correlate_all(database)
    assert await read_incidents() == []


async def test_correlate_items_leaves_out_what_closed_under_maintenance(database: Database, read_incidents: ReadIncidents) -> None:
    """An alert that opens and closes under maintenance before it is looked at opens nothing either."""
    (alert,) = await open_some(database, an_opening(1, "srv-1"))
    async with database.write() as tx:
        await suppress(tx, ORGANIZATION, {alert.id: 12}, NOW)
        await close_by_recovery(tx, ORGANIZATION, [a_closing(alert.id)], LATER)
    await correlate_all(database, LATER)
    assert (await read_incidents(), await read_routing(database)) == ([], [("open", alert.id), ("close", alert.id)])


async def test_correlate_items_looks_as_far_as_its_organization_wants(database: Database) -> None:
    """An organization's own window counts more than the deployment's, which stays that of others."""
    change = SettingsChange({"correlation_window_minutes": 5})
    async with database.write() as tx:
        await update_settings(tx, system_caller(ORGANIZATION), change, OrganizationSettings(), NOW)
    joined = []
    for organization_id in (ORGANIZATION, ORGANIZATION + 1):
        openings = (an_opening(1, "srv-1"), an_opening(2, "srv-1", start_time=NOW + timedelta(minutes=6)))
        alerts = await open_some(database, *openings, organization_id=organization_id)
        await correlate_all(database)
        async with database.read() as tx:
            members = await find_present_members(tx, organization_id, {alert.id for alert in alerts})
        joined += [(members[alert.id].joining.reason, members[alert.id].joining.window) for alert in alerts]
    assert joined == [
        (JoinReason.OPENED, timedelta(minutes=5)),
        (JoinReason.ACTIVE_MEMBER_MATCH, timedelta(minutes=5)),
        (JoinReason.OPENED, timedelta(minutes=30)),
        (JoinReason.WINDOW_MATCH, timedelta(minutes=30)),
    ]


async def read_routing(database: Database) -> list[tuple[str, int]]:
    async with database.write() as tx:
        items = await claim(tx, "routing")
        await complete(tx, items)
    return [(item.kind, item.payload["alert_id"]) for item in items]


async def test_correlate_items_hands_transitions_on_in_their_order(database: Database) -> None:
    """Each opening, escalation and close goes on once, in the order in which it happened; violations do not."""
    first, second = await open_some(database, an_opening(1, "srv-1"), an_opening(2, "srv-1"))
    async with database.write() as tx:
        await escalate(tx, ORGANIZATION, [an_escalation(second.id)], LATER)
        await add_violations(tx, ORGANIZATION, {first.id: 3}, LATER)
        await close_by_recovery(tx, ORGANIZATION, [a_closing(second.id), a_closing(first.id)], LATER)
    await correlate_all(database, LATER)
    assert await read_routing(database) == [
        ("open", first.id),
        ("open", second.id),
        ("escalate", second.id),
        ("close", first.id),
        ("close", second.id),
    ]
    await correlate_all(database, LATER)
    assert await read_routing(database) == []


async def test_correlate_items_takes_released_alerts(database: Database, read_incidents: ReadIncidents) -> None:
    """When maintenance ends, an alert that is still active becomes a member; all the same its opening and release go on."""
    held, gone = await open_some(database, an_opening(1, "srv-1"), an_opening(2, "srv-2"))
    async with database.write() as tx:
        await suppress(tx, ORGANIZATION, {held.id: 12, gone.id: 12}, NOW)
    await correlate_all(database)
    assert (await read_incidents(), await read_routing(database)) == ([], [("open", held.id), ("open", gone.id)])
    async with database.write() as tx:
        await release(tx, ORGANIZATION, [held.id, gone.id], LATER)
        await close_by_recovery(tx, ORGANIZATION, [a_closing(gone.id)], LATER)
    await correlate_all(database, LATER)
    assert [key_and_counts(incident) for incident in await read_incidents()] == [("INC-000001", "ci:1", 1, 1, 2)]
    assert await read_routing(database) == [("release", held.id), ("release", gone.id), ("close", gone.id)]
    async with database.write() as tx:
        await suppress(tx, ORGANIZATION, {held.id: 13}, LATER)
        await release(tx, ORGANIZATION, [held.id], LATER)
    await correlate_all(database, LATER)
    assert [key_and_counts(incident) for incident in await read_incidents()] == [("INC-000001", "ci:1", 1, 1, 2)]


async def test_correlate_items_joins_beside_an_active_member_only(database: Database, read_incidents: ReadIncidents) -> None:
    """Long after the window an alert joins where its own node is still active, and not where only another one is."""
    async with database.write() as tx:
        nodes = await add_nodes(
            tx,
            ORGANIZATION,
            (NodeType.HOST, "srv-1"),
            (NodeType.HOST, "srv-2"),
            (NodeType.APPLICATION, "App"),
            (NodeType.BUSINESS_SERVICE, "Shop"),
        )
        edges = [Edge(0, ORGANIZATION, nodes["App"], nodes[host], EdgeType.RUNS_ON, {}, NOW) for host in ("srv-1", "srv-2")]
        await insert_edges(tx, [*edges, Edge(0, ORGANIZATION, nodes["Shop"], nodes["App"], EdgeType.CONTAINS, {}, NOW)])
    await open_some(database, an_opening(1, "srv-1"))
    await correlate_all(database)
    much_later = NOW + timedelta(hours=2)
    await open_some(database, an_opening(2, "srv-2", start_time=much_later), now=much_later)
    await correlate_all(database, much_later)
    await open_some(database, an_opening(3, "srv-1", start_time=much_later + timedelta(hours=2)), now=much_later)
    await correlate_all(database, much_later)
    incidents = await read_incidents()
    assert [(one.correlation_key, one.primary_ci_name, one.alert_count) for one in incidents] == [
        (f"service:{nodes['Shop']}", "srv-1", 2),
        (f"service:{nodes['Shop']}", "srv-2", 1),
    ]
