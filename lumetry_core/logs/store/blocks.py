"""Blocks: entries of one organization and project, packed, with what is needed to pass them by unread."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, case, delete, func, literal, or_, select, update

from lumetry_core.logs.model import BlockGroup
from lumetry_core.logs.store.filters import delete_filters
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

log_blocks = Table(
    "log_blocks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("project_id", String(36), nullable=False),
    Column("level", Integer, nullable=False),
    Column("day", Integer, nullable=False),
    Column("first_ns", BigInteger, nullable=False),
    Column("last_ns", BigInteger, nullable=False),
    Column("level_mask", Integer, nullable=False),
    Column("entry_count", Integer, nullable=False),
    Column("byte_count", Integer, nullable=False),
    Column("first_id", LargeBinary, nullable=False),
    Column("last_id", LargeBinary, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Index("ix_log_blocks_organization_last", "organization_id", "last_ns", "first_ns", "level_mask"),
    Index("ix_log_blocks_organization_first", "organization_id", "first_ns", "last_ns", "level_mask"),
    Index("ix_log_blocks_organization_id_range", "organization_id", "last_id", "first_id"),
    Index("ix_log_blocks_organization_level", "organization_id", "level", "project_id", "day", "entry_count", "create_time"),
    sqlite_autoincrement=True,
)
NEW = -1
"""Level of a block that neither grouping nor rules have read; it is as its commit brought it."""
FRESH = -2
"""Level of such a block once it was read. As wide as `NEW` in SQLite, which then changes a byte in its place instead of writing all the row
again."""
FORMER_FRESH = 0
"""Level of blocks that wait to be sealed since a version that had neither grouping nor rules."""
SEALED = 1
"""Lowest level of blocks whose entries are sorted."""
NO_DAY = -1
"""Day of a fresh block."""


@dataclass(frozen=True, slots=True)
class Block:
    """A stored block. `day`: its entries' UTC day since the Unix epoch; `byte_count`: length of the payload."""

    organization_id: int
    project_id: str
    level: int
    day: int
    first_ns: int
    last_ns: int
    level_mask: int
    entry_count: int
    first_id: bytes
    last_id: bytes
    create_time: datetime
    payload: bytes
    id: int = 0


@dataclass(frozen=True, slots=True)
class Head:
    """A block without its contents."""

    id: int
    first_ns: int
    last_ns: int
    byte_count: int


@dataclass(frozen=True, slots=True)
class NewHead:
    """A block that is still to be read, without its contents."""

    id: int
    byte_count: int
    level_mask: int


@dataclass(frozen=True, slots=True)
class Span:
    """Which heads a search looks at, one after another in its order."""

    start_ns: int
    end_ns: int
    """The last time that may be found."""
    level_mask: int
    is_ascending: bool


async def insert_blocks(tx: Transaction, blocks: Sequence[Block]) -> None:
    """Stores blocks; their `id` is given by the database."""
    await tx.execute(log_blocks.insert(), [to_row(block) for block in blocks])


async def insert_block(tx: Transaction, block: Block) -> int:
    """Stores a block; its id."""
    return int((await tx.execute(log_blocks.insert().values(to_row(block)).returning(log_blocks.c.id))).scalar_one())


def to_row(block: Block) -> dict[str, Any]:
    """A block as it is stored."""
    names = (field.name for field in fields(Block) if field.name != "id")
    return {**{name: getattr(block, name) for name in names}, "byte_count": len(block.payload)}


async def list_heads(tx: Transaction, organization_id: int, span: Span, after: Head | None, limit: int) -> list[Head]:
    """Heads that may hold what a search wants: by their last time descending, or by their first time ascending."""
    columns = log_blocks.c
    conditions = [
        columns.organization_id == organization_id,
        columns.last_ns >= span.start_ns,
        columns.first_ns <= span.end_ns,
        columns.level_mask.op("&")(span.level_mask) != 0,
    ]
    edge = columns.first_ns if span.is_ascending else columns.last_ns
    if after is not None:
        at = after.first_ns if span.is_ascending else after.last_ns
        further = edge > at if span.is_ascending else edge < at
        conditions.append(edge >= at if span.is_ascending else edge <= at)
        conditions.append(or_(further, columns.id > after.id))
    statement = (
        select(columns.id, columns.first_ns, columns.last_ns, columns.byte_count)
        .where(*conditions)
        .order_by(edge if span.is_ascending else edge.desc(), columns.id)
        .limit(limit)
    )
    return [Head(**row._mapping) for row in await tx.execute(statement)]


async def read_blocks(tx: Transaction, organization_id: int, ids: Iterable[int]) -> list[Block]:
    """Whole blocks."""
    return await read_where(tx, log_blocks.c.organization_id == organization_id, log_blocks.c.id.in_(list(ids)))


async def read_group(tx: Transaction, group: BlockGroup, limit: int) -> list[Block]:
    """The oldest blocks of a group."""
    columns = log_blocks.c
    return await read_where(
        tx,
        columns.organization_id == group.organization_id,
        columns.project_id == group.project_id,
        columns.level == group.level,
        columns.day == group.day,
        limit=limit,
    )


