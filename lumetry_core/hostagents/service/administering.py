"""Switching, placing, tagging and revoking agents (contract lumetry 17.2)."""

from dataclasses import replace
from datetime import datetime

from lumetry_core.access.service.agent_credentials import revoke_agent_credentials
from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.settings import read_settings
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.hostagents.drafts import MAX_TAGS, Change
from lumetry_core.hostagents.model import HostAgent, Row, revision_of
from lumetry_core.hostagents.service.reading import make_row
from lumetry_core.hostagents.service.sending import tell_ingestion
from lumetry_core.hostagents.store import agents as store
from lumetry_core.hostagents.store import tags as tag_store
from lumetry_core.metrics.service.senders import remove_sender
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found
from lumetry_core.topology.model import NodeType
from lumetry_core.topology.service.hosts import ensure_host_node, place_in_cluster
from lumetry_core.topology.service.nodes import find_nodes

ENTITY = "Agent"


async def update_agent(
    tx: Transaction, caller: Caller, agent_id: int, change: Change, defaults: OrganizationSettings, now: datetime
) -> Row:
    """Replaces what people write of an agent. Fails with NOT_FOUND, CONFLICT, VALIDATION_FAILED (`enabled`, `clusterId`, `tagIds[…]`)."""
    agent = await lock_agent(tx, caller.organization_id, agent_id)
    before = await make_row(tx, agent, now)
    await check_change(tx, caller.organization_id, change)
    check_alive(agent)
    if (None if before.cluster is None else before.cluster.node_id) != change.cluster_node_id:
        agent = await place(tx, caller, agent, change.cluster_node_id, now)
    if set(change.tag_ids) != {tag.id for tag in before.tags}:
        await tag_store.replace_tags(tx, caller.organization_id, agent.id, change.tag_ids)
    agent = replace(agent, is_enabled=change.is_enabled is True)
    return await conclude(tx, caller, agent, before, defaults, now)


async def switch_agent(
    tx: Transaction, caller: Caller, agent_key: str, *, is_enabled: bool, defaults: OrganizationSettings, now: datetime
) -> Row:
    """Enables or disables the agent of a UUID. Fails with NOT_FOUND, CONFLICT."""
    agent = await store.find_by_key(tx, caller.organization_id, agent_key, lock=True)
    if agent is None:
        raise not_found("Agent", agent_key)
    check_alive(agent)
    before = await make_row(tx, agent, now)
    return await conclude(tx, caller, replace(agent, is_enabled=is_enabled), before, defaults, now)


async def revoke_agent(tx: Transaction, caller: Caller, agent_id: int, now: datetime) -> Row:
    """Voids the credential of an agent for good; repeating it changes nothing. Fails with NOT_FOUND."""
    agent = await lock_agent(tx, caller.organization_id, agent_id)
    before = await make_row(tx, agent, now)
    if agent.revoke_time is not None:
        return before
    agent = replace(agent, revoke_time=now)
    await store.save_agent(tx, agent)
    await revoke_agent_credentials(tx, caller.organization_id, agent.id, now)
    await remove_sender(tx, caller.organization_id, agent.id)
    after = await make_row(tx, agent, now)
    await record_audit(tx, caller, f"{ENTITY}.Revoked", ENTITY, agent.id, now, audited(before), audited(after))
    return after


async def conclude(tx: Transaction, caller: Caller, agent: HostAgent, before: Row, defaults: OrganizationSettings, now: datetime) -> Row:
    """Stores a changed agent, and tells of it when it is another than before."""
    await store.save_agent(tx, agent)
    after = await make_row(tx, agent, now)
    if audited(after) != audited(before):
        settings = await read_settings(tx, caller.organization_id, defaults)
        await tell_ingestion(tx, agent, after.cluster, settings.agents_max_series)
        await record_audit(tx, caller, f"{ENTITY}.Updated", ENTITY, agent.id, now, audited(before), audited(after))
    return after


async def check_change(tx: Transaction, organization_id: int, change: Change) -> None:
    """Fails with VALIDATION_FAILED, naming every fault."""
    faults = Faults()
    faults.check(change.is_enabled is not None, "enabled", "is required")
    number = change.cluster_node_id
    if number is not None:
        node = (await find_nodes(tx, organization_id, [number])).get(number)
        faults.check(node is not None and node.node_type is NodeType.CLUSTER, "clusterId", f"cluster {number} does not exist")
    faults.check(len(change.tag_ids) <= MAX_TAGS, "tagIds", f"must have at most {MAX_TAGS} elements")
    known = await tag_store.find_tags(tx, organization_id, set(change.tag_ids[:MAX_TAGS]))
    for position, tag_id in enumerate(change.tag_ids[:MAX_TAGS]):
        faults.check(tag_id in known, f"tagIds[{position}]", f"tag {tag_id} does not exist")
    faults.raise_if_any()


async def place(tx: Transaction, caller: Caller, agent: HostAgent, cluster_node_id: int | None, now: datetime) -> HostAgent:
    """Moves the host of an agent into a cluster, or out of all; a host that has left the topology comes back."""
    node = await ensure_host_node(tx, caller, agent.host_id, agent.hostname, {"os": agent.os, "arch": agent.arch}, now)
    await place_in_cluster(tx, caller, node.id, cluster_node_id, now)
    return replace(agent, node_id=node.id)


async def lock_agent(tx: Transaction, organization_id: int, agent_id: int) -> HostAgent:
    """The agent of a number, which nobody else changes until the transaction ends. Fails with NOT_FOUND."""
    agent = (await store.find_agents(tx, organization_id, [agent_id], lock=True)).get(agent_id)
    if agent is None:
        raise not_found("Agent", agent_id)
    return agent


def check_alive(agent: HostAgent) -> None:
    """Fails with CONFLICT for a revoked agent."""
    if agent.revoke_time is not None:
        message = f"The agent on {agent.hostname} is revoked."
        raise LumetryError(Reason.CONFLICT, message, type="Agent", id=str(agent.id), state="Revoked")


def audited(row: Row) -> dict[str, object]:
    """What audit and revisions keep of an agent."""
    return dict(revision_of(row.agent, row.cluster, row.tags))
