"""The groups of the status page (contract monitoring 14.1)."""

from collections import Counter
from dataclasses import replace
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found
from lumetry_core.statuspages.drafts import GroupDraft, read_name
from lumetry_core.statuspages.model import QUEUE, Group, audited_group
from lumetry_core.statuspages.service.states import read_states
from lumetry_core.statuspages.store import components as component_store
from lumetry_core.statuspages.store import groups as store

ENTITY = "StatusGroup"


async def list_groups(tx: Transaction, caller: Caller) -> list[tuple[Group, int]]:
    """All groups by order and name, each with the number of its components whose monitor exists."""
    groups = await store.list_groups(tx, caller.organization_id)
    counts = await count_members(tx, caller.organization_id)
    return [(group, counts[group.id]) for group in groups]


async def create_group(tx: Transaction, caller: Caller, draft: GroupDraft, now: datetime) -> Group:
    """Adds a group. Fails with VALIDATION_FAILED."""
    faults = Faults()
    name = read_name(draft.name, "name", faults)
    faults.raise_if_any()
    order = draft.display_order or 0
    group = Group(await store.insert_group(tx, caller.organization_id, name, order, now), name, order, now)
    await record_audit(tx, caller, f"{ENTITY}.Created", ENTITY, group.id, now, after=audited_group(group))
    return group


async def update_group(tx: Transaction, caller: Caller, group_id: int, draft: GroupDraft, now: datetime) -> tuple[Group, int]:
    """Changes what is given of a group. Fails with VALIDATION_FAILED, NOT_FOUND."""
    faults = Faults()
    name = None if draft.name is None else read_name(draft.name, "name", faults)
    faults.raise_if_any()
    before = await lock_group(tx, caller.organization_id, group_id)
    after = replace(
        before,
        name=before.name if name is None else name,
        display_order=before.display_order if draft.display_order is None else draft.display_order,
    )
    await store.update_group(tx, caller.organization_id, after)
    await record_audit(tx, caller, f"{ENTITY}.Updated", ENTITY, group_id, now, audited_group(before), audited_group(after))
    tx.wake(QUEUE)
    return after, (await count_members(tx, caller.organization_id))[group_id]


async def delete_group(tx: Transaction, caller: Caller, group_id: int, now: datetime) -> None:
    """Removes a group; its components belong to none any more. Fails with NOT_FOUND."""
    before = await lock_group(tx, caller.organization_id, group_id)
    await component_store.leave_group(tx, caller.organization_id, group_id)
    await store.delete_group(tx, caller.organization_id, group_id)
    await record_audit(tx, caller, f"{ENTITY}.Deleted", ENTITY, group_id, now, before=audited_group(before))
    tx.wake(QUEUE)


async def lock_group(tx: Transaction, organization_id: int, group_id: int) -> Group:
    """A group, kept from changing until the transaction ends. Fails with NOT_FOUND."""
    found = await store.find_group(tx, organization_id, group_id, lock=True)
    if found is None:
        raise not_found("Status group", group_id)
    return found


async def count_members(tx: Transaction, organization_id: int) -> Counter[int]:
    """How many components with an existing monitor each group has."""
    components = await component_store.list_components(tx, organization_id)
    readings = await read_states(tx, organization_id, (component.key for component in components))
    return Counter(component.group_id for component in components if component.group_id is not None and component.key in readings)
