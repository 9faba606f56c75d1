"""Organizations."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, String, Table, func, select

from lumetry_core.access.model import MAX_NAME_LENGTH, MAX_SLUG_LENGTH, Organization, name_key
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

organizations = Table(
    "organizations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(MAX_NAME_LENGTH), nullable=False),
    Column("name_key", String(2 * MAX_NAME_LENGTH), nullable=False, unique=True),
    Column("slug", String(2 * MAX_SLUG_LENGTH), nullable=False, unique=True),
    Column("create_time", Time, nullable=False),
    sqlite_autoincrement=True,
)


async def insert_organization(tx: Transaction, name: str, slug: str, now: datetime) -> Organization | None:
    """Adds an organization; None when the name or the slug is taken."""
    statement = (
        tx.insert(organizations)
        .values(name=name, name_key=name_key(name), slug=slug, create_time=now)
        .on_conflict_do_nothing()
        .returning(organizations)
    )
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else to_organization(row)


async def list_organizations(tx: Transaction) -> list[Organization]:
    """All organizations of the deployment, ascending by number."""
    return [to_organization(row) for row in await tx.execute(select(organizations).order_by(organizations.c.id))]


async def list_organization_ids(tx: Transaction) -> list[int]:
    """All organizations of the deployment, ascending."""
    return list((await tx.execute(select(organizations.c.id).order_by(organizations.c.id))).scalars())


async def find_organization(tx: Transaction, name: str) -> Organization | None:
    """The organization of a name."""
    row = (await tx.execute(select(organizations).where(organizations.c.name_key == name_key(name)))).one_or_none()
    return None if row is None else to_organization(row)


async def find_by_id(tx: Transaction, organization_id: int) -> Organization | None:
    """The organization of a number."""
    row = (await tx.execute(select(organizations).where(organizations.c.id == organization_id))).one_or_none()
    return None if row is None else to_organization(row)


async def first_organization(tx: Transaction) -> Organization | None:
    """The oldest organization: the operator's."""
    row = (await tx.execute(select(organizations).order_by(organizations.c.id).limit(1))).one_or_none()
    return None if row is None else to_organization(row)


async def count_organizations(tx: Transaction) -> int:
    """How many organizations the deployment has."""
    return int((await tx.execute(select(func.count()).select_from(organizations))).scalar_one())


def to_organization(row: Any) -> Organization:  # noqa: ANN401 -- rows carry their columns as attributes
    """Reads a row of `organizations`."""
    return Organization(row.id, row.name, row.slug, row.create_time)
