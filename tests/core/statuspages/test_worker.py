"""The worker against real monitors, alerts and incidents."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from lumetry_core.access.service.organizations import create_organization
from lumetry_core.alerts.service.windows import delete_window
from lumetry_core.heartbeats.model import PingKind
from lumetry_core.incidents.service.handling import acknowledge, resolve
from lumetry_core.runtime.events import read_range
from lumetry_core.statuspages.announcements import TEXT_OF
from lumetry_core.statuspages.changes import (
    ComponentChanged,
    GlobalChanged,
    IncidentCreated,
    IncidentResolved,
    IncidentUpdated,
    MaintenanceEnded,
    MaintenanceStarted,
)
from lumetry_core.statuspages.drafts import ComponentDraft
from lumetry_core.statuspages.model import TOPIC, Status
from lumetry_core.statuspages.page import PublicSeverity, PublicStatus
from lumetry_core.statuspages.service import telling
from lumetry_core.statuspages.service.components import update_component
from lumetry_core.statuspages.service.organization import PublicOrganization
from lumetry_core.statuspages.worker import StatusKeeper
from tests.core.statuspages.building import SECRET, World


async def test_tell_outage_and_incident(world: World) -> None:
    """An outage, its incident, who takes it over and its end are told in order, each once, under public names only."""
    monitor = await world.monitor()
    shown = await world.show(monitor, "Shop", auto_incident=True)
    await world.work()
    assert await world.told() == []  # there was nobody to tell before the first look

    world.clock.advance(minutes=1)
    await world.ping(monitor, PingKind.FAIL)
    await world.work()
    down = ComponentChanged(shown.component.id, "Shop", Status.DEGRADED, "Other")
    assert await world.told() == [down, GlobalChanged(Status.DEGRADED, "Degraded Performance")]

    await world.correlate()
    await world.work()
    told = await world.told()
    [incident] = (await world.view()).page.incidents
    title = "Issue affecting Shop"
    assert told[2:] == [IncidentCreated(incident.id, title, PublicSeverity.CRITICAL, PublicStatus.INVESTIGATING, ("Shop",))]

    world.clock.advance(minutes=1)
    async with world.database.write() as tx:
        await acknowledge(tx, world.caller, incident.id, SECRET, world.clock.now())
    await world.work()
    world.clock.advance(minutes=1)
    await world.ping(monitor)
    await world.correlate()
    async with world.database.write() as tx:
        await resolve(tx, world.caller, incident.id, SECRET, "Resolved", world.clock.now())
    await world.work()
    await world.work()
    assert (await world.told())[3:] == [
        IncidentUpdated(incident.id, PublicStatus.IDENTIFIED, TEXT_OF[PublicStatus.IDENTIFIED]),
        ComponentChanged(shown.component.id, "Shop", Status.OPERATIONAL, "Other"),
        GlobalChanged(Status.OPERATIONAL, "All Systems Operational"),
        IncidentResolved(incident.id, title),
    ]
    view = await world.view()
    assert [update.status for update in view.page.incidents[0].updates] == ["investigating", "identified", "resolved"]
    assert SECRET not in str(await world.told()) + str(view)

    world.clock.advance(hours=24)
    await world.ping(monitor)
    await world.work()
    assert (await world.view()).page.incidents == ()


async def test_tell_short_incident(world: World) -> None:
    """An alert that came and went before anybody looked is public all the same."""
    monitor = await world.monitor()
    await world.show(monitor, "Shop", auto_incident=True)
    await world.work()
    await world.ping(monitor, PingKind.FAIL)
    await world.ping(monitor)
    await world.correlate()
    await world.work()
    assert [type(change) for change in await world.told()] == [IncidentCreated]


@pytest.mark.parametrize("changes", [{"auto_incident": False}, {"auto_incident": True, "is_visible": False}])
async def test_keep_other_incidents_private(world: World, changes: dict[str, Any]) -> None:
    """Incidents of components that do not tell theirs, or that nobody sees, are not public."""
    monitor = await world.monitor()
    await world.show(monitor, "Shop", **changes)
    await world.work()
    await world.ping(monitor, PingKind.FAIL)
    await world.correlate()
    await world.work()
    assert (await world.view()).page.incidents == ()
    assert not any(isinstance(change, IncidentCreated) for change in await world.told())


async def test_end_incident_that_is_hidden(world: World) -> None:
    """An incident that is public no more, because its component is hidden, ends for those who follow it."""
    monitor = await world.monitor()
    shown = await world.show(monitor, "Shop", auto_incident=True)
    await world.work()
    await world.ping(monitor, PingKind.FAIL)
    await world.correlate()
    await world.work()
    [incident] = (await world.view()).page.incidents
    async with world.database.write() as tx:
        await update_component(tx, world.caller, shown.component.id, ComponentDraft(is_visible=False), world.clock.now())
    assert (await world.view()).page.incidents == ()
    await world.work()
    assert (await world.told())[-2:] == [
        GlobalChanged(Status.OPERATIONAL, "All Systems Operational"),
        IncidentResolved(incident.id, "Issue affecting Shop"),
    ]


async def test_tell_maintenance(world: World) -> None:
    """A window is announced a week ahead, and its start and end are told with what they do to components."""
    shown = await world.show(await world.monitor(interval_seconds=604_800), "Shop")
    now = world.clock.now()
    window = await world.maintain(start_time=now + timedelta(days=8), end_time=now + timedelta(days=8, hours=1))
    await world.work()
    assert (await world.view()).page.maintenance == ()
    world.clock.advance(days=1)
    await world.work()
    [planned] = (await world.view()).page.maintenance
    assert (planned.id, planned.names, planned.is_active) == (window.id, ("Shop",), False)
    assert await world.told() == []
    world.clock.advance(days=7)
    await world.work()
    assert [standing.derived for standing in await world.standings()] == [Status.UNDER_MAINTENANCE]
    world.clock.advance(hours=1)
    await world.work()
    title = "Scheduled maintenance"
    number = shown.component.id
    after = (await world.standings())[0].derived
    assert await world.told() == [
        MaintenanceStarted(window.id, title, ("Shop",)),
        ComponentChanged(number, "Shop", Status.UNDER_MAINTENANCE, "Other"),
        GlobalChanged(Status.UNDER_MAINTENANCE, "Scheduled Maintenance"),
        MaintenanceEnded(window.id, title, ("Shop",)),
        ComponentChanged(number, "Shop", after, "Other"),
        GlobalChanged(after, "All Systems Operational"),
    ]


async def test_end_maintenance_that_is_removed(world: World) -> None:
    """A window that is deleted while it lasts ends at once."""
    await world.show(await world.monitor(), "Shop")
    now = world.clock.now()
    window = await world.maintain(start_time=now, end_time=now + timedelta(hours=1))
    await world.work()
    async with world.database.write() as tx:
        await delete_window(tx, world.caller, window.id, now)
    await world.work()
    assert (await world.told())[0] == MaintenanceEnded(window.id, "Scheduled maintenance", ("Shop",))


async def test_tell_nothing_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies before its commit leaves nothing behind; the next one tells it once, whatever number of workers there are."""
    monitor = await world.monitor()
    await world.show(monitor, "Shop")
    await world.work()
    await world.ping(monitor, PingKind.FAIL)

    async def die(*_arguments: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(telling.store, "write_page", die)
        with pytest.raises(RuntimeError):
            await world.work()
    assert await world.told() == []
    other = StatusKeeper(world.database, PublicOrganization(""))
    await world.work()
    while await other.tick(world.clock.now()):
        pass
    assert [type(change) for change in await world.told()] == [ComponentChanged, GlobalChanged]
    async with world.database.read() as tx:
        _, last_id = await read_range(tx, world.caller.organization_id, [TOPIC])
    assert (await world.view()).last_event_id == last_id


async def test_tell_of_public_organization_only(world: World) -> None:
    """Other organizations have no public page, and one that does not exist is no reason to stop."""
    async with world.database.write() as tx:
        await create_organization(tx, "Other", world.clock.now())
    monitor = await world.monitor()
    await world.show(monitor, "Shop")
    for slug in ("other", "nobody"):
        keeper = StatusKeeper(world.database, PublicOrganization(slug))
        await keeper.tick(world.clock.now())
        await world.ping(monitor, PingKind.FAIL)
        await keeper.tick(world.clock.now())
    assert await world.told() == []


async def test_keep_private_what_monitors_say(world: World) -> None:
    """Nothing of a monitor's name, its alerts or people's notes reaches the stored page or the events."""
    monitor = await world.monitor(f"{SECRET} postgres://root:pw@10.0.0.7")
    await world.show(monitor, "Shop", auto_incident=True)
    now = world.clock.now()
    await world.maintain(start_time=now + timedelta(hours=1), end_time=now + timedelta(hours=2))
    await world.work()
    await world.ping(monitor, PingKind.FAIL)
    await world.correlate()
    await world.work()
    view = await world.view(with_days=True)
    text = msgspec.json.encode([view, await world.told()]).decode()
    assert "Issue affecting Shop" in text
    for private in (SECRET, "postgres", "10.0.0.7", "admin", monitor.uuid):
        assert private not in text
