"""Rows of collectors."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text, UniqueConstraint, bindparam, select, text, type_coerce, update
from sqlalchemy.engine import Row

from lumetry_core.collectors.config import Config, read_config, write_config
from lumetry_core.collectors.model import ONLINE_INTERVALS, ApplyStatus, Collector, Sighting, Status
from lumetry_core.runtime.clock import from_ms, to_ms
from lumetry_core.runtime.database import Time, Transaction, metadata
from lumetry_core.runtime.rows import RowStatement, ms_or_none

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
FIGURES = ("last_seen_time", "queue_depth", "dropped_count", "clock_skew_ms")
"""Columns that every heartbeat changes."""
TURNS = (
    "status",
    "credential_id",
    "credential_time",
    "version",
    "capabilities",
    "instance_id",
    "instance_time",
    "recent_instances",
    "config_revision_applied",
    "config_apply_status",
    "config_apply_error",
    "heartbeat_interval_seconds",
    "offline_time",
)
"""Columns that few heartbeats change."""
KEPT_OF_REVOKED = 160
"""Characters of the key of a revoked collector's name, before its id."""
READ_AT_ONCE = 5000
"""Collectors in one statement."""
FIGURES_OF = attrgetter(*FIGURES)
TURNS_OF = attrgetter(*TURNS)
READ = tuple(collectors.c[each.name] for each in fields(Collector))
"""What is read, in the order of the model's fields."""
STATUS, CAPABILITIES, RECENT_INSTANCES, CONFIG, CONFIG_APPLY_STATUS = (
    [column.name for column in READ].index(name) for name in ("status", "capabilities", "recent_instances", "config", "config_apply_status")
)
FIND_LOCKED = (
    select(*READ)
    .where(collectors.c.organization_id == bindparam("organization_id"), collectors.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(collectors.c.id)
    .with_for_update()
)


def updating(names: Sequence[str]) -> RowStatement:
    """Sets some columns of a collector; the names are followed by its organization and its id."""
    of_collector = collectors.c.organization_id == bindparam("of_organization"), collectors.c.id == bindparam("of_id")
    statement = update(collectors).where(*of_collector).values({name: bindparam(name) for name in names})
    return RowStatement(statement, (*names, "of_organization", "of_id"))


SAVE_FIGURES = updating(FIGURES)
SAVE_BEATS = updating((*FIGURES, *TURNS))


def to_row(collector: Collector) -> Mapping[str, Any]:
    """Model to columns."""
    return {
        **{name: getattr(collector, name) for name in SAME},
        "name_key": name_key(collector),
        "status": collector.status.value,
        "capabilities": "\n".join(collector.capabilities),
        "recent_instances": "\n".join(f"{recent.instance_id} {to_ms(recent.time)}" for recent in collector.recent_instances),
        "config": write_config(collector.config),
        "config_apply_status": None if collector.config_apply_status is None else collector.config_apply_status.value,
    }


def name_key(collector: Collector) -> str:
    """What is unique of a name. That of a revoked collector is free again: its key has a line break, which no name has."""
    key = collector.name.lower()
    return f"{key[:KEPT_OF_REVOKED]}\n{collector.id}" if collector.status is Status.REVOKED else key


def to_model(row: Row[Any]) -> Collector:
    """Columns of `READ` to model."""
    values = list(row)
    values[STATUS] = Status(values[STATUS])
    values[CAPABILITIES] = tuple(values[CAPABILITIES].splitlines())
    values[RECENT_INSTANCES] = tuple(read_sighting(line) for line in values[RECENT_INSTANCES].splitlines())
    values[CONFIG] = read_config(values[CONFIG])
    if values[CONFIG_APPLY_STATUS] is not None:
        values[CONFIG_APPLY_STATUS] = ApplyStatus(values[CONFIG_APPLY_STATUS])
    return Collector(*values)


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


async def save_beats(tx: Transaction, beaten: Sequence[tuple[Collector, Collector]]) -> None:
    """Writes what heartbeats changed of locked collectors, each as it was and as it is, in order."""
    figures, turns = [], []
    for before, after in beaten:
        seen, *counts = FIGURES_OF(after)
        row = ms_or_none(seen), *counts
        place = after.organization_id, after.id
        if TURNS_OF(before) == TURNS_OF(after):
            figures.append((*row, *place))
        else:
            values = to_row(after)
            of_turns = (values[name] for name in TURNS)
            turns.append((*row, *(to_ms(value) if isinstance(value, datetime) else value for value in of_turns), *place))
    await SAVE_FIGURES.execute(tx, figures)
    await SAVE_BEATS.execute(tx, turns)


async def find(tx: Transaction, organization_id: int, collector_id: str) -> Collector | None:
    """Finds a collector."""
    found = select(*READ).where(collectors.c.organization_id == organization_id, collectors.c.id == collector_id)
    row = (await tx.execute(found)).one_or_none()
    return None if row is None else to_model(row)


async def find_locked(tx: Transaction, organization_id: int, collector_id: str) -> Collector | None:
    """Finds a collector and keeps others from changing it until the transaction ends."""
    found = await find_all_locked(tx, organization_id, [collector_id])
    return found.get(collector_id)


async def find_all_locked(tx: Transaction, organization_id: int, collector_ids: Collection[str]) -> dict[str, Collector]:
    """Finds collectors by id, as `find_locked` does one."""
    rows = await tx.execute(FIND_LOCKED, {"organization_id": organization_id, "ids": sorted(collector_ids)})
    found = [to_model(row) for row in rows]
    return {collector.id: collector for collector in found}


async def mark_offline(tx: Transaction, collector: Collector, now: datetime) -> bool:
    """Notes that a collector went silent; False when a heartbeat has come since it was read, or somebody else was quicker."""
    statement = update(collectors).where(
        collectors.c.organization_id == collector.organization_id,
        collectors.c.id == collector.id,
        collectors.c.offline_time.is_(None),
        collectors.c.last_seen_time == collector.last_seen_time,
    )
    return (await tx.execute(statement.values(offline_time=now))).rowcount == 1


async def list_silent(tx: Transaction, organization_id: int, now: datetime) -> list[Collector]:
    """Collectors of which nobody was told and whose heartbeats stay away for longer than the interval that they keep allows."""
    latest = type_coerce(collectors.c.last_seen_time, BigInteger) + collectors.c.heartbeat_interval_seconds * (ONLINE_INTERVALS * 1000)
    found = select(*READ).where(
        collectors.c.organization_id == organization_id,
        collectors.c.status.in_([Status.ACTIVE.value, Status.DUPLICATE_SUSPECTED.value]),
        collectors.c.offline_time.is_(None),
        latest < to_ms(now),
    )
    return [to_model(row) for row in await tx.execute(found.order_by(collectors.c.name_key, collectors.c.id))]


async def list_wanted(tx: Transaction, organization_id: int, collector_ids: Collection[str]) -> list[tuple[str, Status, int, Config]]:
    """Id, status, and the desired configuration with its revision of collectors that have enrolled and are not revoked."""
    found: list[tuple[str, Status, int, Config]] = []
    ordered = sorted(collector_ids)
    columns = collectors.c.id, collectors.c.status, collectors.c.config_revision, collectors.c.config
    serving = collectors.c.status.in_([Status.ACTIVE.value, Status.DUPLICATE_SUSPECTED.value])
    for start in range(0, len(ordered), READ_AT_ONCE):
        wanted = collectors.c.id.in_(ordered[start : start + READ_AT_ONCE])
        rows = await tx.execute(select(*columns).where(collectors.c.organization_id == organization_id, wanted, serving))
        found.extend((row.id, Status(row.status), row.config_revision, read_config(row.config)) for row in rows)
    return found


async def list_all(tx: Transaction, organization_id: int) -> list[Collector]:
    """The organization's collectors, ascending by name."""
    rows = await tx.execute(
        select(*READ).where(collectors.c.organization_id == organization_id).order_by(collectors.c.name_key, collectors.c.id)
    )
    return [to_model(row) for row in rows]
