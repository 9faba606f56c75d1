"""Which nodes of the topology the hosts of agents are."""

from dataclasses import dataclass

from sqlalchemy import select, update

from lumetry_core.hostagents.store.agents import host_agents
from lumetry_core.runtime.database import Transaction

columns = host_agents.c


@dataclass(frozen=True, slots=True)
class Placed:
    """The host of an agent."""

    agent_id: int
    host_id: str
    node_id: int | None


async def list_placed(tx: Transaction, organization_id: int) -> list[Placed]:
    """The hosts of all agents but revoked ones."""
    statement = select(columns.id, columns.host_id, columns.node_id)
    rows = await tx.execute(statement.where(columns.organization_id == organization_id, columns.revoke_time.is_(None)))
    return [Placed(row.id, row.host_id, row.node_id) for row in rows]


async def write_node_id(tx: Transaction, organization_id: int, agent_id: int, node_id: int) -> None:
    """Notes the node of an agent's host."""
    this = (columns.organization_id == organization_id) & (columns.id == agent_id)
    await tx.execute(update(host_agents).where(this).values(node_id=node_id))
