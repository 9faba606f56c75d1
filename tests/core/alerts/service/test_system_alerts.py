from dataclasses import replace

import msgspec
import pytest

from lumetry_core.alerts.model import SystemAlert, SystemAlertState
from lumetry_core.alerts.service import reading, system_alerts
from lumetry_core.notices.model import NoticeDraft, NoticeKind, NoticeSeverity
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.runtime.events import read_after
from tests.core.notices.people import add_person, read_inbox

CALLER = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE)


async def raise_it(database: Database, clock: Clock, message: str, subject_id: str = "4", organization_id: int = 7) -> SystemAlert:
    async with database.write() as tx:
        return await system_alerts.raise_system_alert(
            tx, organization_id, "EvaluationJobFailed", Severity.WARNING, message, "EvaluationJob", subject_id, clock.now()
        )


async def close_it(database: Database, clock: Clock) -> SystemAlert | None:
    async with database.write() as tx:
        return await system_alerts.close_system_alert(tx, 7, "EvaluationJobFailed", "EvaluationJob", "4", clock.now())


async def test_system_alert_lives_once_for_each_subject(database: Database, clock: Clock) -> None:
    """Repetition counts on the open one; after its close a new one opens."""
    first = await raise_it(database, clock, "one")
    start = clock.now()
    assert first == SystemAlert(
        id=first.id,
        organization_id=7,
        code="EvaluationJobFailed",
        severity=Severity.WARNING,
        state=SystemAlertState.OPEN,
        message="one",
        subject_type="EvaluationJob",
        subject_id="4",
        first_seen_time=start,
        last_seen_time=start,
        close_time=None,
        occurrence_count=1,
    )
    clock.advance(minutes=1)  # type: ignore[attr-defined]
    again = await raise_it(database, clock, "two")
    assert again == replace(first, message="two", last_seen_time=clock.now(), occurrence_count=2)
    closed = await close_it(database, clock)
    assert closed == replace(again, state=SystemAlertState.CLOSED, close_time=clock.now())
    assert await close_it(database, clock) is None
    clock.advance(minutes=1)  # type: ignore[attr-defined]
    second = await raise_it(database, clock, "three")
    assert second.id > first.id
    async with database.read() as tx:
        found = await read_after(tx, 7, 0, ["systemAlerts"], 10)
        assert await reading.search_system_alerts(tx, CALLER, "", 0) == [second, closed]
    assert [(event.kind, msgspec.msgpack.decode(event.subject, type=SystemAlert)) for event in found] == [
        ("systemAlert.opened", first),
        ("systemAlert.closed", closed),
        ("systemAlert.opened", second),
    ]


async def test_search_system_alerts_filters(database: Database, clock: Clock) -> None:
    """By state, ignoring case, newest first; other organizations' are not shown; faults are named."""
    first = await raise_it(database, clock, "one")
    second = await raise_it(database, clock, "two", subject_id="5")
    await raise_it(database, clock, "three", organization_id=8)
    closed = await close_it(database, clock)
    assert closed is not None
    assert closed.id == first.id
    async with database.read() as tx:
        assert await reading.search_system_alerts(tx, CALLER, "open", 0) == [second]
        assert await reading.search_system_alerts(tx, CALLER, "Closed", 0) == [closed]
        assert await reading.search_system_alerts(tx, CALLER, "", 1) == [second]
        with pytest.raises(LumetryError) as failure:
            await reading.search_system_alerts(tx, CALLER, "x", -1)
    assert [fault.path for fault in failure.value.faults] == ["status", "limit"]


async def test_system_alert_is_told_to_all_members_once(database: Database, clock: Clock) -> None:
    """Every active user has a notice as severe as the alert; a repetition tells nothing, a new alert does."""
    member = await add_person(database, 7, "member", "Viewer", clock.now())
    await add_person(database, 8, "stranger", "Admin", clock.now())
    first = await raise_it(database, clock, "one")
    await raise_it(database, clock, "two")
    [notice] = await read_inbox(database, 7, member)
    assert notice.draft == NoticeDraft(
        kind=NoticeKind.SYSTEM,
        severity=NoticeSeverity.WARNING,
        title="An evaluation job was given up",
        body="one",
        resource_type="system_alert",
        resource_id=str(first.id),
        link="/system-alerts",
    )
    await close_it(database, clock)
    await raise_it(database, clock, "three")
    assert [each.draft.body for each in await read_inbox(database, 7, member)] == ["one", "three"]
    assert await read_inbox(database, 8, member + 1) == []
