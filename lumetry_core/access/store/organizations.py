"""Organizations and their roles."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import JSON, BigInteger, Boolean, Column, String, Table, UniqueConstraint, func, insert, select
from sqlalchemy.engine import Row

from lumetry_core.access.model import MAX_NAME_LENGTH, Organization, Role, name_key, permissions_of_role
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

organizations = Table(
    "organizations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(MAX_NAME_LENGTH), nullable=False),
    Column("name_key", String(2 * MAX_NAME_LENGTH), nullable=False, unique=True),
    Column("create_time", Time, nullable=False),
    sqlite_autoincrement=True,
)
roles = Table(
    "roles",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("name", String(64), nullable=False),
    Column("name_key", String(128), nullable=False),
    Column("is_built_in", Boolean, nullable=False),
    Column("permissions", JSON(none_as_null=True)),
    Column("create_time", Time, nullable=False),
    UniqueConstraint("organization_id", "name_key"),
    sqlite_autoincrement=True,
)


async def insert_organization(tx: Transaction, name: str, now: datetime) -> Organization | None:
    """Adds an organization; None when the name is taken."""
    statement = (
        tx.insert(organizations)
        .values(name=name, name_key=name_key(name), create_time=now)
        .on_conflict_do_nothing(index_elements=["name_key"])
        .returning(organizations.c.id)
    )
    identity = (await tx.execute(statement)).scalar_one_or_none()
    return None if identity is None else Organization(identity, name, now)


async def list_organization_ids(tx: Transaction) -> list[int]:
    """All organizations of the deployment, ascending."""
    return list((await tx.execute(select(organizations.c.id).order_by(organizations.c.id))).scalars())


async def find_organization(tx: Transaction, name: str) -> Organization | None:
    """The organization of a name."""
    row = (await tx.execute(select(organizations).where(organizations.c.name_key == name_key(name)))).one_or_none()
    return None if row is None else Organization(row.id, row.name, row.create_time)


async def first_organization(tx: Transaction) -> Organization | None:
    """The oldest organization: the operator's."""
    row = (await tx.execute(select(organizations).order_by(organizations.c.id).limit(1))).one_or_none()
    return None if row is None else Organization(row.id, row.name, row.create_time)


async def count_organizations(tx: Transaction) -> int:
    """How many organizations the deployment has."""
    return int((await tx.execute(select(func.count()).select_from(organizations))).scalar_one())


async def insert_built_in_roles(tx: Transaction, organization_id: int, names: Sequence[str], now: datetime) -> None:
    """Adds built-in roles, whose permissions follow the product."""
    await tx.execute(
        insert(roles),
        [
            {
                "organization_id": organization_id,
                "name": name,
                "name_key": name_key(name),
                "is_built_in": True,
                "permissions": None,
                "create_time": now,
            }
            for name in names
        ],
    )


async def list_roles(tx: Transaction, organization_id: int) -> list[Role]:
    """The organization's roles, ascending by name."""
    rows = await tx.execute(select(roles).where(roles.c.organization_id == organization_id).order_by(roles.c.name_key))
    return [to_role(row) for row in rows]


def to_role(row: Row[*tuple[object, ...]]) -> Role:
    """Reads a row of `roles`."""
    return Role(
        id=row.id,
        organization_id=row.organization_id,
        name=row.name,
        is_built_in=row.is_built_in,
        permissions=permissions_of_role(row.name, None if row.is_built_in else row.permissions),
    )
