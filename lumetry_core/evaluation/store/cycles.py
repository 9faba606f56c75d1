"""How far the cycles of compound rules are: one row for each organization that has any."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Table, select, update

from lumetry_core.runtime.database import Time, Transaction, metadata

compound_cycles = Table(
    "compound_cycles",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("cycle_time", Time, nullable=False),
)


async def read_cycle_time(tx: Transaction, organization_id: int) -> datetime | None:
    """The newest cycle that was done; None before the first one."""
    wanted = select(compound_cycles.c.cycle_time).where(compound_cycles.c.organization_id == organization_id)
    found: datetime | None = (await tx.execute(wanted)).scalar_one_or_none()
    return found


async def move_cycle_time(tx: Transaction, organization_id: int, previous: datetime | None, time: datetime) -> bool:
    """Moves on from the cycle that was read; False, and nothing happens, when another process did so first."""
    columns = compound_cycles.c
    if previous is None:
        insert = tx.insert(compound_cycles).values(organization_id=organization_id, cycle_time=time)
        return (await tx.execute(insert.on_conflict_do_nothing())).rowcount == 1
    moved = update(compound_cycles).where(columns.organization_id == organization_id, columns.cycle_time == previous)
    return (await tx.execute(moved.values(cycle_time=time))).rowcount == 1
