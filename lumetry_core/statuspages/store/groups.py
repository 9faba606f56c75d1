"""Groups of the status page in the database."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, delete, select, update

from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.statuspages.model import Group

groups = Table(
    "status_groups",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("name", String(100), nullable=False),
    Column("display_order", Integer, nullable=False),
    Column("create_time", Time, nullable=False),
    Index("ix_status_groups_organization", "organization_id", "display_order", "id"),
    sqlite_autoincrement=True,
)


async def insert_group(tx: Transaction, organization_id: int, name: str, display_order: int, now: datetime) -> int:
    """Adds a group and answers its number."""
    values = {"organization_id": organization_id, "name": name, "display_order": display_order, "create_time": now}
    number: int = (await tx.execute(groups.insert().values(values).returning(groups.c.id))).scalar_one()
    return number


async def update_group(tx: Transaction, organization_id: int, group: Group) -> None:
    """Writes name and order of a group."""
    same = (groups.c.organization_id == organization_id, groups.c.id == group.id)
    await tx.execute(update(groups).where(*same).values(name=group.name, display_order=group.display_order))


async def delete_group(tx: Transaction, organization_id: int, group_id: int) -> None:
    """Removes a group."""
    await tx.execute(delete(groups).where(groups.c.organization_id == organization_id, groups.c.id == group_id))


async def find_group(tx: Transaction, organization_id: int, group_id: int, *, lock: bool = False) -> Group | None:
    """One group.

    Args:
        lock: Keeps others from changing it until the transaction ends.
    """
    statement = select(groups).where(groups.c.organization_id == organization_id, groups.c.id == group_id)
    row = (await tx.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else to_group(row)


async def list_groups(tx: Transaction, organization_id: int) -> list[Group]:
    """All groups by order, then by name, then by number."""
    rows = await tx.execute(select(groups).where(groups.c.organization_id == organization_id).order_by(groups.c.display_order, groups.c.id))
    # by name here and not in SQL, where each database has an order of its own
    return sorted((to_group(row) for row in rows), key=lambda group: (group.display_order, group.name.casefold(), group.id))


def to_group(row: Any) -> Group:  # noqa: ANN401 -- rows carry their columns as attributes
    """A group from its row."""
    return Group(row.id, row.name, row.display_order, row.create_time)
