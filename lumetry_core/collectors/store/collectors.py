"""Rows of collectors."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text, UniqueConstraint, bindparam, select, text, update
from sqlalchemy.engine import Row

from lumetry_core.collectors.config import read_config, write_config
from lumetry_core.collectors.model import ApplyStatus, Collector, Sighting, Status
from lumetry_core.runtime.clock import from_ms, to_ms
from lumetry_core.runtime.database import Time, Transaction, metadata
from lumetry_core.runtime.rows import RowStatement

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
    Column("credential_id", BigInteger),
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
    Column("recent_instances", Text, nullable=False, server_default=text("''")),  # one per line: instance, milliseconds
    Column("config", Text, nullable=False, server_default="{}"),  # JSON
    Column("config_revision", BigInteger, nullable=False),
    Column("config_revision_applied", BigInteger, nullable=False),
    Column("config_apply_status", String(10)),
    Column("config_apply_error", Text, nullable=False, server_default=text("''")),
    Column("heartbeat_interval_seconds", Integer, nullable=False),
    Column("offline_time", Time),
    UniqueConstraint("organization_id", "name_key"),
)
SPELLED = ("status", "capabilities", "recent_instances", "config", "config_apply_status")
"""Fields that the database has in another form."""
SAME = [column.name for column in collectors.columns if column.name not in SPELLED and column.name != "name_key"]
"""Columns that hold a field as it is."""
BEATEN = (
    "status",
    "credential_id",
    "credential_time",
    "version",
    "capabilities",
    "last_seen_time",
    "queue_depth",
    "dropped_count",
    "clock_skew_ms",
    "instance_id",
    "instance_time",
    "recent_instances",
    "config_revision_applied",
    "config_apply_status",
    "config_apply_error",
    "heartbeat_interval_seconds",
    "offline_time",
)
"""Columns that heartbeats change."""
SAVE_BEATS = RowStatement(
    update(collectors)
    .where(collectors.c.organization_id == bindparam("of_organization"), collectors.c.id == bindparam("of_id"))
    .values({name: bindparam(name) for name in BEATEN}),
    (*BEATEN, "of_organization", "of_id"),
)


def to_row(collector: Collector) -> Mapping[str, Any]:
    """Model to columns."""
    return {
        **{name: getattr(collector, name) for name in SAME},
        "name_key": collector.name.lower(),
        "status": collector.status.value,
        "capabilities": "\n".join(collector.capabilities),
        "recent_instances": "\n".join(f"{recent.instance_id} {to_ms(recent.time)}" for recent in collector.recent_instances),
        "config": write_config(collector.config),
        "config_apply_status": None if collector.config_apply_status is None else collector.config_apply_status.value,
    }


def to_model(row: Row[Any]) -> Collector:
    """Columns to model."""
    return Collector(
        **{name: getattr(row, name) for name in SAME},
        status=Status(row.status),
        capabilities=tuple(row.capabilities.splitlines()),
        recent_instances=tuple(read_sighting(line) for line in row.recent_instances.splitlines()),
        config=read_config(row.config),
        config_apply_status=None if row.config_apply_status is None else ApplyStatus(row.config_apply_status),
    )


def read_sighting(line: str) -> Sighting:
    """Reads a line of `recent_instances`."""
    instance_id, _, moment = line.partition(" ")
    return Sighting(instance_id, from_ms(int(moment)))


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


async def save_beats(tx: Transaction, beaten: Sequence[Collector]) -> None:
    """Replaces what heartbeats change of collectors."""
    rows = []
    for collector in beaten:
        values = to_row(collector)
        of_beat = (values[name] for name in BEATEN)
        rows.append(
            (*(to_ms(value) if isinstance(value, datetime) else value for value in of_beat), collector.organization_id, collector.id)
        )
    await SAVE_BEATS.execute(tx, rows)


async def find(tx: Transaction, organization_id: int, collector_id: str) -> Collector | None:
    """Finds a collector."""
    found = select(collectors).where(collectors.c.organization_id == organization_id, collectors.c.id == collector_id)
    row = (await tx.execute(found)).one_or_none()
    return None if row is None else to_model(row)


async def find_locked(tx: Transaction, organization_id: int, collector_id: str) -> Collector | None:
    """Finds a collector and keeps others from changing it until the transaction ends."""
    found = await find_all_locked(tx, organization_id, [collector_id])
    return found.get(collector_id)


async def find_all_locked(tx: Transaction, organization_id: int, collector_ids: Collection[str]) -> dict[str, Collector]:
    """Finds collectors by id, as `find_locked` does one."""
    found = select(collectors).where(collectors.c.organization_id == organization_id, collectors.c.id.in_(collector_ids))
    rows = await tx.execute(found.order_by(collectors.c.id).with_for_update())
    return {row.id: to_model(row) for row in rows}


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
