from datetime import timedelta

from lumetry_core.incidents.service import handling
from lumetry_core.incidents.service.log_scopes import find_incident_ids, find_incident_scope
from lumetry_core.logs.service.groups import IncidentScope
from lumetry_core.projects.links import LinkType
from lumetry_core.projects.service import default_project
from lumetry_core.projects.service.links import replace_links
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from tests.core.incidents.building import NOW, ORGANIZATION, an_opening, correlate_all, open_some

MINUTE = timedelta(minutes=1)


async def test_scope_of_an_incident(database: Database, caller: Caller) -> None:
    """Its time from the first alert to its end or now, its alerts, and the projects that link what these are about."""
    async with database.write() as tx:
        project = await default_project(tx, ORGANIZATION, NOW)
        await replace_links(tx, ORGANIZATION, project.id, {LinkType.METRIC: ["disk.used"]})
    first, second = await open_some(
        database, an_opening(1, "srv-1", start_time=NOW + MINUTE), an_opening(2, "srv-1", metric_key="disk.used", start_time=NOW)
    )
    await correlate_all(database)
    async with database.read() as tx:
        scope = await find_incident_scope(tx, ORGANIZATION, 1, NOW + 5 * MINUTE)
        assert scope == IncidentScope(NOW, NOW + 5 * MINUTE, [first.id, second.id], [project.id])
        assert await find_incident_ids(tx, ORGANIZATION, [first.id, second.id, 999]) == {first.id: 1, second.id: 1}
        assert await find_incident_scope(tx, ORGANIZATION, 2, NOW) is None
        assert await find_incident_scope(tx, ORGANIZATION + 1, 1, NOW) is None
    async with database.write() as tx:
        await handling.resolve(tx, caller, 1, "fixed", "Resolved", NOW + 2 * MINUTE)
    async with database.read() as tx:
        scope = await find_incident_scope(tx, ORGANIZATION, 1, NOW + 5 * MINUTE)
        assert scope is not None
        assert scope.end_time == NOW + 2 * MINUTE
