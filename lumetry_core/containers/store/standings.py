"""Containers as overviews count them."""

from sqlalchemy import select

from lumetry_core.containers.model import ContainerState, Health
from lumetry_core.containers.standings import Standing
from lumetry_core.containers.store.containers import containers
from lumetry_core.runtime.database import Transaction

columns = containers.c


async def list_standings(tx: Transaction, organization_id: int) -> list[Standing]:
    """Every container that is there and not ignored."""
    statement = select(columns.id, columns.state, columns.health, columns.runtime_type, columns.topology_node_id).where(
        columns.organization_id == organization_id, columns.archive_time.is_(None), columns.is_ignored.is_(False)
    )
    return [
        Standing(row.id, ContainerState(row.state), row.health == Health.UNHEALTHY, row.runtime_type, row.topology_node_id)
        for row in await tx.execute(statement)
    ]
