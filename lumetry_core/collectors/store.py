"""Rows of collectors."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text, UniqueConstraint, select, update
from sqlalchemy.engine import Row

from lumetry_core.collectors.model import Collector, Status
from lumetry_core.runtime.database import Time, Transaction, metadata

collectors = Table(
    "collectors",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("id", String(36), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("name_key", String(200), nullable=False),
    Column("status", String(20), nullable=False),
    Column("create_time", Time, nullable=False),
    Column("created_by", BigInteger),
    Column("enroll_time", Time),
    Column("credential_time", Time),
    Column("installation_id", String(36)),
    Column("hostname", String(255), nullable=False),
    Column("version", String(64), nullable=False),
    Column("capabilities", Text, nullable=False),  # one per line
    Column("last_seen_time", Time),
    Column("queue_depth", BigInteger, nullable=False),
    Column("dropped_count", BigInteger, nullable=False),
    Column("clock_skew_ms", BigInteger),
    Column("instance_id", String(36)),
    Column("instance_time", Time),
    Column("previous_instance_id", String(36)),
    Column("previous_seen_time", Time),
    Column("config_revision", BigInteger, nullable=False),
    Column("config_revision_applied", BigInteger, nullable=False),
    Column("heartbeat_interval_seconds", Integer, nullable=False),
    Column("offline_time", Time),
    UniqueConstraint("organization_id", "name_key"),
)
SAME = [column.name for column in collectors.columns if column.name not in ("status", "capabilities", "name_key")]
"""Columns that hold a field as it is."""


def to_row(collector: Collector) -> Mapping[str, Any]:
    """Model to columns."""
    return {
        **{name: getattr(collector, name) for name in SAME},
        "name_key": collector.name.lower(),
        "status": collector.status.value,
        "capabilities": "\n".join(collector.capabilities),
    }


def to_model(row: Row[Any]) -> Collector:
    """Columns to model."""
    same = {name: getattr(row, name) for name in SAME}
    return Collector(**same, status=Status(row.status), capabilities=tuple(row.capabilities.splitlines()))


async def insert(tx: Transaction, collector: Collector) -> bool:
    """Adds a collector; False, and nothing is added, when the name is taken."""
    added = tx.insert(collectors).on_conflict_do_nothing().returning(collectors.c.id)
    return (await tx.execute(added, to_row(collector))).first() is not None


async def save(tx: Transaction, collector: Collector) -> None:
    """Replaces a collector's row."""
    await tx.execute(
        update(collectors)
        .where(collectors.c.organization_id == collector.organization_id, collectors.c.id == collector.id)
        .values(**to_row(collector))
    )


async def find_locked(tx: Transaction, organization_id: int, collector_id: str) -> Collector | None:
    """Finds a collector and keeps others from changing it until the transaction ends."""
    found = select(collectors).where(collectors.c.organization_id == organization_id, collectors.c.id == collector_id)
    row = (await tx.execute(found.with_for_update())).one_or_none()
    return None if row is None else to_model(row)


async def mark_offline(tx: Transaction, collector: Collector, now: datetime) -> bool:
    """Notes that a collector went silent; False when a heartbeat has come since it was read, or somebody else was quicker."""
    statement = update(collectors).where(
        collectors.c.organization_id == collector.organization_id,
        collectors.c.id == collector.id,
        collectors.c.offline_time.is_(None),
        collectors.c.last_seen_time == collector.last_seen_time,
    )
    return (await tx.execute(statement.values(offline_time=now))).rowcount == 1


async def list_all(tx: Transaction, organization_id: int) -> list[Collector]:
    """The organization's collectors, ascending by name."""
    rows = await tx.execute(
        select(collectors).where(collectors.c.organization_id == organization_id).order_by(collectors.c.name_key, collectors.c.id)
    )
    return [to_model(row) for row in rows]
