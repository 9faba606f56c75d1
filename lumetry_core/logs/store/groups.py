"""Error groups."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    true,
    update,
)

from lumetry_core.logs.groups import GroupStatus, LogGroup
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

VALUES_PER_STATEMENT = 500

log_groups = Table(
    "log_groups",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("project_id", String(36), nullable=False),
    Column("fingerprint", String(32), nullable=False),
    Column("title", String(200), nullable=False),
    Column("error_type", Text),
    Column("error_message", Text),
    Column("culprit", Text),
    Column("search_text", Text, nullable=False),
    Column("level", Integer, nullable=False),
    Column("levels", Text, nullable=False),
    Column("environments", Text, nullable=False),
    Column("trace_ids", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first_time", Time, nullable=False),
    Column("last_time", Time, nullable=False),
    Column("status", String(10), nullable=False),
    Column("is_regressed", Boolean, nullable=False),
    Column("resolve_time", Time),
    Column("resolved_by", Text),
    Column("ignore_until", Time),
    Column("ignore_count", BigInteger),
    Column("ignore_end_count", BigInteger),
    Column("note", Text),
    UniqueConstraint("organization_id", "project_id", "fingerprint", name="uq_log_groups_organization_id_fingerprint"),
    Index("ix_log_groups_organization_last", "organization_id", "last_time", "id"),
    Index("ix_log_groups_organization_first", "organization_id", "first_time", "id"),
    Index("ix_log_groups_organization_count", "organization_id", "count", "id"),
    sqlite_autoincrement=True,
)
IDENTITY = frozenset({"id", "organization_id", "project_id", "fingerprint"})
SORTS = {"last_seen": log_groups.c.last_time, "first_seen": log_groups.c.first_time, "count": log_groups.c.count}
encode = msgspec.json.Encoder().encode
decode_texts = msgspec.json.Decoder(tuple[str, ...]).decode
decode_levels = msgspec.json.Decoder(dict[int, int]).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFilter:
    """Which groups; None and empty keep all."""

    statuses: frozenset[GroupStatus] = frozenset()
    project_id: str | None = None
    environment: str | None = None
    levels: frozenset[int] = frozenset()
    text: str = ""
    """In title, type or culprit; folded."""
    is_regressed: bool | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    """By the last entry; the end is not included."""
    ids: frozenset[int] | None = None
    sort: str = "last_seen"
    limit: int
    after: tuple[int, int] | None = None
    """Value of what is sorted by, as it is stored, and id of the group before."""


async def lock_groups(tx: Transaction, organization_id: int, project_id: str, fingerprints: Sequence[bytes]) -> list[LogGroup]:
    """The groups of a project that exist, kept from changing until the transaction ends."""
    columns = log_groups.c
    found = []
    for part in parts_of(sorted(fingerprint.hex() for fingerprint in fingerprints)):
        statement = (
            select(log_groups)
            .where(columns.organization_id == organization_id, columns.project_id == project_id, columns.fingerprint.in_(part))
            .order_by(columns.id)
            .with_for_update()
        )
        found += [read_group(row) for row in await tx.execute(statement)]
    return found


async def find_groups(tx: Transaction, organization_id: int, ids: Collection[int], *, lock: bool = False) -> list[LogGroup]:
    """Groups by number, ascending; unknown ones are left out."""
    found = []
    for part in parts_of(sorted(set(ids))):
        statement = select(log_groups).where(log_groups.c.organization_id == organization_id, log_groups.c.id.in_(part))
        statement = statement.order_by(log_groups.c.id)
        found += [read_group(row) for row in await tx.execute(statement.with_for_update() if lock else statement)]
    return found


async def find_ids(tx: Transaction, organization_id: int, keys: Iterable[tuple[str, bytes]]) -> dict[tuple[str, bytes], int]:
    """The numbers of groups by project and fingerprint; unknown ones are left out."""
    columns = log_groups.c
    wanted: dict[str, set[str]] = {}
    for project_id, fingerprint in keys:
        wanted.setdefault(project_id, set()).add(fingerprint.hex())
    found: dict[tuple[str, bytes], int] = {}
    for project_id, fingerprints in wanted.items():
        for part in parts_of(sorted(fingerprints)):
            statement = select(columns.id, columns.fingerprint).where(
                columns.organization_id == organization_id, columns.project_id == project_id, columns.fingerprint.in_(part)
            )
            found |= {(project_id, bytes.fromhex(row.fingerprint)): row.id for row in await tx.execute(statement)}
    return found


async def insert_groups(tx: Transaction, groups: Sequence[LogGroup]) -> dict[tuple[str, bytes], int]:
    """Stores new groups; their numbers by project and fingerprint."""
    if not groups:
        return {}
    columns = log_groups.c
    rows = [write_group(group) for group in groups]
    result = await tx.execute(log_groups.insert().returning(columns.id, columns.project_id, columns.fingerprint), rows)
    return {(row.project_id, bytes.fromhex(row.fingerprint)): row.id for row in result}


async def update_groups(tx: Transaction, organization_id: int, groups: Sequence[LogGroup]) -> None:
    """Writes everything that can change of groups that this transaction has locked."""
    if not groups:
        return
    names = [column.name for column in log_groups.columns if column.name not in IDENTITY]
    statement = (
        update(log_groups)
        .where(log_groups.c.organization_id == organization_id, log_groups.c.id == bindparam("row_id"))
        .values({name: bindparam(f"new_{name}") for name in names})
    )
    written = [(group.id, write_group(group)) for group in sorted(groups, key=lambda group: group.id)]
    await tx.execute(statement, [{"row_id": row_id} | {f"new_{name}": row[name] for name in names} for row_id, row in written])


async def list_groups(tx: Transaction, organization_id: int, wanted: GroupFilter, now: datetime) -> list[LogGroup]:
    """Groups that pass all filters, descending."""
    columns = log_groups.c
    order = SORTS[wanted.sort]
    conditions: list[ColumnElement[bool]] = [columns.organization_id == organization_id, status_condition(wanted.statuses, now)]
    if wanted.project_id is not None:
        conditions.append(columns.project_id == wanted.project_id)
    if wanted.environment is not None:
        conditions.append(holds(tx, columns.environments, encode(wanted.environment).decode()))
    if wanted.levels:
        conditions.append(columns.level.in_(sorted(wanted.levels)))
    if wanted.text:
        conditions.append(holds(tx, columns.search_text, wanted.text))
    if wanted.is_regressed is not None:
        conditions.append(columns.is_regressed.is_(wanted.is_regressed))
    if wanted.start_time is not None:
        conditions.append(columns.last_time >= wanted.start_time)
    if wanted.end_time is not None:
        conditions.append(columns.last_time < wanted.end_time)
    if wanted.ids is not None:
        conditions.append(columns.id.in_(sorted(wanted.ids)))
    if wanted.after is not None:
        value, after_id = wanted.after
        edge: Any = bindparam("edge", value, type_=BigInteger)
        conditions.append(or_(order < edge, and_(order == edge, columns.id < after_id)))
    statement = select(log_groups).where(*conditions).order_by(order.desc(), columns.id.desc()).limit(wanted.limit)
    return [read_group(row) for row in await tx.execute(statement)]


def status_condition(statuses: frozenset[GroupStatus], now: datetime) -> ColumnElement[bool]:
    """Groups of these statuses; one whose time to be ignored has passed is open."""
    columns = log_groups.c
    if not statuses:
        return true()
    has_passed = and_(columns.ignore_until.is_not(None), columns.ignore_until <= now)
    of = {
        GroupStatus.OPEN: or_(columns.status == GroupStatus.OPEN, and_(columns.status == GroupStatus.IGNORED, has_passed)),
        GroupStatus.RESOLVED: columns.status == GroupStatus.RESOLVED,
        GroupStatus.IGNORED: and_(columns.status == GroupStatus.IGNORED, or_(columns.ignore_until.is_(None), columns.ignore_until > now)),
    }
    return or_(*(of[status] for status in sorted(statuses)))


def holds(tx: Transaction, column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    """Whether a column has a text in it, exactly."""
    return (func.strpos(column, text) if tx.is_postgresql else func.instr(column, text)) > 0


async def list_projects(tx: Transaction, organization_id: int) -> list[str]:
    """Projects that have groups."""
    columns = log_groups.c
    return list((await tx.execute(select(columns.project_id).where(columns.organization_id == organization_id).distinct())).scalars())


async def delete_groups(tx: Transaction, organization_id: int, group_ids: Collection[int]) -> None:
    """Drops groups."""
    columns = log_groups.c
    await tx.execute(delete(log_groups).where(columns.organization_id == organization_id, columns.id.in_(sorted(group_ids))))


def parts_of(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Values in parts that a statement takes."""
    return (values[start : start + VALUES_PER_STATEMENT] for start in range(0, len(values), VALUES_PER_STATEMENT))


