from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event

from lumetry_core.alerts.service.membership import suppress
from lumetry_core.alerts.service.silences import MatchersDraft, SilenceDraft, create_silence
from lumetry_core.alerts.service.transitions import escalate
from lumetry_core.incidents.service.handling import resolve, resolve_inactive
from lumetry_core.incidents.store.incidents import find_incidents, update_incidents
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from tests.core.incidents.building import NOW, ORGANIZATION, an_opening, correlate_all, open_some
from tests.core.incidents.service.test_correlating import an_escalation
from tests.core.notices.people import add_person, read_inbox, read_told


@pytest.fixture
async def viewer(database: Database) -> int:
    """A user who sees alerts, beside one who does not."""
    await add_person(database, ORGANIZATION, "pusher", "Ingest", NOW)
    return await add_person(database, ORGANIZATION, "viewer", "Viewer", NOW)


async def test_inbox_tells_of_opened_and_resolved_incidents(database: Database, caller: Caller, viewer: int) -> None:
    """One notice for each incident that opens, as grave as it is, and one for its end; who does not see alerts gets none."""
    await open_some(database, an_opening(1, "srv-1", severity=Severity.CRITICAL), an_opening(2, "srv-1"), an_opening(3, "srv-2"))
    await correlate_all(database)
    async with database.write() as tx:
        await resolve(tx, caller, 1, "fixed", "Resolved", NOW)
    assert await read_told(database, ORGANIZATION, viewer) == [
        ("incident_opened", "critical", "Incident INC-000001 opened: srv-1"),
        ("incident_opened", "warning", "Incident INC-000002 opened: srv-2"),
        ("incident_resolved", "info", "Incident INC-000001 resolved: srv-1"),
    ]
    assert await read_inbox(database, ORGANIZATION, viewer - 1) == []
    assert await read_inbox(database, ORGANIZATION + 1, viewer) == []


@pytest.mark.parametrize("muted_by", ["silence", "maintenance"])
async def test_inbox_tells_nothing_of_muted_alerts(database: Database, caller: Caller, viewer: int, muted_by: str) -> None:
    """An incident around a silenced alert is not told, and an alert under maintenance has none."""
    if muted_by == "silence":
        draft = SilenceDraft(
            matchers=MatchersDraft(metric_key="cpu.usage"),
            start_time=NOW - timedelta(hours=1),
            end_time=NOW + timedelta(hours=1),
            reason="work",
        )
        async with database.write() as tx:
            await create_silence(tx, caller, draft, NOW)
    alerts = await open_some(database, an_opening(1, "srv-1", severity=Severity.CRITICAL))
    if muted_by == "maintenance":
        async with database.write() as tx:
            await suppress(tx, ORGANIZATION, {alert.id: 5 for alert in alerts}, NOW)
    await correlate_all(database)
    assert await read_inbox(database, ORGANIZATION, viewer) == []


async def test_inbox_tells_of_an_alert_that_rises_after_its_incident(database: Database, caller: Caller, viewer: int) -> None:
    """A watched alert that becomes critical is told by itself: its incident is over; before, its incident told of it."""
    [alert] = await open_some(database, an_opening(17, "srv-1"))
    await correlate_all(database)
    async with database.write() as tx:
        await resolve(tx, caller, 1, "fixed", "Resolved", NOW)
        await escalate(tx, ORGANIZATION, [an_escalation(alert.id)], NOW)
    await correlate_all(database)
    *_, (kind, severity, title) = await read_told(database, ORGANIZATION, viewer)
    assert (kind, severity, title) == ("alert_fired", "critical", "Critical alert: Alert of rule 17")
    [told] = [notice for notice in await read_inbox(database, ORGANIZATION, viewer) if notice.draft.kind == "alert_fired"]
    assert (told.draft.resource_type, told.draft.resource_id) == ("alert", str(alert.id))


async def test_inbox_asks_once_for_whom_many_incidents_concern(database: Database, viewer: int) -> None:
    """However many incidents end in a transaction, it is asked once who sees alerts."""
    await open_some(database, *[an_opening(number, f"srv-{number}") for number in range(1, 6)])
    await correlate_all(database)
    async with database.write() as tx:
        asked: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            if "user_roles" in statement:
                asked.append(statement)

        engine = tx.connection.engine.sync_engine
        event.listen(engine, "before_cursor_execute", note)
        found = await find_incidents(tx, ORGANIZATION, range(1, 6))
        await update_incidents(tx, ORGANIZATION, [replace(incident, active_alert_count=0, inactive_time=NOW) for incident in found])
        await resolve_inactive(tx, ORGANIZATION, 0, NOW)
        event.remove(engine, "before_cursor_execute", note)
    assert len(asked) == 1
    kinds = [kind for kind, _, _ in await read_told(database, ORGANIZATION, viewer)]
    assert kinds == ["incident_opened"] * 5 + ["incident_resolved"] * 5
