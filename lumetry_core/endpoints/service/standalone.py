"""Endpoints that people enter: creating, changing and deleting them (contract monitoring 5.2, 5.3)."""

from dataclasses import replace
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.alerts.monitors import EntityType
from lumetry_core.alerts.service.monitors import end_for_entities
from lumetry_core.certificates.service.observing import release_endpoints
from lumetry_core.endpoints.drafts import EndpointDraft, check_config, check_name
from lumetry_core.endpoints.facts import audited, tell_discovered, tell_removed, tell_updated
from lumetry_core.endpoints.judging import reset
from lumetry_core.endpoints.model import WAKE, Config, Endpoint, Removal, Source
from lumetry_core.endpoints.schedule import plan_first
from lumetry_core.endpoints.sealing import Rules, seal_headers
from lumetry_core.endpoints.service.reading import unknown
from lumetry_core.endpoints.store import endpoints as store
from lumetry_core.feed.service import tell
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Fault, Faults, LumetryError, Reason
from lumetry_core.topology.service.nodes import find_nodes
from lumetry_core.topology.service.references import refer
from lumetry_core.uptime.model import MonitorType
from lumetry_core.uptime.service import forget

ENTITY = "Endpoint"
"""Also what endpoints are called where the topology notes who refers to nodes."""
AT_ONCE = 0.0


async def create_endpoint(tx: Transaction, caller: Caller, draft: EndpointDraft, rules: Rules, now: datetime) -> Endpoint:
    """Creates a standalone endpoint, which is checked at once. Fails with VALIDATION_FAILED (or `url_not_allowed`), DUPLICATE_NAME."""
    organization_id = caller.organization_id
    faults = Faults()
    name = check_name(draft.name, faults)
    checked = check_config(draft, None, rules.policy, faults)
    sealed = seal_headers(draft.headers, None, organization_id, rules.vault, faults)
    await check_node(tx, organization_id, draft.topology_node_id, faults)
    raise_if_any(faults, checked.objection)
    await check_free(tx, organization_id, name, None)
    endpoint = Endpoint(
        id=0,
        organization_id=organization_id,
        source=Source.STANDALONE,
        name=name,
        config=checked.config,
        sealed=sealed,
        topology_node_id=draft.topology_node_id,
        first_seen_time=now,
        last_seen_time=now,
    )
    created = replace(endpoint, id=await store.insert_endpoint(tx, endpoint, plan_first(now, AT_ONCE)))
    await refer(tx, organization_id, ENTITY, created.id, node_ids(created))
    await record_audit(tx, caller, f"{ENTITY}.Created", ENTITY, created.id, now, after=audited(created))
    await tell(tx, organization_id, [tell_discovered(created)], now)
    tx.wake(WAKE)
    return created


async def update_endpoint(tx: Transaction, caller: Caller, endpoint_id: int, draft: EndpointDraft, rules: Rules, now: datetime) -> Endpoint:
    """Changes what is sent of a standalone endpoint and checks it at once.

    Fails with NOT_FOUND, CONFLICT (`not_standalone`), VALIDATION_FAILED (or `url_not_allowed`), DUPLICATE_NAME.
    """
    organization_id = caller.organization_id
    before = await lock_standalone(tx, organization_id, endpoint_id)
    faults = Faults()
    name = before.name or "" if draft.name is None else check_name(draft.name, faults)
    checked = check_config(draft, before.config, rules.policy, faults)
    sealed = seal_headers(draft.headers, before, organization_id, rules.vault, faults)
    await check_node(tx, organization_id, draft.topology_node_id, faults)
    raise_if_any(faults, checked.objection)
    await check_free(tx, organization_id, name, endpoint_id)
    node_id = None if draft.clears_topology_node else draft.topology_node_id or before.topology_node_id
    after = replace(before, name=name, config=checked.config, sealed=sealed, topology_node_id=node_id, last_seen_time=now)
    if is_another(before.config, after.config):
        after = replace(after, progress=reset(before.progress))
        await end_for_entities(tx, organization_id, EntityType.ENDPOINT, [endpoint_id], "The endpoint was changed", now)
        await release_endpoints(tx, organization_id, [endpoint_id], now)
    await store.update_endpoint(tx, after, plan_first(now, AT_ONCE))
    await refer(tx, organization_id, ENTITY, endpoint_id, node_ids(after))
    await record_audit(tx, caller, f"{ENTITY}.Updated", ENTITY, endpoint_id, now, audited(before), audited(after))
    await tell(tx, organization_id, [tell_updated(after)], now)
    tx.wake(WAKE)
    return after


