from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.access.store.organizations import organizations
from lumetry_core.alerts.model import Closing, SourceKind
from lumetry_core.alerts.service.reading import find_alerts
from lumetry_core.alerts.service.transitions import close_by_recovery
from lumetry_core.alerts.store.alerts import update_alerts
from lumetry_core.incidents.model import Classification, IncidentState, Retention
from lumetry_core.incidents.service import handling
from lumetry_core.incidents.worker import CLEANUP_INTERVAL, Correlator, IncidentKeeper
from lumetry_core.rules.model import Direction, Severity
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.events import KEPT_EVENTS, publish, read_range
from lumetry_core.runtime.queue import work_items
from lumetry_core.violations import service as violations
from lumetry_core.violations.model import NewViolation, ViolationFilter
from tests.core.incidents.building import NOW, ORGANIZATION, an_opening, correlate_all, open_some
from tests.core.incidents.conftest import ReadIncidents

HOUR = timedelta(hours=1)


async def test_tick_works_off_one_organization_after_another(database: Database, read_incidents: ReadIncidents) -> None:
    """It says that there may be more until nothing waits."""
    await open_some(database, an_opening(1, "srv-1"), organization_id=8)
    await open_some(database, an_opening(1, "srv-1"))
    correlator = Correlator(database, OrganizationSettings())
    assert [await correlator.tick(NOW) for _ in range(3)] == [True, True, False]
    assert len(await read_incidents()) == 1


@pytest.mark.parametrize(("window_minutes", "counts"), [(1, [1, 1]), (2, [2])])
async def test_tick_uses_the_window_of_its_settings(
    database: Database, read_incidents: ReadIncidents, window_minutes: int, counts: list[int]
) -> None:
    """Two minutes after an alert that closed, the next one joins only a window of two minutes."""
    correlator = Correlator(database, OrganizationSettings(correlation_window_minutes=window_minutes))
    (first,) = await open_some(database, an_opening(1, "srv-1"))
    async with database.write() as tx:
        await close_by_recovery(tx, ORGANIZATION, [Closing(first.id, 1, "Rule 1", NOW, NOW, 5)], NOW)
    await correlator.tick(NOW)
    await open_some(database, an_opening(1, "srv-1", start_time=NOW + timedelta(minutes=2)))
    await correlator.tick(NOW)
    assert [incident.alert_count for incident in await read_incidents()] == counts


async def test_tick_turns_a_storm_into_few_incidents(database: Database, read_incidents: ReadIncidents) -> None:
    """Many alerts of many hosts are one incident for each host, in one round."""
    openings = [an_opening(rule_id, f"srv-{host}") for rule_id in range(6) for host in range(100)]
    await open_some(database, *openings)
    correlator = Correlator(database, OrganizationSettings())
    assert [await correlator.tick(NOW) for _ in range(2)] == [True, False]
    assert [(one.number, one.alert_count, one.violation_count) for one in await read_incidents()] == [
        (number, 6, 12) for number in range(1, 101)
    ]


async def test_tick_keeps_the_event_log_bounded(database: Database) -> None:
    """Old events beyond the newest 10,000 are dropped at the first round and every few minutes, not at every round."""

    async def publish_many(count: int) -> None:
        async with database.write() as tx:
            await publish(tx, ORGANIZATION, [("alerts", "alert.opened", {"id": 1})] * count, NOW - timedelta(hours=1))

    async def oldest() -> int:
        async with database.read() as tx:
            return (await read_range(tx, ORGANIZATION, ["alerts"]))[0]

    correlator = Correlator(database, OrganizationSettings())
    await publish_many(KEPT_EVENTS + 3)
    await correlator.tick(NOW)
    assert await oldest() == 4
    await publish_many(5)
    await correlator.tick(NOW + CLEANUP_INTERVAL - timedelta(milliseconds=1))
    assert await oldest() == 4
    await correlator.tick(NOW + CLEANUP_INTERVAL)
    assert await oldest() == 9


async def register(database: Database) -> None:
    """Makes the organization known, as workers go through all that are."""
    async with database.write() as tx:
        await tx.execute(
            organizations.insert(), {"id": ORGANIZATION, "name": "Seven", "name_key": "seven", "slug": "7", "create_time": NOW}
        )


