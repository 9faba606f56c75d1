from collections.abc import Awaitable, Callable
from dataclasses import replace

import msgspec
import pytest
from sqlalchemy import select, update

from lumetry_core.access.service.evaluation_version import read_evaluation_version
from lumetry_core.access.store.audit import audit_logs
from lumetry_core.alerts.model import Alert, AlertState, CloseCause, Opening, SourceKind
from lumetry_core.alerts.service import handling, reading
from lumetry_core.alerts.store.alerts import alerts
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason

Build = Callable[..., Opening]
Open = Callable[..., Awaitable[list[Alert]]]
CALLER = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin")
Verb = Callable[..., Awaitable[Alert]]


async def do(database: Database, clock: Clock, verb: Verb, alert_id: int, note: str = "") -> Alert:
    async with database.write() as tx:
        return await verb(tx, CALLER, alert_id, note, clock.now())


async def fail(database: Database, clock: Clock, verb: Verb, alert_id: int, note: str = "") -> LumetryError:
    with pytest.raises(LumetryError) as failure:
        await do(database, clock, verb, alert_id, note)
    return failure.value


async def audits(database: Database) -> list[tuple[str, str, object, object]]:
    async with database.read() as tx:
        rows = await tx.execute(select(audit_logs).order_by(audit_logs.c.id))
        return [
            (row.action, row.entity_id, msgspec.json.decode(row.old_values_json), msgspec.json.decode(row.new_values_json)) for row in rows
        ]


async def test_acknowledge_marks_ownership_once(database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """The first acknowledgement counts; a second one changes and records nothing."""
    (opened,) = await open_all(opening())
    first = await do(database, clock, handling.acknowledge, opened.id, "on it")
    assert first == replace(
        opened, state=AlertState.ACKNOWLEDGED, acknowledge_time=clock.now(), acknowledged_by="admin", update_time=clock.now()
    )
    clock.advance(minutes=1)  # type: ignore[attr-defined]
    assert await do(database, clock, handling.acknowledge, opened.id, "again") == first
    async with database.read() as tx:
        assert await reading.get_alert(tx, 7, opened.id) == first
    assert await audits(database) == [
        ("Alert.Acknowledged", str(opened.id), {"status": "Open"}, {"status": "Acknowledged", "note": "on it"})
    ]


async def test_close_ends_now(database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """A person's close ends the alert now and makes evaluation derive its state anew; a second one changes nothing."""
    (opened,) = await open_all(opening())
    await do(database, clock, handling.acknowledge, opened.id)
    clock.advance(minutes=1)  # type: ignore[attr-defined]
    closed = await do(database, clock, handling.close, opened.id)
    assert (closed.state, closed.end_time, closed.close_cause) == (AlertState.CLOSED, clock.now(), CloseCause.PERSON)
    clock.advance(minutes=1)  # type: ignore[attr-defined]
    assert await do(database, clock, handling.close, opened.id) == closed
    async with database.read() as tx:
        assert await read_evaluation_version(tx, 7) >= 1
        explanation = await reading.explain(tx, CALLER, opened.id, "Close")
    assert explanation.gates[0].reason == "Closed by admin"
    assert [row[0] for row in await audits(database)] == ["Alert.Acknowledged", "Alert.Closed"]


async def test_acknowledge_fails_on_a_closed_alert(database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """Closed is final."""
    (opened,) = await open_all(opening())
    await do(database, clock, handling.close, opened.id)
    assert (await fail(database, clock, handling.acknowledge, opened.id)).reason is Reason.CONFLICT


async def test_close_leaves_recovery_to_the_source(database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """An external alert can be taken over, but not closed by hand."""
    (opened,) = await open_all(opening())
    async with database.write() as tx:
        await tx.execute(update(alerts).values(source_kind=SourceKind.EXTERNAL))
    assert (await do(database, clock, handling.acknowledge, opened.id)).state is AlertState.ACKNOWLEDGED
    assert (await fail(database, clock, handling.close, opened.id)).reason is Reason.CONFLICT


@pytest.mark.parametrize("verb", [handling.acknowledge, handling.close])
async def test_handling_checks_identity_before_the_note(
    database: Database, clock: Clock, opening: Build, open_all: Open, verb: Verb
) -> None:
    """Alerts of other organizations do not exist; a note has at most 2000 characters."""
    (foreign,) = await open_all(opening(), organization_id=8)
    (mine,) = await open_all(opening())
    assert (await fail(database, clock, verb, foreign.id, "x" * 2001)).reason is Reason.NOT_FOUND
    assert (await fail(database, clock, verb, mine.id, "x" * 2001)).faults == (Fault("note", "must have at most 2000 characters"),)
    assert (await do(database, clock, verb, mine.id, "x" * 2000)).state is not AlertState.OPEN
    async with database.read() as tx:
        assert (await reading.get_alert(tx, 8, foreign.id)).state is AlertState.OPEN
