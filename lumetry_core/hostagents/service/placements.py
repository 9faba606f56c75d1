"""What ingestion is told of placements follows the graph, whoever changed it (contract lumetry 4.5)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lumetry_core.hostagents.store.placements import Placed, list_placed, write_node_id
from lumetry_core.metrics.senders import Sender
from lumetry_core.metrics.service.senders import list_senders, write_sender
from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.service.hosts import find_clusters_of, find_host_ids
from lumetry_core.topology.service.nodes import find_nodes


@dataclass(frozen=True, slots=True)
class Strays:
    """What is known of agents otherwise than the graph has it."""

    nodes: Mapping[int, int]
    """The host of each agent that has another."""
    senders: tuple[Sender, ...]
    """As they should be."""

    def __bool__(self) -> bool:
        return bool(self.nodes or self.senders)


async def find_strays(tx: Transaction, organization_id: int) -> Strays:
    """The agents, revoked ones aside, whose host or cluster is another than is known."""
    hosts = await list_placed(tx, organization_id)
    if not hosts:
        return Strays({}, ())
    moved = await find_moved(tx, organization_id, hosts)
    nodes = {host.agent_id: moved.get(host.agent_id, host.node_id) for host in hosts}
    clusters = await find_clusters_of(tx, organization_id, {node_id for node_id in nodes.values() if node_id is not None})
    groups = {agent_id: clusters[node_id].external_id if node_id in clusters else None for agent_id, node_id in nodes.items()}
    senders = (sender for sender in (await list_senders(tx, organization_id)).values() if sender.agent_id in groups)
    wrong = [sender for sender in senders if sender.host_group != groups[sender.agent_id]]
    return Strays(moved, tuple(replace(sender, host_group=groups[sender.agent_id]) for sender in wrong))


async def find_moved(tx: Transaction, organization_id: int, hosts: list[Placed]) -> dict[int, int]:
    """The node that the hosts of agents have now whose own has left the graph, where there is one of their `host.id`."""
    present = await find_nodes(tx, organization_id, {host.node_id for host in hosts if host.node_id is not None})
    lost = [host for host in hosts if host.node_id not in present]
    found = await find_host_ids(tx, organization_id, {host.host_id for host in lost})
    return {host.agent_id: found[host.host_id] for host in lost if host.host_id in found}


async def follow_graph(tx: Transaction, organization_id: int) -> None:
    """Makes what is known of agents what the graph says. Not audited: the change of the graph is."""
    found = await find_strays(tx, organization_id)
    for agent_id, node_id in found.nodes.items():
        await write_node_id(tx, organization_id, agent_id, node_id)
    for sender in found.senders:
        await write_sender(tx, sender)
