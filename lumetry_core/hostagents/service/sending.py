"""What ingestion is told of agents (contract lumetry 4.5, 17.2)."""

from lumetry_core.hostagents.model import Cluster, HostAgent
from lumetry_core.metrics.senders import Sender
from lumetry_core.metrics.service.senders import write_sender
from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.service.hosts import find_clusters_of


async def tell_ingestion(tx: Transaction, agent: HostAgent, cluster: Cluster | None, max_series: int) -> None:
    """Sees to it that points of an agent are taken as is decided about it now."""
    sender = Sender(
        organization_id=agent.organization_id,
        agent_id=agent.id,
        agent_key=agent.key,
        host_id=agent.host_id,
        host_group=None if cluster is None else cluster.external_id,
        is_enabled=agent.is_enabled,
        required_collector_id=agent.required_collector_id,
        max_series=max_series,
    )
    await write_sender(tx, sender)


async def find_clusters(tx: Transaction, organization_id: int, agents: list[HostAgent]) -> dict[int, Cluster]:
    """The cluster of each agent that is placed in one, by its number."""
    hosts = {agent.node_id for agent in agents if agent.node_id is not None}
    nodes = await find_clusters_of(tx, organization_id, hosts) if hosts else {}
    return {
        agent.id: Cluster(nodes[agent.node_id].id, nodes[agent.node_id].external_id, nodes[agent.node_id].display_name)
        for agent in agents
        if agent.node_id is not None and agent.node_id in nodes
    }