def write_group(group: LogGroup) -> dict[str, Any]:
    """The row of a group."""
    texts = (group.title, group.error_type or "", group.culprit or "")
    return {
        "organization_id": group.organization_id,
        "project_id": group.project_id,
        "fingerprint": group.fingerprint.hex(),
        "title": group.title,
        "error_type": group.error_type,
        "error_message": group.error_message,
        "culprit": group.culprit,
        "search_text": "\n".join(texts).casefold(),
        "level": group.level,
        "levels": encode(dict(group.levels)).decode(),
        "environments": encode(list(group.environments)).decode(),
        "trace_ids": encode(list(group.trace_ids)).decode(),
        "count": group.count,
        "first_time": group.first_time,
        "last_time": group.last_time,
        "status": group.status.value,
        "is_regressed": group.is_regressed,
        "resolve_time": group.resolve_time,
        "resolved_by": group.resolved_by,
        "ignore_until": group.ignore_until,
        "ignore_count": group.ignore_count,
        "ignore_end_count": group.ignore_end_count,
        "note": group.note,
    }


def read_group(row: Row[Any]) -> LogGroup:
    """A group from its row."""
    values = dict(row._mapping)
    del values["search_text"]
    return LogGroup(
        **values
        | {
            "fingerprint": bytes.fromhex(row.fingerprint),
            "levels": decode_levels(row.levels),
            "environments": decode_texts(row.environments),
            "trace_ids": decode_texts(row.trace_ids),
            "status": GroupStatus(row.status),
        }
    )
