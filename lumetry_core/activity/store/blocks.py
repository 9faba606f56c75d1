"""Packed blocks of the activity feed in the database."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Column, LargeBinary, Table, delete, select

from lumetry_core.runtime.database import Time, Transaction, metadata

activity_blocks = Table(
    "activity_blocks",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("newest_time", Time, nullable=False),
    Column("terms", LargeBinary, nullable=False),
    Column("runs", LargeBinary, nullable=False),
    Column("lines", LargeBinary, nullable=False),
)
blocks = activity_blocks.c


@dataclass(frozen=True, slots=True)
class Block:
    """A packed block. The first one is number 0."""

    number: int
    newest_time: datetime
    terms: bytes
    runs: bytes
    lines: bytes


async def insert_blocks(tx: Transaction, organization_id: int, packed: Sequence[Block]) -> None:
    """Adds packed blocks."""
    rows = [
        {
            "organization_id": organization_id,
            "number": block.number,
            "newest_time": block.newest_time,
            "terms": block.terms,
            "runs": block.runs,
            "lines": block.lines,
        }
        for block in packed
    ]
    await tx.execute(activity_blocks.insert(), rows)


async def read_lines(tx: Transaction, organization_id: int, numbers: Collection[int]) -> list[tuple[int, bytes]]:
    """Numbers and packed lines of blocks, newest first."""
    wanted = (blocks.organization_id == organization_id, blocks.number.in_(sorted(numbers)))
    found = await tx.execute(select(blocks.number, blocks.lines).where(*wanted).order_by(blocks.number.desc()))
    return [(row.number, row.lines) for row in found]


async def list_oldest(tx: Transaction, organization_id: int, limit: int) -> list[tuple[int, datetime]]:
    """Number and newest time of the oldest blocks, oldest first."""
    found = await tx.execute(
        select(blocks.number, blocks.newest_time).where(blocks.organization_id == organization_id).order_by(blocks.number).limit(limit)
    )
    return [(row.number, row.newest_time) for row in found]


async def delete_blocks(tx: Transaction, organization_id: int, numbers: Collection[int]) -> None:
    """Deletes blocks."""
    await tx.execute(delete(activity_blocks).where(blocks.organization_id == organization_id, blocks.number.in_(sorted(numbers))))
