"""The mapping of a source's definitions to topology nodes (contract lumetry 13.3)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.external.drafts import DefinitionDraft, check_display_name, check_key
from lumetry_core.external.model import QUEUE, Definition
from lumetry_core.external.store import definitions as store
from lumetry_core.external.store import sources as source_store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found
from lumetry_core.runtime.paging import read_limit
from lumetry_core.runtime.queue import enqueue
from lumetry_core.topology.service.nodes import find_nodes
from lumetry_core.topology.service.references import refer

ENTITY = "ExternalAlertDefinition"
"""Also what definitions are called where the topology notes who refers to nodes."""


async def create_definition(tx: Transaction, caller: Caller, draft: DefinitionDraft, now: datetime) -> Definition:
    """Maps a definition of a source; what is still firing of it is replayed. Fails with VALIDATION_FAILED."""
    organization_id = caller.organization_id
    faults = Faults()
    key = check_key(draft, faults)
    name = check_display_name(draft, faults)
    source_id = await find_source(tx, organization_id, draft.source_id, faults)
    node_id = await find_node(tx, organization_id, draft.node_id, faults)
    if not faults:
        known = await store.find_by_keys(tx, organization_id, [(source_id, key)])
        faults.check(not known, "definitionKey", "is mapped already")
    faults.raise_if_any()
    definition = Definition(
        id=0,
        organization_id=organization_id,
        source_id=source_id,
        key=key,
        node_id=node_id,
        display_name=name,
        is_enabled=draft.is_enabled is not False,
        create_time=now,
        update_time=now,
    )
    created = replace(definition, id=await store.insert_definition(tx, definition))
    await refer(tx, organization_id, ENTITY, created.id, [created.node_id])
    await record_audit(tx, caller, f"{ENTITY}.Created", ENTITY, created.id, now, after=audited(created))
    if created.is_enabled:
        await replay(tx, created, now)
    return created


async def update_definition(tx: Transaction, caller: Caller, definition_id: int, draft: DefinitionDraft, now: datetime) -> Definition:
    """Replaces what may change of a definition; existing alerts stay as they are. Fails with NOT_FOUND, VALIDATION_FAILED.

    Enabling replays what is still firing.
    """
    before = await lock_definition(tx, caller.organization_id, definition_id)
    faults = Faults()
    faults.check(draft.source_id in (None, before.source_id), "sourceId", "must stay as it is")
    faults.check(draft.key in (None, before.key), "definitionKey", "must stay as it is")
    name = check_display_name(draft, faults)
    node_id = await find_node(tx, caller.organization_id, draft.node_id, faults)
    faults.raise_if_any()
    after = replace(before, node_id=node_id, display_name=name, is_enabled=draft.is_enabled is not False, update_time=now)
    await store.update_definition(tx, after)
    await refer(tx, caller.organization_id, ENTITY, definition_id, [node_id])
    await record_audit(tx, caller, f"{ENTITY}.Updated", ENTITY, definition_id, now, audited(before), audited(after))
    if after.is_enabled and not before.is_enabled:
        await replay(tx, after, now)
    return after


async def replay(tx: Transaction, definition: Definition, now: datetime) -> None:
    """Has the worker open alerts for what is firing; from now on the definition counts as mapped."""
    await store.delete_unmapped(tx, definition.organization_id, definition.source_id, definition.key)
    await enqueue(tx, definition.organization_id, QUEUE, [("registered", {"definition_id": definition.id})], now)


async def delete_definition(tx: Transaction, caller: Caller, definition_id: int, now: datetime) -> None:
    """Ends the mapping of a definition; its alerts go on until the source resolves them. Fails with NOT_FOUND."""
    await remove_definitions(tx, caller, [await lock_definition(tx, caller.organization_id, definition_id)], now)


async def remove_definitions(tx: Transaction, caller: Caller, definitions: Sequence[Definition], now: datetime) -> None:
    """Removes definitions that exist."""
    for definition in definitions:
        await refer(tx, caller.organization_id, ENTITY, definition.id, [])
        await store.delete_definition(tx, caller.organization_id, definition.id)
        await record_audit(tx, caller, f"{ENTITY}.Deleted", ENTITY, definition.id, now, before=audited(definition))


async def get_definition(tx: Transaction, organization_id: int, definition_id: int) -> Definition:
    """One definition. Fails with NOT_FOUND."""
    found = await store.read_definition(tx, organization_id, definition_id)
    if found is None:
        raise not_found("External alert definition", definition_id)
    return found


async def lock_definition(tx: Transaction, organization_id: int, definition_id: int) -> Definition:
    """One definition, which nobody else changes, and for whose source nobody works, until the transaction ends. Fails with NOT_FOUND."""
    seen = await get_definition(tx, organization_id, definition_id)
    await source_store.read_sources(tx, organization_id, [seen.source_id], lock=True)
    return await get_definition(tx, organization_id, definition_id)


async def list_definitions(tx: Transaction, caller: Caller, source_id: int | None, limit: int) -> list[Definition]:
    """Definitions by name, of one source unless None. Fails with VALIDATION_FAILED (`limit`).

    Args:
        limit: 0: 500.
    """
    faults = Faults()
    size = read_limit(limit, faults=faults)
    faults.raise_if_any()
    return await store.list_definitions(tx, caller.organization_id, source_id, size)


async def find_source(tx: Transaction, organization_id: int, source_id: int | None, faults: Faults) -> int:
    """A source that must be given and exist, which nobody deletes, maps a definition of or works for until the transaction ends.

    So whoever works off its transitions sees either all of a mapping or nothing of it.
    """
    if source_id is None:
        faults.add("sourceId", "is required")
        return 0
    found = await source_store.read_sources(tx, organization_id, [source_id], lock=True)
    faults.check(source_id in found, "sourceId", f"external alert source {source_id} does not exist")
    return source_id


async def find_node(tx: Transaction, organization_id: int, node_id: int | None, faults: Faults) -> int:
    """A topology node that must be given and exist."""
    if node_id is None:
        faults.add("topologyNodeId", "is required")
        return 0
    found = await find_nodes(tx, organization_id, [node_id], hold=True)
    faults.check(node_id in found, "topologyNodeId", f"topology node {node_id} does not exist")
    return node_id


def audited(definition: Definition) -> dict[str, object]:
    """What the audit log keeps of a definition, in the contract's words."""
    return {
        "sourceId": definition.source_id,
        "definitionKey": definition.key,
        "topologyNodeId": definition.node_id,
        "displayName": definition.display_name,
        "enabled": definition.is_enabled,
    }
