"""Rows of host agents as ingestion knows them."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Table, delete, select

from lumetry_core.metrics.senders import Sender
from lumetry_core.runtime.database import Transaction, metadata

metric_senders = Table(
    "metric_senders",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("agent_id", BigInteger, primary_key=True, autoincrement=False),
    Column("agent_key", String(36), nullable=False),
    Column("host_id", String(128), nullable=False),
    Column("host_group", String(255)),
    Column("is_enabled", Boolean, nullable=False),
    Column("required_collector_id", String(36)),
    Column("max_series", Integer, nullable=False),
)
FIELDS = [column.name for column in metric_senders.columns]
KEY = ("organization_id", "agent_id")


async def write_sender(tx: Transaction, sender: Sender) -> None:
    """Adds or replaces a host agent."""
    statement = tx.insert(metric_senders)
    changed = {name: statement.excluded[name] for name in FIELDS if name not in KEY}
    await tx.execute(statement.on_conflict_do_update(index_elements=KEY, set_=changed), {name: getattr(sender, name) for name in FIELDS})


async def remove_sender(tx: Transaction, organization_id: int, agent_id: int) -> None:
    """Removes a host agent."""
    await tx.execute(
        delete(metric_senders).where(metric_senders.c.organization_id == organization_id, metric_senders.c.agent_id == agent_id)
    )


async def list_senders(tx: Transaction, organization_id: int) -> list[Sender]:
    """An organization's host agents, by number."""
    found = select(metric_senders).where(metric_senders.c.organization_id == organization_id).order_by(metric_senders.c.agent_id)
    return [to_sender(row) for row in await tx.execute(found)]


def to_sender(row: Any) -> Sender:  # noqa: ANN401 -- rows carry their columns as attributes
    """Columns to model."""
    return Sender(**{name: getattr(row, name) for name in FIELDS})
