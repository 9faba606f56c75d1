from datetime import timedelta

from lumetry_core.activity.model import Actor, ActorType, Draft, ItemFilter, Resource, Severity
from lumetry_core.incidents.service import handling
from lumetry_core.projects.links import LinkType
from lumetry_core.projects.service import default_project, replace_links
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from tests.core.activity.building import read_all
from tests.core.incidents.building import NOW, ORGANIZATION, an_opening, correlate_all, open_some
from tests.core.incidents.conftest import ReadIncidents, ReadTimeline

INCIDENTS = ItemFilter(kinds=frozenset({"incident"}))


async def test_write_entries_tells_timeline_and_feed_the_same(
    database: Database, caller: Caller, read_incidents: ReadIncidents, read_timeline: ReadTimeline
) -> None:
    """What a timeline tells of its incident the activity feed tells too, in the same order and words."""
    opening = an_opening(1, "srv-1")
    async with database.write() as tx:
        project = await default_project(tx, ORGANIZATION, NOW)
        await replace_links(tx, ORGANIZATION, project.id, {LinkType.METRIC: [opening.metric_key]})
    (alert,) = await open_some(database, opening)
    await correlate_all(database)
    (incident,) = await read_incidents()
    async with database.write() as tx:
        await handling.acknowledge(tx, caller, incident.id, "on it", NOW + timedelta(minutes=5))
        await handling.resolve(tx, caller, incident.id, "done", "NoImpact", NOW + timedelta(minutes=6))
    items = (await read_all(database, INCIDENTS, organization_id=ORGANIZATION))[::-1]
    assert [(item.draft.action, item.draft.alert_id) for item in items] == [
        ("opened", alert.id),
        ("alert_correlated", alert.id),
        ("acknowledged", None),
        ("resolved", None),
    ]
    assert [entry[0] for entry in await read_timeline(incident.id)][:4] == ["IncidentOpened", "AlertCorrelated", "Acknowledged", "Resolved"]
    assert items[2].draft == Draft(
        kind="incident",
        action="acknowledged",
        title=f"Incident {incident.incident_key} acknowledged: srv-1",
        summary="Acknowledged by anna: on it",
        severity=Severity(incident.severity.value.lower()),
        actor=Actor(ActorType.USER, "anna", "3"),
        project_ids=(project.id,),
        incident_id=incident.id,
        resource=Resource("incident", str(incident.id)),
    )
    assert {item.draft.project_ids for item in items} == {(project.id,)}