async def list_new(tx: Transaction, organization_id: int, limit: int) -> list[NewHead]:
    """The oldest blocks that are still to be read."""
    columns = log_blocks.c
    statement = (
        select(columns.id, columns.byte_count, columns.level_mask)
        .where(columns.organization_id == organization_id, columns.level == NEW)
        .order_by(columns.id)
        .limit(limit)
    )
    return [NewHead(**row._mapping) for row in await tx.execute(statement)]


async def read_new(tx: Transaction, organization_id: int, ids: Iterable[int], whole: Iterable[int]) -> list[Block]:
    """Blocks, oldest row first; the payload only of those that are to be read whole, else empty."""
    columns = log_blocks.c
    names = [field.name for field in fields(Block) if field.name != "payload"]
    payload = case((columns.id.in_(list(whole)), columns.payload), else_=literal(b"", LargeBinary)).label("payload")
    statement = (
        select(*(columns[name] for name in names), payload)
        .where(columns.organization_id == organization_id, columns.id.in_(list(ids)))
        .order_by(columns.id)
    )
    return [Block(**row._mapping) for row in await tx.execute(statement)]


async def mark_read(tx: Transaction, organization_id: int, ids: Iterable[int]) -> int:
    """Makes new blocks fresh ones; how many of them still were new."""
    columns = log_blocks.c
    statement = (
        update(log_blocks)
        .where(columns.organization_id == organization_id, columns.id.in_(list(ids)), columns.level == NEW)
        .values(level=FRESH)
    )
    return (await tx.execute(statement)).rowcount


async def find_holding(tx: Transaction, organization_id: int, identity: bytes, after: int, limit: int) -> list[Block]:
    """Blocks whose range of identities includes one, by their row from a row on."""
    columns = log_blocks.c
    return await read_where(
        tx,
        columns.organization_id == organization_id,
        columns.last_id >= identity,
        columns.first_id <= identity,
        columns.id > after,
        limit=limit,
    )


async def read_where(tx: Transaction, *conditions: Any, limit: int | None = None) -> list[Block]:  # noqa: ANN401 -- SQL conditions
    """Blocks under conditions, oldest row first."""
    names = [field.name for field in fields(Block)]
    statement = select(*(log_blocks.c[name] for name in names)).where(*conditions).order_by(log_blocks.c.id).limit(limit)
    return [Block(**row._mapping) for row in await tx.execute(statement)]


async def list_groups(tx: Transaction, organization_id: int, below_level: int) -> list[BlockGroup]:
    """All groups of levels below one, but for blocks that are still to be read."""
    columns = log_blocks.c
    rows = await tx.execute(
        select(
            columns.project_id,
            columns.level,
            columns.day,
            func.count().label("block_count"),
            func.sum(columns.entry_count).label("entry_count"),
            func.min(columns.create_time).label("oldest"),
        )
        .where(columns.organization_id == organization_id, columns.level < below_level, columns.level != NEW)
        .group_by(columns.project_id, columns.level, columns.day)
        .order_by(columns.level, columns.day, columns.project_id)
    )
    return [BlockGroup(organization_id=organization_id, **row._mapping) for row in rows]


async def list_projects(tx: Transaction, organization_id: int) -> list[str]:
    """Projects that have blocks."""
    columns = log_blocks.c
    return list((await tx.execute(select(columns.project_id).where(columns.organization_id == organization_id).distinct())).scalars())


async def delete_by_id(tx: Transaction, organization_id: int, ids: Sequence[int]) -> int:
    """Drops blocks and their filters; how many there were."""
    columns = log_blocks.c
    await delete_filters(tx, organization_id, ids)
    return (await tx.execute(delete(log_blocks).where(columns.organization_id == organization_id, columns.id.in_(list(ids))))).rowcount


async def delete_before(tx: Transaction, organization_id: int, project_id: str, before_ns: int, limit: int) -> bool:
    """Drops blocks of a project all of whose entries are older; true when there may be more."""
    columns = log_blocks.c
    old = (
        select(columns.id)
        .where(columns.organization_id == organization_id, columns.last_ns < before_ns, columns.project_id == project_id)
        .limit(limit)
    )
    ids = (await tx.execute(old)).scalars().all()
    if ids:
        await delete_by_id(tx, organization_id, ids)
    return len(ids) == limit


async def sum_bytes(tx: Transaction) -> int:
    """Packed bytes of the blocks of all organizations."""
    return int((await tx.execute(select(func.coalesce(func.sum(log_blocks.c.byte_count), 0)))).scalar_one())


async def list_oldest(tx: Transaction, limit: int) -> list[tuple[int, int, int]]:
    """Organization, id and packed bytes of the blocks, of whichever organization, whose entries are the oldest."""
    columns = log_blocks.c
    statement = select(columns.organization_id, columns.id, columns.byte_count).order_by(columns.last_ns, columns.id).limit(limit)
    return [(row.organization_id, row.id, row.byte_count) for row in await tx.execute(statement)]
