"""Rules in the database."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, UniqueConstraint, delete, select, update

from lumetry_core.access.model import name_key
from lumetry_core.logrules.model import Channel, LogRule, Trigger
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

log_alert_rules = Table(
    "log_alert_rules",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("error_type", Text),
    Column("severity", String(20), nullable=False),
    Column("count_threshold", Integer),
    Column("time_window_minutes", Integer),
    Column("channels", Text, nullable=False),
    Column("trigger", String(20), nullable=False),
    Column("min_level", String(20), nullable=False),
    Column("environment", Text),
    Column("project_id", Text),
    Column("q", Text),
    Column("quiet_minutes", Integer),
    Column("topology_node_id", BigInteger),
    Column("enabled", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    Column("created_by", Text),
    UniqueConstraint("organization_id", "name_key"),
    Index("ix_log_alert_rules_organization_enabled", "organization_id", "enabled", "id"),
    sqlite_autoincrement=True,
)
columns = log_alert_rules.c
WRITTEN = (
    "name",
    "error_type",
    "severity",
    "count_threshold",
    "time_window_minutes",
    "trigger",
    "min_level",
    "environment",
    "project_id",
    "q",
    "quiet_minutes",
    "topology_node_id",
    "enabled",
    "revision",
    "update_time",
)
"""What a change may write, beside `channels` and the key of the name."""


async def insert_rule(tx: Transaction, rule: LogRule) -> int | None:
    """Adds a rule and answers its number; None when another one has the name."""
    values = writable(rule) | {"organization_id": rule.organization_id, "create_time": rule.create_time, "created_by": rule.created_by}
    statement = tx.insert(log_alert_rules).values(values).on_conflict_do_nothing(index_elements=["organization_id", "name_key"])
    number: int | None = (await tx.execute(statement.returning(columns.id))).scalar_one_or_none()
    return number


async def update_rule(tx: Transaction, rule: LogRule) -> None:
    """Replaces what may change of a rule."""
    same = (columns.organization_id == rule.organization_id, columns.id == rule.id)
    await tx.execute(update(log_alert_rules).where(*same).values(writable(rule)))


def writable(rule: LogRule) -> dict[str, Any]:
    """A rule's values."""
    values = {name: getattr(rule, name) for name in WRITTEN}
    return values | {"name_key": name_key(rule.name), "channels": msgspec.json.encode(rule.channels).decode()}


async def delete_rule(tx: Transaction, organization_id: int, rule_id: int) -> None:
    """Removes a rule."""
    await tx.execute(delete(log_alert_rules).where(columns.organization_id == organization_id, columns.id == rule_id))


async def find_rule(tx: Transaction, organization_id: int, rule_id: int, *, lock: bool = False) -> LogRule | None:
    """Reads a rule; a lock lasts as long as the transaction."""
    statement = select(log_alert_rules).where(columns.organization_id == organization_id, columns.id == rule_id)
    row = (await tx.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else read_row(row)


async def find_by_name(tx: Transaction, organization_id: int, name: str) -> int | None:
    """The number of the rule that has a name."""
    statement = select(columns.id).where(columns.organization_id == organization_id, columns.name_key == name_key(name))
    return (await tx.execute(statement)).scalar_one_or_none()


async def list_rules(tx: Transaction, organization_id: int) -> list[LogRule]:
    """All rules by number."""
    rows = await tx.execute(select(log_alert_rules).where(columns.organization_id == organization_id).order_by(columns.id))
    return [read_row(row) for row in rows]


async def list_enabled(tx: Transaction, organization_id: int) -> list[LogRule]:
    """The rules that watch, by number."""
    wanted = (columns.organization_id == organization_id, columns.enabled.is_(True))
    return [read_row(row) for row in await tx.execute(select(log_alert_rules).where(*wanted).order_by(columns.id))]


async def list_revisions(tx: Transaction, organization_id: int) -> Mapping[int, int]:
    """The revisions of the rules that watch, by number."""
    statement = select(columns.id, columns.revision).where(columns.organization_id == organization_id, columns.enabled.is_(True))
    return {row.id: row.revision for row in await tx.execute(statement.order_by(columns.id))}


async def hold_rules(tx: Transaction, organization_id: int, ids: Collection[int]) -> list[LogRule]:
    """Those of the rules that are there and watch, kept from changing until the transaction ends, ascending."""
    wanted = (columns.organization_id == organization_id, columns.id.in_(sorted(ids)), columns.enabled.is_(True))
    rows = await tx.execute(select(log_alert_rules).where(*wanted).order_by(columns.id).with_for_update())
    return [read_row(row) for row in rows]


def read_row(row: Any) -> LogRule:  # noqa: ANN401 -- a row of the table
    """A rule from its row."""
    values = row._asdict()
    del values["name_key"]
    values["trigger"] = Trigger(values["trigger"])
    values["channels"] = msgspec.json.decode(values["channels"], type=tuple[Channel, ...])
    return LogRule(**values)
