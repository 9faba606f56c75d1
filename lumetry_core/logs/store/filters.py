"""Filters of sealed blocks, by slice: a search reads only those that its words belong to."""

from collections.abc import Collection, Sequence

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, delete, insert, select

from lumetry_core.logs.words import SLICES
from lumetry_core.runtime.database import Transaction, metadata
from lumetry_core.runtime.rows import RowStatement

log_filters = Table(
    "log_filters",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("slice", Integer, primary_key=True, autoincrement=False),
    Column("block_id", BigInteger, primary_key=True, autoincrement=False),
    Column("words", LargeBinary, nullable=False),
)
columns = log_filters.c
INSERT = RowStatement(insert(log_filters), [column.name for column in columns])


async def insert_filters(tx: Transaction, organization_id: int, block_id: int, filters: Sequence[bytes]) -> None:
    """Stores the filters of a block, one for each slice."""
    await INSERT.execute(tx, [(organization_id, number, block_id, words) for number, words in enumerate(filters)])


async def read_filters(tx: Transaction, organization_id: int, number: int, block_ids: Collection[int]) -> dict[int, bytes]:
    """The filters of one slice of those among the blocks that have any."""
    mine = (columns.organization_id == organization_id, columns.slice == number, columns.block_id.in_(list(block_ids)))
    return {row.block_id: row.words for row in await tx.execute(select(columns.block_id, columns.words).where(*mine))}


async def delete_filters(tx: Transaction, organization_id: int, block_ids: Collection[int]) -> None:
    """Drops the filters of blocks."""
    mine = (columns.organization_id == organization_id, columns.slice.in_(range(SLICES)), columns.block_id.in_(list(block_ids)))
    await tx.execute(delete(log_filters).where(*mine))
