"""The journal of points to learn: a row per evaluated chunk, written with its effects.

The rows of a partition are numbered in the order of their commits, as only the holder of its lease writes them.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, delete, func, select

from lumetry_core.runtime.database import Id, Time, Transaction, metadata

baseline_journal = Table(
    "baseline_journal",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("create_time", Time, nullable=False),
    Index("ix_baseline_journal_organization_partition", "organization_id", "partition", "id"),
    sqlite_autoincrement=True,
)


async def insert_row(tx: Transaction, organization_id: int, partition: int, payload: bytes, now: datetime) -> int:
    """Adds a row and answers its number."""
    values = {"organization_id": organization_id, "partition": partition, "payload": payload, "create_time": now}
    number: int = (await tx.execute(baseline_journal.insert().values(values).returning(baseline_journal.c.id))).scalar_one()
    return number


async def read_after(tx: Transaction, organization_id: int, partition: int, after_id: int) -> list[tuple[int, bytes]]:
    """Number and payload of the rows after one, ascending."""
    columns = baseline_journal.c
    rows = await tx.execute(
        select(columns.id, columns.payload)
        .where(columns.organization_id == organization_id, columns.partition == partition, columns.id > after_id)
        .order_by(columns.id)
    )
    return [(row.id, row.payload) for row in rows]


async def find_newest_id(tx: Transaction, organization_id: int, partition: int) -> int | None:
    """The number of the newest row that is kept."""
    columns = baseline_journal.c
    statement = select(func.max(columns.id)).where(columns.organization_id == organization_id, columns.partition == partition)
    found: int | None = (await tx.execute(statement)).scalar_one()
    return found


async def delete_until(tx: Transaction, organization_id: int, partition: int, last_id: int | None) -> None:
    """Drops rows up to one, included; None: all."""
    columns = baseline_journal.c
    statement = delete(baseline_journal).where(columns.organization_id == organization_id, columns.partition == partition)
    await tx.execute(statement if last_id is None else statement.where(columns.id <= last_id))


async def measure(tx: Transaction, organization_id: int, partition: int) -> tuple[int, int]:
    """How many rows there are, and their bytes."""
    columns = baseline_journal.c
    row = (
        await tx.execute(
            select(func.count().label("rows"), func.coalesce(func.sum(func.length(columns.payload)), 0).label("size")).where(
                columns.organization_id == organization_id, columns.partition == partition
            )
        )
    ).one()
    return row.rows, int(row.size)
