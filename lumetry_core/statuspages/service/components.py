"""The components of the status page (contract monitoring 14.1)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.access.service.audit import Change, record_audit, record_audits
from lumetry_core.feed.service import subscribe, unsubscribe
from lumetry_core.runtime.caller import Caller, system_caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found
from lumetry_core.statuspages.drafts import ComponentDraft, read_name, read_new
from lumetry_core.statuspages.model import QUEUE, Component, MonitorKey, Standing, audited_component
from lumetry_core.statuspages.service.groups import lock_group
from lumetry_core.statuspages.service.standings import read_situation
from lumetry_core.statuspages.service.states import read_states
from lumetry_core.statuspages.store import components as store

ENTITY = "StatusComponent"
SUBJECT = "components"
"""Who of the queue wants events."""
HEARD = frozenset(
    {
        "container.state_changed",
        "container.health_changed",
        "container.discovered",
        "container.archived",
        "endpoint.status_changed",
        "endpoint.updated",
        "endpoint.removed",
        "heartbeat.status_changed",
        "heartbeat.alert",
        "heartbeat.recovery",
        "heartbeat.updated",
        "heartbeat.deleted",
        "certificate.status_changed",
        "certificate.updated",
        "certificate.deleted",
    }
)
"""The events after which a component may look different."""


async def list_components(tx: Transaction, caller: Caller, now: datetime) -> list[Standing]:
    """All components whose monitor exists, by the order of their groups, their own order and name."""
    return list((await read_situation(tx, caller.organization_id, now)).standings)


async def create_component(tx: Transaction, caller: Caller, draft: ComponentDraft, now: datetime) -> Standing:
    """Shows a monitor. Fails with VALIDATION_FAILED, NOT_FOUND for monitor and group, CONFLICT when the monitor has a component."""
    organization_id = caller.organization_id
    faults = Faults()
    kind, name = read_new(draft, faults)
    faults.raise_if_any()
    await check_monitor(tx, organization_id, (kind, draft.monitor_id))
    if draft.group_id:
        await lock_group(tx, organization_id, draft.group_id)
    component = Component(
        id=0,
        organization_id=organization_id,
        monitor_kind=kind,
        monitor_id=draft.monitor_id,
        display_name=name,
        group_id=draft.group_id or None,
        display_order=draft.display_order or 0,
        is_visible=draft.is_visible is not False,
        override=draft.override,
        auto_incident=draft.auto_incident is True,
        create_time=now,
        update_time=now,
    )
    number = await store.insert_component(tx, component)
    if number is None:
        message = f"The {kind} {draft.monitor_id} has a status component already."
        raise LumetryError(Reason.CONFLICT, message, type=ENTITY, id="", state="exists")
    created = replace(component, id=number)
    await record_audit(tx, caller, f"{ENTITY}.Created", ENTITY, number, now, after=audited_component(created))
    await hear(tx, organization_id)
    return await find_standing(tx, created, now)


async def update_component(tx: Transaction, caller: Caller, component_id: int, draft: ComponentDraft, now: datetime) -> Standing:
    """Changes what is given of a component. Fails with VALIDATION_FAILED, NOT_FOUND for component and group."""
    organization_id = caller.organization_id
    faults = Faults()
    name = None if draft.display_name is None else read_name(draft.display_name, "display_name", faults)
    faults.raise_if_any()
    before = await lock_component(tx, organization_id, component_id)
    if draft.group_id:
        await lock_group(tx, organization_id, draft.group_id)
    after = replace(
        before,
        display_name=before.display_name if name is None else name,
        group_id=before.group_id if draft.group_id is None else draft.group_id or None,
        display_order=before.display_order if draft.display_order is None else draft.display_order,
        is_visible=before.is_visible if draft.is_visible is None else draft.is_visible,
        override=draft.override if draft.overrides else before.override,
        auto_incident=before.auto_incident if draft.auto_incident is None else draft.auto_incident,
        update_time=now,
    )
    await store.update_component(tx, after)
    await record_audit(tx, caller, f"{ENTITY}.Updated", ENTITY, component_id, now, audited_component(before), audited_component(after))
    tx.wake(QUEUE)
    return await find_standing(tx, after, now)


async def delete_component(tx: Transaction, caller: Caller, component_id: int, now: datetime) -> None:
    """Shows a monitor no more. Fails with NOT_FOUND."""
    before = await lock_component(tx, caller.organization_id, component_id)
    await remove_components(tx, caller, [before], now)


async def remove_orphans(tx: Transaction, organization_id: int, now: datetime) -> None:
    """Removes the components whose monitor is gone; lists leave them out already."""
    components = await store.list_components(tx, organization_id)
    readings = await read_states(tx, organization_id, (component.key for component in components))
    orphans = [component for component in components if component.key not in readings]
    if orphans:
        await remove_components(tx, system_caller(organization_id), orphans, now)


async def remove_components(tx: Transaction, caller: Caller, components: Sequence[Component], now: datetime) -> None:
    """Removes components that exist."""
    await store.delete_components(tx, caller.organization_id, [component.id for component in components])
    removed = [Change(f"{ENTITY}.Deleted", ENTITY, component.id, audited_component(component), None) for component in components]
    await record_audits(tx, caller, removed, now)
    await hear(tx, caller.organization_id)


async def hear(tx: Transaction, organization_id: int) -> None:
    """Hears of monitors as long as there is anything to show."""
    if await store.count_components(tx, organization_id):
        await subscribe(tx, organization_id, QUEUE, SUBJECT, HEARD)
    else:
        await unsubscribe(tx, organization_id, QUEUE, SUBJECT)
    tx.wake(QUEUE)


async def find_standing(tx: Transaction, component: Component, now: datetime) -> Standing:
    """One component as it is now. Fails with NOT_FOUND when its monitor has just gone."""
    for standing in (await read_situation(tx, component.organization_id, now)).standings:
        if standing.component.id == component.id:
            return standing
    raise not_found("Status component", component.id)


async def lock_component(tx: Transaction, organization_id: int, component_id: int) -> Component:
    """A component whose monitor exists, kept from changing until the transaction ends. Fails with NOT_FOUND."""
    found = await store.find_component(tx, organization_id, component_id, lock=True)
    if found is None or not await read_states(tx, organization_id, [found.key]):
        raise not_found("Status component", component_id)
    return found


async def check_monitor(tx: Transaction, organization_id: int, key: MonitorKey) -> None:
    """Fails with NOT_FOUND unless a monitor exists."""
    if not await read_states(tx, organization_id, [key]):
        raise not_found(key[0].capitalize(), key[1])


async def count_status_components(tx: Transaction, organization_id: int) -> int:
    """How many components an organization has."""
    return await store.count_components(tx, organization_id)
