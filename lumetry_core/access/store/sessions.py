"""Login sessions and the access and refresh tokens they issued."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, Table, delete, insert, select, update

from lumetry_core.access.store.users import users
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

login_sessions = Table(
    "login_sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("address", String(64)),
    Column("user_agent", String(256)),
    Column("create_time", Time, nullable=False),
    Column("expire_time", Time, nullable=False),
    Column("revoke_time", Time),
    Index("ix_login_sessions_organization_id_user_id", "organization_id", "user_id"),
    Index("ix_login_sessions_organization_id_expire_time", "organization_id", "expire_time"),
    sqlite_autoincrement=True,
)
login_tokens = Table(
    "login_tokens",
    metadata,
    # Alone: the secret is all that a caller presents, and it determines the organization.
    Column("digest", LargeBinary, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("session_id", BigInteger, nullable=False),
    Column("use", String(10), nullable=False),
    Column("expire_time", Time, nullable=False),
    Column("exchange_time", Time),
    Index("ix_login_tokens_organization_id_expire_time", "organization_id", "expire_time"),
)


class TokenUse(StrEnum):
    """What a token of a session is good for."""

    ACCESS = "access"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class SessionToken:
    """A token of a login session, dead or alive, with its session and user."""

    organization_id: int
    session_id: int
    user_id: int
    username: str
    is_usable: bool
    """The session is not revoked and its user is active."""
    login_time: datetime
    """When the session was started."""
    expire_time: datetime
    exchange_time: datetime | None
    """When a refresh token bought its successor."""


async def insert_session(
    tx: Transaction,
    organization_id: int,
    user_id: int,
    *,
    address: str | None,
    user_agent: str | None,
    expire_time: datetime,
    now: datetime,
) -> int:
    """Starts a session and tells its number."""
    values = {
        "organization_id": organization_id,
        "user_id": user_id,
        "address": address,
        "user_agent": user_agent,
        "create_time": now,
        "expire_time": expire_time,
    }
    return int((await tx.execute(insert(login_sessions).values(values).returning(login_sessions.c.id))).scalar_one())


async def insert_token(
    tx: Transaction, organization_id: int, session_id: int, *, digest: bytes, use: TokenUse, expire_time: datetime
) -> None:
    """Adds a token of a session."""
    await tx.execute(
        insert(login_tokens),
        {"digest": digest, "organization_id": organization_id, "session_id": session_id, "use": use, "expire_time": expire_time},
    )


async def find_token(tx: Transaction, digest: bytes, use: TokenUse) -> SessionToken | None:
    """The token of a secret, in whichever organization."""
    row: Any = (
        await tx.execute(
            select(
                login_tokens,
                login_sessions.c.user_id,
                login_sessions.c.create_time,
                login_sessions.c.revoke_time,
                users.c.username,
                users.c.is_active,
            )
            .join(
                login_sessions,
                (login_sessions.c.organization_id == login_tokens.c.organization_id) & (login_sessions.c.id == login_tokens.c.session_id),
            )
            .join(users, (users.c.organization_id == login_sessions.c.organization_id) & (users.c.id == login_sessions.c.user_id))
            .where(login_tokens.c.digest == digest, login_tokens.c.use == use)
        )
    ).one_or_none()
    if row is None:
        return None
    return SessionToken(
        organization_id=row.organization_id,
        session_id=row.session_id,
        user_id=row.user_id,
        username=row.username,
        is_usable=row.revoke_time is None and row.is_active,
        login_time=row.create_time,
        expire_time=row.expire_time,
        exchange_time=row.exchange_time,
    )


async def exchange_token(tx: Transaction, organization_id: int, digest: bytes, now: datetime) -> bool:
    """Uses a refresh token up; False when somebody did before. Of two at once, one succeeds."""
    statement = update(login_tokens).where(
        login_tokens.c.organization_id == organization_id, login_tokens.c.digest == digest, login_tokens.c.exchange_time.is_(None)
    )
    return (await tx.execute(statement.values(exchange_time=now))).rowcount == 1


async def extend_session(tx: Transaction, organization_id: int, session_id: int, expire_time: datetime) -> None:
    """Moves the end of a session."""
    await tx.execute(
        update(login_sessions)
        .where(login_sessions.c.organization_id == organization_id, login_sessions.c.id == session_id)
        .values(expire_time=expire_time)
    )


async def revoke_session(tx: Transaction, organization_id: int, session_id: int, now: datetime) -> bool:
    """Ends a session and all its tokens; False when it was revoked before."""
    statement = update(login_sessions).where(
        login_sessions.c.organization_id == organization_id,
        login_sessions.c.id == session_id,
        login_sessions.c.revoke_time.is_(None),
    )
    return (await tx.execute(statement.values(revoke_time=now))).rowcount == 1


async def revoke_sessions_of(
    tx: Transaction, organization_id: int, user_id: int, now: datetime, *, except_session_id: int | None = None
) -> None:
    """Ends all sessions of a user, but one that may be named."""
    statement = update(login_sessions).where(
        login_sessions.c.organization_id == organization_id,
        login_sessions.c.user_id == user_id,
        login_sessions.c.revoke_time.is_(None),
    )
    if except_session_id is not None:
        statement = statement.where(login_sessions.c.id != except_session_id)
    await tx.execute(statement.values(revoke_time=now))


async def delete_ended(tx: Transaction, organization_id: int, before: datetime) -> None:
    """Deletes tokens and sessions that ended before a time."""
    for table in (login_tokens, login_sessions):
        await tx.execute(delete(table).where(table.c.organization_id == organization_id, table.c.expire_time < before))
