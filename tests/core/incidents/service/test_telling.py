from lumetry_core.incidents.service.reading import find_incidents
from lumetry_core.incidents.service.telling import tell_sent
from lumetry_core.runtime.database import Database
from tests.core.incidents.building import NOW, ORGANIZATION, an_opening, correlate_all, open_some
from tests.core.incidents.conftest import ReadTimeline


async def test_tell_sent_names_the_integration(database: Database, read_timeline: ReadTimeline) -> None:
    """In the given order; without an integration the system told."""
    await open_some(database, an_opening(1))
    await correlate_all(database)
    async with database.write() as tx:
        await tell_sent(tx, ORGANIZATION, [(1, 5, "Notification sent"), (1, None, "Notification sent by the fallback")], NOW)
    assert (await read_timeline(1))[2:] == [("NotificationSent", "Integration", 5), ("NotificationSent", "System", None)]


async def test_find_incidents_by_number(database: Database) -> None:
    """Unknown ones and those of others are left out."""
    await open_some(database, an_opening(1), an_opening(2, metric_key="disk.used"))
    await open_some(database, an_opening(1), organization_id=8)
    await correlate_all(database)
    async with database.read() as tx:
        found = await find_incidents(tx, ORGANIZATION, [1, 2, 3, 9])
    assert {number: incident.incident_key for number, incident in found.items()} == {1: "INC-000001", 2: "INC-000002"}
