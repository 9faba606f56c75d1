from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from lumetry_core.activity.model import Draft, ItemFilter, Resource, Severity
from lumetry_core.alerts.model import Alert, Closing, Escalation, Opening, Trigger
from lumetry_core.alerts.service import handling, silences, transitions, windows
from lumetry_core.alerts.service.muting import delete_silence
from lumetry_core.alerts.service.silences import MatchersDraft, SilenceDraft
from lumetry_core.alerts.service.windows import WindowDraft
from lumetry_core.alerts.worker import OperationsKeeper
from lumetry_core.projects.links import LinkType
from lumetry_core.projects.service import default_project, replace_links
from lumetry_core.rules import model as rules
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.activity.building import read_all

Build = Callable[..., Opening]
Open = Callable[..., Awaitable[list[Alert]]]
CALLER = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin")


async def actions(database: Database) -> list[tuple[str, str, str, str]]:
    """Kind, action, title and actor of all items, oldest first."""
    found = await read_all(database, ItemFilter())
    return [(item.draft.kind, item.draft.action, item.draft.title, item.draft.actor.name) for item in reversed(found)]


async def test_tell_the_life_of_an_alert(database: Database, clock: FakeClock, opening: Build, open_all: Open) -> None:
    """Each transition of an alert is one item, by whom it was made."""
    first, second = await open_all(opening(), opening(rule_id=18))
    trigger = Trigger(12, 5, 10)
    async with database.write() as tx:
        rise = Escalation(first.id, 17, "Database health", rules.Severity.CRITICAL, 4, trigger)
        await transitions.escalate(tx, 7, [rise], clock.now())
        await handling.acknowledge(tx, CALLER, first.id, "", clock.now())
        await transitions.close_by_recovery(tx, 7, [Closing(first.id, 17, "Database health", clock.now(), clock.now(), 5)], clock.now())
        await handling.close(tx, CALLER, second.id, "", clock.now())
    name = "Database is slow"
    assert await actions(database) == [
        ("alert", "fired", f"Alert fired: {name}", "system"),
        ("alert", "fired", f"Alert fired: {name}", "system"),
        ("alert", "escalated", f"Alert escalated to critical: {name}", "system"),
        ("alert", "acknowledged", f"Alert acknowledged: {name}", "admin"),
        ("alert", "resolved", f"Alert resolved: {name}", "system"),
        ("alert", "closed", f"Alert closed: {name}", "admin"),
    ]


async def test_tell_an_alert_with_its_projects(database: Database, clock: FakeClock, opening: Build, open_all: Open) -> None:
    """An item names what the alert is about: rule, machine and the projects that link its metric."""
    async with database.write() as tx:
        project = await default_project(tx, 7, clock.now())
        await replace_links(tx, 7, project.id, {LinkType.METRIC: ["db.latency"]})
    (alert,) = await open_all(opening())
    (item,) = await read_all(database, ItemFilter(machine="A", project_id=project.id))
    assert item.draft == Draft(
        kind="alert",
        action="fired",
        title="Alert fired: Database is slow",
        summary="11 violations within 10 minutes",
        severity=Severity.WARNING,
        project_ids=(project.id,),
        machine="a",
        alert_id=alert.id,
        resource=Resource("rule", "17"),
    )


async def test_tell_maintenance(database: Database, clock: FakeClock, opening: Build, open_all: Open) -> None:
    """A window is scheduled, starts, mutes alerts, ends and lets them fire, or is cancelled: each once."""
    await open_all(opening())
    now = clock.now()
    draft = WindowDraft(scope_type="Global", start_time=now + timedelta(hours=1), end_time=now + timedelta(hours=2), reason="Move")
    keeper = OperationsKeeper(database)
    async with database.write() as tx:
        await windows.create_window(tx, CALLER, draft, now)
        other = await windows.create_window(tx, CALLER, draft, now)
        await windows.delete_window(tx, CALLER, other.window.id, now)
    for minutes in (60, 1, 60, 1):
        await keeper.tick(clock.advance(minutes=minutes))
    assert (await actions(database))[1:] == [
        ("maintenance", "scheduled", "Maintenance scheduled: Move", "admin"),
        ("maintenance", "scheduled", "Maintenance scheduled: Move", "admin"),
        ("maintenance", "cancelled", "Maintenance cancelled: Move", "admin"),
        ("maintenance", "started", "Maintenance started: Move", "system"),
        ("alert", "silenced", "Alert silenced: Database is slow", "system"),
        ("maintenance", "ended", "Maintenance ended: Move", "system"),
        ("alert", "fired", "Alert fired: Database is slow", "system"),
    ]


@pytest.mark.parametrize("is_removed", [True, False])
async def test_tell_silences(database: Database, clock: FakeClock, *, is_removed: bool) -> None:
    """A silence is created and ends, by a person or by itself, once."""
    now = clock.now()
    matchers = MatchersDraft(metric_key="db.latency")
    draft = SilenceDraft(matchers=matchers, start_time=now, end_time=now + timedelta(hours=1), reason="Known")
    async with database.write() as tx:
        created = await silences.create_silence(tx, CALLER, draft, now)
    if is_removed:
        async with database.write() as tx:
            await delete_silence(tx, CALLER, created.id, now)
    keeper = OperationsKeeper(database)
    for minutes in (1, 60, 1):
        await keeper.tick(clock.advance(minutes=minutes))
    assert await actions(database) == [
        ("maintenance", "silence_created", "Silence created: Known", "admin"),
        ("maintenance", "silence_ended", "Silence ended: Known", "admin" if is_removed else "system"),
    ]
