"""Roles of organizations, and who has them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Select,
    String,
    Table,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from lumetry_core.access.model import (
    MAX_DESCRIPTION_LENGTH,
    MAX_ROLE_NAME_LENGTH,
    Role,
    name_key,
    permissions_of_role,
)
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

roles = Table(
    "roles",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("name", String(MAX_ROLE_NAME_LENGTH), nullable=False),
    Column("name_key", String(2 * MAX_ROLE_NAME_LENGTH), nullable=False),
    Column("description", String(MAX_DESCRIPTION_LENGTH)),
    Column("is_built_in", Boolean, nullable=False),
    Column("permissions", JSON(none_as_null=True)),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    UniqueConstraint("organization_id", "name_key"),
    sqlite_autoincrement=True,
)
user_roles = Table(
    "user_roles",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("user_id", BigInteger, primary_key=True),
    Column("role_id", BigInteger, primary_key=True),
    Index("ix_user_roles_organization_id_role_id", "organization_id", "role_id"),
)


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
                "update_time": now,
            }
            for name in names
        ],
    )


async def insert_role(
    tx: Transaction, organization_id: int, *, name: str, description: str | None, permissions: Sequence[str], now: datetime
) -> int | None:
    """Adds a role; None when the name is taken."""
    statement = (
        tx.insert(roles)
        .values(
            organization_id=organization_id,
            name=name,
            name_key=name_key(name),
            description=description,
            is_built_in=False,
            permissions=list(permissions),
            create_time=now,
            update_time=now,
        )
        .on_conflict_do_nothing(index_elements=["organization_id", "name_key"])
        .returning(roles.c.id)
    )
    role_id = (await tx.execute(statement)).scalar_one_or_none()
    return None if role_id is None else int(role_id)


async def update_role(
    tx: Transaction,
    organization_id: int,
    role_id: int,
    *,
    name: str,
    description: str | None,
    permissions: Sequence[str],
    now: datetime,
) -> None:
    """Replaces what a role says; the name is known to be free."""
    await tx.execute(
        update(roles)
        .where(roles.c.organization_id == organization_id, roles.c.id == role_id)
        .values(name=name, name_key=name_key(name), description=description, permissions=list(permissions), update_time=now)
    )


async def lock_roles(tx: Transaction) -> None:
    """Keeps other transactions from adding or changing roles; SQLite has one writer anyway."""
    if tx.is_postgresql:
        await tx.execute(text("LOCK TABLE roles IN SHARE ROW EXCLUSIVE MODE"))


async def list_roles(tx: Transaction, organization_id: int) -> list[Role]:
    """The organization's roles, ascending by name."""
    return [to_role(row) for row in await tx.execute(select_roles(organization_id).order_by(roles.c.name_key))]


async def find_role(tx: Transaction, organization_id: int, role_id: int) -> Role | None:
    """The role of a number."""
    row = (await tx.execute(select_roles(organization_id).where(roles.c.id == role_id))).one_or_none()
    return None if row is None else to_role(row)


def select_roles(organization_id: int) -> Select[Any]:
    """The roles of an organization, each with the number of its users."""
    users_of = (
        select(func.count())
        .select_from(user_roles)
        .where(user_roles.c.organization_id == roles.c.organization_id, user_roles.c.role_id == roles.c.id)
        .scalar_subquery()
    )
    return select(roles, users_of.label("user_count")).where(roles.c.organization_id == organization_id)


async def add_roles(tx: Transaction, organization_id: int, user_id: int, role_ids: Iterable[int]) -> None:
    """Gives a user roles that the user does not have."""
    rows = [{"organization_id": organization_id, "user_id": user_id, "role_id": role_id} for role_id in role_ids]
    if rows:
        await tx.execute(insert(user_roles), rows)


async def remove_roles(tx: Transaction, organization_id: int, user_id: int, role_ids: Iterable[int]) -> None:
    """Takes roles from a user."""
    await tx.execute(
        delete(user_roles).where(
            user_roles.c.organization_id == organization_id, user_roles.c.user_id == user_id, user_roles.c.role_id.in_(list(role_ids))
        )
    )


def to_role(row: Any) -> Role:  # noqa: ANN401 -- rows carry their columns as attributes
    """Reads a row of `roles` with the number of its users."""
    return Role(
        id=row.id,
        organization_id=row.organization_id,
        name=row.name,
        description=row.description,
        is_built_in=row.is_built_in,
        permissions=permissions_of_role(row.name, None if row.is_built_in else row.permissions),
        user_count=row.user_count,
        create_time=row.create_time,
        update_time=row.update_time,
    )