async def test_keeper_asks_for_a_sweep_each_minute_while_something_is_watched(
    database: Database, caller: Caller, read_incidents: ReadIncidents
) -> None:
    """Without watched alerts nothing is asked for; a sweep that was asked for twice reopens once."""
    await register(database)
    keepers = [IncidentKeeper(database, OrganizationSettings(), Retention()) for _ in range(2)]
    (alert,) = await open_some(database, an_opening(1, "srv-1"))
    await correlate_all(database)

    async def asked(now: datetime) -> int:
        for keeper in keepers:
            await keeper.tick(now)
        async with database.read() as tx:
            return len((await tx.execute(select(work_items).where(work_items.c.queue == "correlation"))).all())

    assert await asked(NOW) == 0
    async with database.write() as tx:
        await handling.resolve(tx, caller, 1, "done", "Resolved", NOW)
        await update_alerts(tx, ORGANIZATION, {alert.id: {"source_kind": SourceKind.EXTERNAL}})
    assert await asked(NOW + timedelta(seconds=59)) == 0
    assert await asked(NOW + timedelta(seconds=60)) == 2
    await correlate_all(database, NOW + timedelta(minutes=10))
    assert await asked(NOW + timedelta(seconds=61)) == 0
    assert [incident.reopen_count for incident in await read_incidents()] == [1]


@pytest.mark.parametrize("minutes", [None, 5])
async def test_keeper_resolves_what_was_quiet_for_long(database: Database, read_incidents: ReadIncidents, minutes: int | None) -> None:
    """An incident without active alert for so long is resolved by the system; one with an active alert, or when it is off, is not."""
    await register(database)
    closing, _ = await open_some(database, an_opening(1, "srv-1"), an_opening(1, "srv-2"))
    await correlate_all(database)
    async with database.write() as tx:
        await close_by_recovery(tx, ORGANIZATION, [Closing(closing.id, 1, "Rule 1", NOW, NOW, 5)], NOW)
    await correlate_all(database)
    keeper = IncidentKeeper(database, OrganizationSettings(incidents_auto_resolve_after_minutes=minutes), Retention())
    before = await read_incidents()
    await keeper.tick(NOW + timedelta(minutes=4, seconds=59))
    assert await read_incidents() == before
    now = NOW + timedelta(minutes=6)
    await keeper.tick(now)
    resolved = replace(
        before[0],
        state=IncidentState.RESOLVED,
        resolve_time=now,
        resolve_note="Auto-resolved: no active alert for 5 minutes",
        resolution_classification=Classification.RESOLVED,
        active_alert_count_at_resolution=0,
        update_time=now,
    )
    assert await read_incidents() == (before if minutes is None else [resolved, before[1]])
    async with database.read() as tx:
        audited = [(row.action, row.actor_name) for row in await tx.execute(select(audit_logs))]
    assert audited == ([] if minutes is None else [("Incident.Resolved", "system")])


async def test_keeper_drops_what_is_past_its_time(database: Database, caller: Caller, read_incidents: ReadIncidents) -> None:
    """Incidents, alerts and violations, each after its own time, and once an hour."""
    await register(database)
    (alert,) = await open_some(database, an_opening(1, "srv-1"))
    evidence = NewViolation(1, "cpu.usage", NOW, 95.0, Direction.ABOVE, Severity.WARNING, "", NOW, alert_id=alert.id)
    async with database.write() as tx:
        await violations.record(tx, ORGANIZATION, [evidence])
        await close_by_recovery(tx, ORGANIZATION, [Closing(alert.id, 1, "Rule 1", NOW, NOW, 5)], NOW)
    await correlate_all(database)
    async with database.write() as tx:
        await handling.resolve(tx, caller, 1, "done", "Resolved", NOW)

    async def left() -> tuple[int, int, int]:
        async with database.read() as tx:
            found = await violations.list_violations(tx, ORGANIZATION, ViolationFilter())
            return len(await read_incidents()), len(await find_alerts(tx, ORGANIZATION, [alert.id])), len(found)

    keeper = IncidentKeeper(database, OrganizationSettings(), Retention(timedelta(days=2), timedelta(days=1)))
    day = timedelta(days=1)
    for moment, expected in ((day, (1, 1, 1)), (day + HOUR, (1, 1, 0)), (2 * day, (1, 1, 0)), (2 * day + HOUR, (0, 0, 0))):
        assert await keeper.tick(NOW + moment) is False
        assert await left() == expected
