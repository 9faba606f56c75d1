"""What was counted in the last minutes, in a ring of slots: it needs no cleaning up."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import BigInteger, Column, Integer, String, Table, case, select
from sqlalchemy.dialects import postgresql

from lumetry_core.billing.model import Meter
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Transaction, metadata
from lumetry_core.runtime.rows import RowStatement

MINUTE_MS = 60_000
SLOTS = 4

usage_minutes = Table(
    "usage_minutes",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("meter", String(30), primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("minute", BigInteger, nullable=False),
    Column("quantity", BigInteger, nullable=False),
)
"""`minute` counts since the Unix epoch; the slot is what remains of it."""


def build_addition() -> RowStatement:
    """Adds to a slot, from nothing where it still holds an older minute."""
    insert = postgresql.insert(usage_minutes)
    columns, new = usage_minutes.c, insert.excluded
    quantity = case((columns.minute == new.minute, columns.quantity + new.quantity), else_=new.quantity)
    added = insert.on_conflict_do_update(
        index_elements=["organization_id", "meter", "slot"], set_={"minute": new.minute, "quantity": quantity}
    )
    return RowStatement(added, ("organization_id", "meter", "slot", "minute", "quantity"))


ADD = build_addition()


def minute_of(moment: datetime) -> int:
    """The minute of a moment."""
    return to_ms(moment) // MINUTE_MS


async def add(tx: Transaction, additions: Mapping[tuple[int, Meter, int], int]) -> None:
    """Adds to organizations' meters, by minute."""
    rows = [(of, meter.value, minute % SLOTS, minute, quantity) for (of, meter, minute), quantity in sorted(additions.items()) if quantity]
    await ADD.execute(tx, rows)


async def read(tx: Transaction, organization_id: int, meters: Collection[Meter]) -> dict[tuple[Meter, int], int]:
    """What is known of the last minutes, by meter and minute."""
    columns = usage_minutes.c
    statement = select(columns.meter, columns.minute, columns.quantity).where(
        columns.organization_id == organization_id, columns.meter.in_(sorted(meters))
    )
    return {(Meter(row.meter), row.minute): row.quantity for row in await tx.execute(statement)}
