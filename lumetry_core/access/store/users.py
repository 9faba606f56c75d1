"""Users and the roles they have."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, String, Table, insert, select, text, update

from lumetry_core.access.model import (
    LOCAL_PROVIDER,
    MAX_EMAIL_LENGTH,
    MAX_NAME_LENGTH,
    MAX_USERNAME_LENGTH,
    LoginCandidate,
    User,
    name_key,
    permissions_of_role,
)
from lumetry_core.access.store.organizations import roles
from lumetry_core.runtime.caller import Permission
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("username", String(MAX_USERNAME_LENGTH), nullable=False),
    # Alone, not per organization: the login name determines the organization.
    Column("name_key", String(MAX_USERNAME_LENGTH), nullable=False, unique=True),
    Column("email", String(MAX_EMAIL_LENGTH)),
    Column("display_name", String(MAX_NAME_LENGTH)),
    Column("auth_provider_type", String(20), nullable=False),
    Column("password_hash", String(200)),
    Column("is_active", Boolean, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("last_login_time", Time),
    Index("ix_users_organization_id_name_key", "organization_id", "name_key"),
    sqlite_autoincrement=True,
)
user_roles = Table(
    "user_roles",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("user_id", BigInteger, primary_key=True),
    Column("role_id", BigInteger, primary_key=True),
)


async def lock_users(tx: Transaction) -> None:
    """Keeps other transactions from adding users; SQLite has one writer anyway."""
    if tx.is_postgresql:
        await tx.execute(text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))


async def has_users(tx: Transaction) -> bool:
    """Whether the deployment has any user."""
    return (await tx.execute(select(users.c.id).limit(1))).first() is not None


async def insert_user(
    tx: Transaction,
    organization_id: int,
    *,
    username: str,
    email: str | None,
    display_name: str | None,
    password_hash: str | None,
    role_ids: Iterable[int],
    now: datetime,
) -> int | None:
    """Adds an active local user with roles; None when the name is taken."""
    statement = (
        tx.insert(users)
        .values(
            organization_id=organization_id,
            username=username,
            name_key=name_key(username),
            email=email,
            display_name=display_name,
            auth_provider_type=LOCAL_PROVIDER,
            password_hash=password_hash,
            is_active=True,
            create_time=now,
        )
        .on_conflict_do_nothing(index_elements=["name_key"])
        .returning(users.c.id)
    )
    user_id = (await tx.execute(statement)).scalar_one_or_none()
    if user_id is None:
        return None
    await tx.execute(
        insert(user_roles),
        [{"organization_id": organization_id, "user_id": user_id, "role_id": role_id} for role_id in role_ids],
    )
    return int(user_id)


async def find_user(tx: Transaction, organization_id: int, user_id: int) -> User | None:
    """The user of a number."""
    row = (await tx.execute(select(users).where(users.c.organization_id == organization_id, users.c.id == user_id))).one_or_none()
    return None if row is None else await read_user(tx, row)


async def find_user_by_name(tx: Transaction, username: str) -> User | None:
    """The user of a login name, in whichever organization."""
    row = (await tx.execute(select(users).where(users.c.name_key == name_key(username)))).one_or_none()
    return None if row is None else await read_user(tx, row)


async def read_user(tx: Transaction, row: Any) -> User:  # noqa: ANN401 -- rows carry their columns as attributes
    """Completes a row of `users` with the names of the roles."""
    names = await tx.execute(
        select(roles.c.name)
        .join(user_roles, (user_roles.c.organization_id == roles.c.organization_id) & (user_roles.c.role_id == roles.c.id))
        .where(user_roles.c.organization_id == row.organization_id, user_roles.c.user_id == row.id)
    )
    return User(
        id=row.id,
        organization_id=row.organization_id,
        username=row.username,
        email=row.email,
        display_name=row.display_name,
        auth_provider_type=row.auth_provider_type,
        is_active=row.is_active,
        roles=tuple(sorted(names.scalars())),
        create_time=row.create_time,
        last_login_time=row.last_login_time,
    )


async def find_login_candidate(tx: Transaction, username: str) -> LoginCandidate | None:
    """The user who may be logging in, in whichever organization."""
    row = (await tx.execute(select(users).where(users.c.name_key == name_key(username)))).one_or_none()
    if row is None:
        return None
    return LoginCandidate(row.id, row.organization_id, row.username, row.password_hash, row.is_active)


async def read_user_permissions(tx: Transaction, organization_id: int, user_id: int) -> frozenset[Permission]:
    """The union of the permissions of the user's roles, now."""
    rows = await tx.execute(
        select(roles.c.name, roles.c.is_built_in, roles.c.permissions)
        .join(user_roles, (user_roles.c.organization_id == roles.c.organization_id) & (user_roles.c.role_id == roles.c.id))
        .where(user_roles.c.organization_id == organization_id, user_roles.c.user_id == user_id)
    )
    granted = (permissions_of_role(row.name, None if row.is_built_in else row.permissions) for row in rows)
    return frozenset[Permission]().union(*granted)


async def list_active_user_ids(tx: Transaction, organization_id: int) -> list[int]:
    """The organization's active users, ascending."""
    statement = select(users.c.id).where(users.c.organization_id == organization_id, users.c.is_active).order_by(users.c.id)
    return list((await tx.execute(statement)).scalars())


async def set_last_login(tx: Transaction, organization_id: int, user_id: int, now: datetime) -> None:
    """Notes a successful login."""
    await tx.execute(update(users).where(users.c.organization_id == organization_id, users.c.id == user_id).values(last_login_time=now))


async def deactivate(tx: Transaction, organization_id: int, user_id: int) -> bool:
    """Makes the user inactive; False when the user was inactive before."""
    statement = update(users).where(users.c.organization_id == organization_id, users.c.id == user_id, users.c.is_active)
    return (await tx.execute(statement.values(is_active=False))).rowcount == 1