async def delete_endpoint(tx: Transaction, caller: Caller, endpoint_id: int, now: datetime) -> None:
    """Deletes a standalone endpoint and resolves its alerts. Fails with NOT_FOUND, CONFLICT (`not_standalone`)."""
    organization_id = caller.organization_id
    before = await lock_standalone(tx, organization_id, endpoint_id)
    await end_for_entities(tx, organization_id, EntityType.ENDPOINT, [endpoint_id], "The endpoint was deleted", now)
    await release_endpoints(tx, organization_id, [endpoint_id], now)
    await refer(tx, organization_id, ENTITY, endpoint_id, [])
    await store.delete_endpoints(tx, organization_id, [endpoint_id])
    await forget(tx, organization_id, MonitorType.ENDPOINT, [endpoint_id])
    await record_audit(tx, caller, f"{ENTITY}.Deleted", ENTITY, endpoint_id, now, before=audited(before))
    await tell(tx, organization_id, [tell_removed(before, Removal.DELETED)], now)


async def lock_standalone(tx: Transaction, organization_id: int, endpoint_id: int) -> Endpoint:
    """An endpoint that people may change, which nobody else does until the transaction ends."""
    found = await store.find_endpoint(tx, organization_id, endpoint_id, lock=True)
    if found is None:
        raise unknown(endpoint_id)
    if found.source is not Source.STANDALONE:
        message = f"Endpoint {endpoint_id} belongs to the label {found.owner.label_key} of the container {found.owner.container_name}."
        raise LumetryError(Reason.CONFLICT, message, type=ENTITY, id=str(endpoint_id), state="label", code="not_standalone")
    return found


async def check_node(tx: Transaction, organization_id: int, node_id: int | None, faults: Faults) -> None:
    """Notes a topology node that does not exist."""
    if node_id is not None:
        found = await find_nodes(tx, organization_id, [node_id], hold=True)
        faults.check(node_id in found, "topology_node_id", f"topology node {node_id} does not exist")


async def check_free(tx: Transaction, organization_id: int, name: str, own_id: int | None) -> None:
    """Fails with DUPLICATE_NAME when another standalone endpoint has the name, ignoring case."""
    if await store.find_named(tx, organization_id, name) not in (None, own_id):
        raise LumetryError(Reason.DUPLICATE_NAME, f"An endpoint named '{name}' exists already.", type=ENTITY)


def raise_if_any(faults: Faults, objection: str | None) -> None:
    """Fails when anything is wrong; when nothing but where the target leads is, by the code that says so."""
    if objection is None:
        faults.raise_if_any()
    elif faults:
        faults.add("target", objection)
        faults.raise_if_any()
    else:
        fault = Fault("target", objection)
        raise LumetryError(Reason.VALIDATION_FAILED, "The address is not allowed.", faults=(fault,), code="url_not_allowed")


def is_another(before: Config, after: Config) -> bool:
    """Whether what was found so far says nothing of what is checked now."""
    return (before.target, before.endpoint_type, before.method, before.expected_status) != (
        after.target,
        after.endpoint_type,
        after.method,
        after.expected_status,
    )


def node_ids(endpoint: Endpoint) -> list[int]:
    """The topology nodes that an endpoint names."""
    return [] if endpoint.topology_node_id is None else [endpoint.topology_node_id]
