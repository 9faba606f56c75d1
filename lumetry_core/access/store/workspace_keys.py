"""Workspace keys of users."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, LargeBinary, String, Table, UniqueConstraint, func, insert, select, update

from lumetry_core.access.keys import MAX_WORKSPACE_KEY_NAME_LENGTH, WorkspaceKey
from lumetry_core.access.store.users import users
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

workspace_keys = Table(
    "workspace_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("key_id", String(36), nullable=False),
    Column("name", String(MAX_WORKSPACE_KEY_NAME_LENGTH), nullable=False),
    # Alone: the secret is all that a caller presents, and it determines the organization.
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("prefix", String(12), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("expire_time", Time),
    Column("last_used_time", Time),
    Column("revoke_time", Time),
    UniqueConstraint("organization_id", "key_id"),
    Index("ix_workspace_keys_organization_id_user_id", "organization_id", "user_id"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class OwnedKey:
    """A workspace key with what matters of its owner."""

    key: WorkspaceKey
    username: str
    owner_is_active: bool


async def insert_key(
    tx: Transaction,
    organization_id: int,
    user_id: int,
    *,
    key_id: str,
    name: str,
    digest: bytes,
    prefix: str,
    scopes: Sequence[str],
    expire_time: datetime | None,
    now: datetime,
) -> WorkspaceKey:
    """Adds a key."""
    values = {
        "organization_id": organization_id,
        "user_id": user_id,
        "key_id": key_id,
        "name": name,
        "digest": digest,
        "prefix": prefix,
        "scopes": list(scopes),
        "create_time": now,
        "expire_time": expire_time,
    }
    return to_key((await tx.execute(insert(workspace_keys).values(values).returning(workspace_keys))).one())


async def find_owned_key(tx: Transaction, digest: bytes) -> OwnedKey | None:
    """The key of a secret, dead or alive, in whichever organization."""
    row = (
        await tx.execute(
            select(workspace_keys, users.c.username, users.c.is_active)
            .join(users, (users.c.organization_id == workspace_keys.c.organization_id) & (users.c.id == workspace_keys.c.user_id))
            .where(workspace_keys.c.digest == digest)
        )
    ).one_or_none()
    return None if row is None else OwnedKey(to_key(row), row.username, row.is_active)


async def find_key(tx: Transaction, organization_id: int, user_id: int, key_id: str) -> WorkspaceKey | None:
    """The key of a UUID, dead or alive, if the user owns it."""
    statement = select(workspace_keys).where(
        workspace_keys.c.organization_id == organization_id, workspace_keys.c.user_id == user_id, workspace_keys.c.key_id == key_id
    )
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else to_key(row)


async def find_key_by_number(tx: Transaction, organization_id: int, number: int) -> WorkspaceKey | None:
    """The key of a row number, dead or alive."""
    statement = select(workspace_keys).where(workspace_keys.c.organization_id == organization_id, workspace_keys.c.id == number)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else to_key(row)


async def list_keys(tx: Transaction, organization_id: int, user_id: int) -> list[WorkspaceKey]:
    """The user's keys that are not revoked, newest first."""
    statement = select(workspace_keys).where(
        workspace_keys.c.organization_id == organization_id, workspace_keys.c.user_id == user_id, workspace_keys.c.revoke_time.is_(None)
    )
    return [to_key(row) for row in await tx.execute(statement.order_by(workspace_keys.c.id.desc()))]


async def count_active_keys(tx: Transaction, organization_id: int, user_id: int, now: datetime) -> int:
    """How many of the user's keys are neither revoked nor expired."""
    statement = (
        select(func.count())
        .select_from(workspace_keys)
        .where(
            workspace_keys.c.organization_id == organization_id,
            workspace_keys.c.user_id == user_id,
            workspace_keys.c.revoke_time.is_(None),
            workspace_keys.c.expire_time.is_(None) | (workspace_keys.c.expire_time > now),
        )
    )
    return int((await tx.execute(statement)).scalar_one())


async def revoke_key(tx: Transaction, organization_id: int, number: int, now: datetime) -> bool:
    """Ends a key; False when it was revoked before."""
    statement = update(workspace_keys).where(
        workspace_keys.c.organization_id == organization_id, workspace_keys.c.id == number, workspace_keys.c.revoke_time.is_(None)
    )
    return (await tx.execute(statement.values(revoke_time=now))).rowcount == 1


async def revoke_keys_of(tx: Transaction, organization_id: int, user_id: int, now: datetime) -> None:
    """Ends all keys of a user."""
    await tx.execute(
        update(workspace_keys)
        .where(
            workspace_keys.c.organization_id == organization_id,
            workspace_keys.c.user_id == user_id,
            workspace_keys.c.revoke_time.is_(None),
        )
        .values(revoke_time=now)
    )


async def set_last_used(tx: Transaction, organization_id: int, number: int, used_time: datetime) -> None:
    """Notes when a key was used; an older time than the one known changes nothing."""
    await tx.execute(
        update(workspace_keys)
        .where(
            workspace_keys.c.organization_id == organization_id,
            workspace_keys.c.id == number,
            workspace_keys.c.last_used_time.is_(None) | (workspace_keys.c.last_used_time < used_time),
        )
        .values(last_used_time=used_time)
    )


def to_key(row: Any) -> WorkspaceKey:  # noqa: ANN401 -- rows carry their columns as attributes
    """Reads a row of `workspace_keys`."""
    return WorkspaceKey(
        id=row.key_id,
        number=row.id,
        organization_id=row.organization_id,
        user_id=row.user_id,
        name=row.name,
        prefix=row.prefix,
        scopes=tuple(row.scopes),
        create_time=row.create_time,
        expire_time=row.expire_time,
        last_used_time=row.last_used_time,
        revoke_time=row.revoke_time,
    )
