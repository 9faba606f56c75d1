"""Keeps a Component in the topology for every monitored identity (contract lumetry 17.2).

It runs on the hosts where the identity runs, and the process metrics of its executables are bound to it. A host whose agent is silent keeps
its edge for a week, so that what fails with the host is seen to; one that lacks the process for ten minutes, or whose agent is revoked,
loses it. What people or imports made is left alone: the edges and bindings that came by this are noted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lumetry_core.access.service.audit import Change, record_actions, record_audit
from lumetry_core.hostagents.model import HostAgent
from lumetry_core.hostagents.packs import EXECUTABLE_LABEL, PROCESS_METRICS
from lumetry_core.hostagents.processes import STALE_AFTER, Entry, external_id_of
from lumetry_core.hostagents.store import agents as agent_store
from lumetry_core.hostagents.store import monitored as store
from lumetry_core.hostagents.store import processes as process_store
from lumetry_core.hostagents.store.monitored import Kind, Part
from lumetry_core.metrics.audit import audit_binding
from lumetry_core.metrics.binding import NewBinding
from lumetry_core.metrics.service.bindings import KIND as BINDING
from lumetry_core.metrics.service.bindings import bind_all, find_bindings, unbind_all
from lumetry_core.runtime.caller import Caller, system_caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.service.hosts import find_host_ids
from lumetry_core.topology.service.nodes import find_nodes
from lumetry_core.topology.service.workloads import add_hosts, ensure_component, find_hosts_of, lock_graph, remove_hosts, retire_component

ENTITY = "MonitoredProcess"
Link = tuple[int, int]
"""A Component and a Host."""


@dataclass(frozen=True, slots=True)
class Differences:
    """What of the graph is not as it should be."""

    ended: Mapping[str, int]
    """Identities whose Component has left the graph: monitoring them has ended with it."""
    new_links: Mapping[Link, str]
    """With the identity, as the next."""
    new_bindings: Mapping[tuple[str, int, str], str]
    """Metric, Component and executable."""
    old_edges: frozenset[int]
    nodes: frozenset[int]
    """The Components."""

    def __bool__(self) -> bool:
        return bool(self.ended or self.new_links or self.new_bindings or self.old_edges)


async def enable(tx: Transaction, caller: Caller, identity: str, now: datetime) -> None:
    """Starts to monitor an identity; one that is monitored goes on."""
    organization_id = caller.organization_id
    await lock_graph(tx, organization_id)
    monitored = await store.list_monitored(tx, organization_id, [identity])
    if await find_nodes(tx, organization_id, monitored.values()):
        return
    await store.delete_monitored(tx, organization_id, identity)  # its Component has left the graph
    node = await ensure_component(tx, caller, external_id_of(identity), identity, {"process": identity}, now)
    await store.insert_monitored(tx, organization_id, identity, node.id, now)
    await record_audit(tx, caller, f"{ENTITY}.Created", ENTITY, identity, now, None, audited(identity, node.id))
    await settle(tx, caller, {identity: node.id}, now)


async def disable(tx: Transaction, caller: Caller, identity: str, now: datetime) -> None:
    """Ends the monitoring of an identity; one that is not monitored stays so."""
    await lock_graph(tx, caller.organization_id)
    monitored = await store.list_monitored(tx, caller.organization_id, [identity])
    if identity in monitored:
        await end(tx, caller, identity, monitored[identity], now)


async def end(tx: Transaction, caller: Caller, identity: str, node_id: int, now: datetime) -> None:
    """Takes out of the graph what came by monitoring an identity."""
    parts = await store.list_parts(tx, caller.organization_id, [identity])
    await remove_hosts(tx, caller, [node_id], {part.number for part in parts if part.kind is Kind.EDGE}, now)
    await unbind_all(tx, caller, {part.number for part in parts if part.kind is Kind.BINDING}, now)
    await store.delete_monitored(tx, caller.organization_id, identity)
    await retire_component(tx, caller, node_id, now)
    await record_audit(tx, caller, f"{ENTITY}.Deleted", ENTITY, identity, now, audited(identity, node_id), None)


async def extend(tx: Transaction, agent: HostAgent, appeared: Sequence[Entry], now: datetime) -> None:
    """Has monitored identities run on the host of an agent on which they appeared."""
    identities = {entry.identity for entry in appeared}
    if not identities or not await store.list_monitored(tx, agent.organization_id, identities):
        return
    await lock_graph(tx, agent.organization_id)
    monitored = await store.list_monitored(tx, agent.organization_id, identities)
    await settle(tx, system_caller(agent.organization_id), monitored, now, agent.id)


async def list_monitoring(tx: Transaction) -> list[int]:
    """The organizations that monitor anything."""
    return await store.list_organizations(tx)


async def is_settled(tx: Transaction, organization_id: int, now: datetime) -> bool:
    """Whether the graph is what it should be."""
    return not await find_differences(tx, organization_id, await store.list_monitored(tx, organization_id), now)


async def settle_all(tx: Transaction, organization_id: int, now: datetime) -> None:
    """Makes the graph what it should be."""
    await lock_graph(tx, organization_id)
    await settle(tx, system_caller(organization_id), await store.list_monitored(tx, organization_id), now)


async def settle(tx: Transaction, caller: Caller, monitored: Mapping[str, int], now: datetime, agent_id: int | None = None) -> None:
    """Makes the graph, which nobody else changes, what it should be.

    Args:
        monitored: Components by identity.
        agent_id: Only adds what runs on the host of this agent. None: looks at all.
    """
    await write_differences(tx, caller, await find_differences(tx, caller.organization_id, monitored, now, agent_id), now)


async def find_differences(
    tx: Transaction, organization_id: int, monitored: Mapping[str, int], now: datetime, agent_id: int | None = None
) -> Differences:
    """What of the graph is not as it should be; see `settle`."""
    present = await find_nodes(tx, organization_id, monitored.values())
    lively = {identity: node_id for identity, node_id in monitored.items() if node_id in present}
    running = await process_store.find_running(tx, organization_id, lively, now - STALE_AFTER, agent_id)
    agents = await agent_store.find_agents(tx, organization_id, {each.agent_id for each in running})
    host_ids = {agent.id: agent.host_id for agent in agents.values() if agent.revoke_time is None}
    hosts = await find_host_ids(tx, organization_id, set(host_ids.values()))
    links: dict[Link, str] = {}
    executables: dict[tuple[str, int, str], str] = {}
    for each in running:
        host = hosts.get(host_ids.get(each.agent_id, ""))
        if host is not None:
            links[lively[each.identity], host] = each.identity
        for metric_key in PROCESS_METRICS:
            executables[metric_key, lively[each.identity], each.executable] = each.identity
    edges = await find_hosts_of(tx, organization_id, lively.values())
    bound = await find_bindings(tx, organization_id, PROCESS_METRICS)
    known = {
        (binding.metric_key, binding.node_id, binding.labels[EXECUTABLE_LABEL])
        for of_metric in bound.values()
        for binding in of_metric
        if binding.labels.keys() == {EXECUTABLE_LABEL}
    }
    parts = [] if agent_id is not None else await store.list_parts(tx, organization_id, lively)
    own = {part.number for part in parts if part.kind is Kind.EDGE}
    return Differences(
        {identity: node_id for identity, node_id in monitored.items() if node_id not in present},
        {link: identity for link, identity in links.items() if link not in edges},
        {key: identity for key, identity in executables.items() if key not in known},
        frozenset(number for link, number in edges.items() if number in own and link not in links),
        frozenset(lively.values()),
    )


async def write_differences(tx: Transaction, caller: Caller, found: Differences, now: datetime) -> None:
    """Makes the graph what it should be."""
    organization_id = caller.organization_id
    for identity, node_id in found.ended.items():
        await end(tx, caller, identity, node_id, now)
    await remove_hosts(tx, caller, found.nodes, found.old_edges, now)
    await store.delete_parts(tx, organization_id, Kind.EDGE, found.old_edges)
    made = await add_hosts(tx, caller, found.new_links.keys(), now)
    added = [Part(Kind.EDGE, number, found.new_links[link]) for link, number in made.items()]
    wanted = [NewBinding(metric_key, node_id, {EXECUTABLE_LABEL: name}) for metric_key, node_id, name in sorted(found.new_bindings)]
    bound = await bind_all(tx, caller, wanted, now)
    changes = [Change(f"{BINDING}.Created", BINDING, binding.id, None, audit_binding(binding)) for binding in bound]
    await record_actions(tx, caller, changes, now)
    for binding in bound:
        identity = found.new_bindings[binding.metric_key, binding.node_id, binding.labels[EXECUTABLE_LABEL]]
        added.append(Part(Kind.BINDING, binding.id, identity))
    await store.insert_parts(tx, organization_id, added)


def audited(identity: str, node_id: int) -> dict[str, object]:
    """What the audit log keeps of a monitored identity."""
    return {"identity": identity, "topologyNodeId": node_id}
