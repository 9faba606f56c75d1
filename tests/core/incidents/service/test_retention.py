from datetime import timedelta

from sqlalchemy import Table, func, select

from lumetry_core.alerts.model import Closing
from lumetry_core.alerts.service.transitions import close_by_recovery
from lumetry_core.incidents.service import handling, retention
from lumetry_core.incidents.store.candidates import incident_resolutions
from lumetry_core.incidents.store.incidents import incidents
from lumetry_core.incidents.store.members import incident_members
from lumetry_core.incidents.store.timeline import incident_timeline
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from tests.core.incidents.building import NOW, ORGANIZATION, an_opening, correlate_all, open_some


async def count(database: Database, *tables: Table) -> list[int]:
    async with database.read() as tx:
        return [(await tx.execute(select(func.count()).select_from(table))).scalar_one() for table in tables]


async def test_drop_old_takes_incidents_with_all_that_belongs_to_them(database: Database, caller: Caller) -> None:
    """Those resolved before the time without active member, the oldest first and at most so many; others stay whole."""
    opened = await open_some(database, *(an_opening(rule_id, metric_key=f"metric.{rule_id}") for rule_id in range(1, 6)))
    async with database.write() as tx:
        closings = [Closing(alert.id, alert.rule_id or 0, "Rule", NOW, NOW, 5) for alert in opened[:4]]
        await close_by_recovery(tx, ORGANIZATION, closings, NOW)
    await correlate_all(database)
    for number, minutes in ((1, 0), (2, 1), (3, 2), (5, 0)):
        async with database.write() as tx:
            await handling.resolve(tx, caller, number, "done", "Resolved", NOW + timedelta(minutes=minutes))
    before = NOW + timedelta(minutes=2)
    more = []
    for _ in range(3):
        async with database.write() as tx:
            more.append(await retention.drop_old(tx, ORGANIZATION, before, 1))
    assert more == [True, True, False]
    async with database.read() as tx:
        left = [row.id for row in await tx.execute(select(incidents.c.id).order_by(incidents.c.id))]
        told = {row.incident_id for row in await tx.execute(select(incident_timeline.c.incident_id))}
    assert (left, told) == ([3, 4, 5], {3, 4, 5})
    assert await count(database, incident_members, incident_resolutions) == [3, 2]
