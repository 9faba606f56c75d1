"""API tokens."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, LargeBinary, String, Table, insert, select, update

from lumetry_core.access.model import MAX_NAME_LENGTH, ApiToken, read_permissions
from lumetry_core.access.store.users import users
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("name", String(MAX_NAME_LENGTH), nullable=False),
    # Alone: the secret is all that a caller presents, and it determines the organization.
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("prefix", String(12), nullable=False),
    Column("permissions", JSON(none_as_null=True)),
    Column("create_time", Time, nullable=False),
    Column("expire_time", Time),
    Column("last_used_time", Time),
    Column("revoke_time", Time),
    Index("ix_api_tokens_organization_id_user_id", "organization_id", "user_id"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class OwnedToken:
    """An API token with what matters of its owner."""

    token: ApiToken
    username: str
    owner_is_active: bool


async def insert_token(
    tx: Transaction,
    organization_id: int,
    user_id: int,
    *,
    name: str,
    digest: bytes,
    prefix: str,
    permissions: list[str] | None,
    expire_time: datetime | None,
    now: datetime,
) -> ApiToken:
    """Adds a token."""
    values = {
        "organization_id": organization_id,
        "user_id": user_id,
        "name": name,
        "digest": digest,
        "prefix": prefix,
        "permissions": permissions,
        "create_time": now,
        "expire_time": expire_time,
    }
    return to_token((await tx.execute(insert(api_tokens).values(values).returning(api_tokens))).one())


async def find_owned_token(tx: Transaction, digest: bytes) -> OwnedToken | None:
    """The token of a secret, dead or alive, in whichever organization."""
    row = (
        await tx.execute(
            select(api_tokens, users.c.username, users.c.is_active)
            .join(users, (users.c.organization_id == api_tokens.c.organization_id) & (users.c.id == api_tokens.c.user_id))
            .where(api_tokens.c.digest == digest)
        )
    ).one_or_none()
    return None if row is None else OwnedToken(to_token(row), row.username, row.is_active)


async def find_token(tx: Transaction, organization_id: int, token_id: int) -> ApiToken | None:
    """The token of a number."""
    statement = select(api_tokens).where(api_tokens.c.organization_id == organization_id, api_tokens.c.id == token_id)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else to_token(row)


async def list_tokens(tx: Transaction, organization_id: int, user_id: int) -> list[ApiToken]:
    """All tokens of a user, dead ones included, newest first."""
    statement = select(api_tokens).where(api_tokens.c.organization_id == organization_id, api_tokens.c.user_id == user_id)
    return [to_token(row) for row in await tx.execute(statement.order_by(api_tokens.c.id.desc()))]


async def revoke_token(tx: Transaction, organization_id: int, token_id: int, now: datetime) -> bool:
    """Ends a token; False when it was revoked before."""
    statement = update(api_tokens).where(
        api_tokens.c.organization_id == organization_id, api_tokens.c.id == token_id, api_tokens.c.revoke_time.is_(None)
    )
    return (await tx.execute(statement.values(revoke_time=now))).rowcount == 1


async def revoke_tokens_of(tx: Transaction, organization_id: int, user_id: int, now: datetime) -> None:
    """Ends all tokens of a user."""
    await tx.execute(
        update(api_tokens)
        .where(api_tokens.c.organization_id == organization_id, api_tokens.c.user_id == user_id, api_tokens.c.revoke_time.is_(None))
        .values(revoke_time=now)
    )


async def set_last_used(tx: Transaction, organization_id: int, token_id: int, used_time: datetime) -> None:
    """Notes when a token was used; an older time than the one known changes nothing."""
    await tx.execute(
        update(api_tokens)
        .where(
            api_tokens.c.organization_id == organization_id,
            api_tokens.c.id == token_id,
            api_tokens.c.last_used_time.is_(None) | (api_tokens.c.last_used_time < used_time),
        )
        .values(last_used_time=used_time)
    )


def to_token(row: Any) -> ApiToken:  # noqa: ANN401 -- rows carry their columns as attributes
    """Reads a row of `api_tokens`."""
    return ApiToken(
        id=row.id,
        organization_id=row.organization_id,
        user_id=row.user_id,
        name=row.name,
        prefix=row.prefix,
        permissions=None if row.permissions is None else read_permissions(row.permissions),
        create_time=row.create_time,
        expire_time=row.expire_time,
        last_used_time=row.last_used_time,
        revoke_time=row.revoke_time,
    )
