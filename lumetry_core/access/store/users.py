"""Users and the roles they have."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, String, Table, func, or_, select, text, update

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
from lumetry_core.access.store.roles import add_roles, roles, user_roles
from lumetry_core.runtime.caller import Permission
from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.runtime.paging import Page

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
    auth_provider_type: str,
    password_hash: str | None,
    role_ids: Iterable[int],
    now: datetime,
) -> int | None:
    """Adds an active user with roles; None when the name is taken."""
    statement = (
        tx.insert(users)
        .values(
            organization_id=organization_id,
            username=username,
            name_key=name_key(username),
            email=email,
            display_name=display_name,
            auth_provider_type=auth_provider_type,
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
    await add_roles(tx, organization_id, user_id, role_ids)
    return int(user_id)


async def update_user(
    tx: Transaction, organization_id: int, user_id: int, *, email: str | None, display_name: str | None, is_active: bool
) -> None:
    """Replaces what a user says."""
    await tx.execute(
        update(users)
        .where(users.c.organization_id == organization_id, users.c.id == user_id)
        .values(email=email, display_name=display_name, is_active=is_active)
    )


async def set_password(tx: Transaction, organization_id: int, user_id: int, password_hash: str) -> None:
    """Gives a user a password, who is a local one from then on."""
    await tx.execute(
        update(users)
        .where(users.c.organization_id == organization_id, users.c.id == user_id)
        .values(password_hash=password_hash, auth_provider_type=LOCAL_PROVIDER)
    )


async def find_user(tx: Transaction, organization_id: int, user_id: int) -> User | None:
    """The user of a number."""
    row = (await tx.execute(select(users).where(users.c.organization_id == organization_id, users.c.id == user_id))).one_or_none()
    return None if row is None else await read_user(tx, row)


async def find_user_by_name(tx: Transaction, username: str) -> User | None:
    """The user of a login name, in whichever organization."""
    row = (await tx.execute(select(users).where(users.c.name_key == name_key(username)))).one_or_none()
    return None if row is None else await read_user(tx, row)


async def list_users(tx: Transaction, organization_id: int, search: str, page: Page, *, is_active: bool | None) -> tuple[list[User], int]:
    """A page of the matching users, ascending by login name, and how many match."""
    conditions = [users.c.organization_id == organization_id]
    if is_active is not None:
        conditions.append(users.c.is_active if is_active else ~users.c.is_active)
    if search:
        found = (column.icontains(search, autoescape=True) for column in (users.c.username, users.c.email, users.c.display_name))
        conditions.append(or_(*found))
    total_count = (await tx.execute(select(func.count()).select_from(users).where(*conditions))).scalar_one()
    statement = select(users).where(*conditions).order_by(users.c.name_key).limit(page.size).offset(page.offset)
    rows = list(await tx.execute(statement))
    names = await read_role_names(tx, organization_id, [row.id for row in rows])
    return [to_user(row, names.get(row.id, ())) for row in rows], int(total_count)


async def count_active_users(tx: Transaction, organization_id: int) -> int:
    """How many active users the organization has."""
    statement = select(func.count()).select_from(users).where(users.c.organization_id == organization_id, users.c.is_active)
    return int((await tx.execute(statement)).scalar_one())


async def read_user(tx: Transaction, row: Any) -> User:  # noqa: ANN401 -- rows carry their columns as attributes
    """Completes a row of `users` with the names of the roles."""
    names = await read_role_names(tx, row.organization_id, [row.id])
    return to_user(row, names.get(row.id, ()))


async def read_role_names(tx: Transaction, organization_id: int, user_ids: Sequence[int]) -> dict[int, list[str]]:
    """The names of the roles of users, by user; users without roles are left out."""
    rows = await tx.execute(
        select(user_roles.c.user_id, roles.c.name)
        .join(roles, (user_roles.c.organization_id == roles.c.organization_id) & (user_roles.c.role_id == roles.c.id))
        .where(user_roles.c.organization_id == organization_id, user_roles.c.user_id.in_(user_ids))
    )
    names: dict[int, list[str]] = {}
    for row in rows:
        names.setdefault(row.user_id, []).append(row.name)
    return names


def to_user(row: Any, role_names: Iterable[str]) -> User:  # noqa: ANN401 -- as above
    """Reads a row of `users`."""
    return User(
        id=row.id,
        organization_id=row.organization_id,
        username=row.username,
        email=row.email,
        display_name=row.display_name,
        auth_provider_type=row.auth_provider_type,
        is_active=row.is_active,
        roles=tuple(sorted(role_names)),
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


async def read_active_permissions(tx: Transaction, organization_id: int) -> frozenset[Permission]:
    """What the organization's active users may do, taken together."""
    rows = await tx.execute(
        select(roles.c.name, roles.c.is_built_in, roles.c.permissions).where(
            roles.c.organization_id == organization_id,
            select(users.c.id)
            .join(user_roles, (user_roles.c.organization_id == users.c.organization_id) & (user_roles.c.user_id == users.c.id))
            .where(users.c.organization_id == organization_id, users.c.is_active, user_roles.c.role_id == roles.c.id)
            .exists(),
        )
    )
    granted = (permissions_of_role(row.name, None if row.is_built_in else row.permissions) for row in rows)
    return frozenset[Permission]().union(*granted)


async def find_holders(tx: Transaction, organization_id: int, permission: Permission) -> list[int]:
    """Active users whose roles carry a permission, ascending."""
    rows = await tx.execute(
        select(users.c.id, roles.c.name, roles.c.is_built_in, roles.c.permissions)
        .join(user_roles, (user_roles.c.organization_id == users.c.organization_id) & (user_roles.c.user_id == users.c.id))
        .join(roles, (roles.c.organization_id == users.c.organization_id) & (roles.c.id == user_roles.c.role_id))
        .where(users.c.organization_id == organization_id, users.c.is_active)
    )
    holders = (row.id for row in rows if permission in permissions_of_role(row.name, None if row.is_built_in else row.permissions))
    return sorted(set(holders))


async def find_active_by_name(tx: Transaction, organization_id: int, names: Collection[str]) -> dict[str, int]:
    """The active users whom login names in lower case name, by name."""
    if not names:
        return {}
    wanted = (users.c.organization_id == organization_id, users.c.name_key.in_(names), users.c.is_active)
    return {row.name_key: row.id for row in await tx.execute(select(users.c.id, users.c.name_key).where(*wanted))}


async def list_active_ids(tx: Transaction, organization_id: int) -> list[int]:
    """The numbers of active users, ascending."""
    statement = select(users.c.id).where(users.c.organization_id == organization_id, users.c.is_active).order_by(users.c.id)
    return list((await tx.execute(statement)).scalars())


async def set_last_login(tx: Transaction, organization_id: int, user_id: int, now: datetime) -> None:
    """Notes a successful login."""
    await tx.execute(update(users).where(users.c.organization_id == organization_id, users.c.id == user_id).values(last_login_time=now))


async def deactivate(tx: Transaction, organization_id: int, user_id: int) -> bool:
    """Makes the user inactive; False when the user was inactive before."""
    statement = update(users).where(users.c.organization_id == organization_id, users.c.id == user_id, users.c.is_active)
    return (await tx.execute(statement.values(is_active=False))).rowcount == 1
