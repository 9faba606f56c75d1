"""Credentials of host agents and the tokens of the profiles by which they enroll."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, Table, insert, select, update

from lumetry_core.runtime.database import Id, Time, Transaction, metadata

agent_credentials = Table(
    "agent_credentials",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("agent_id", BigInteger, nullable=False),
    # Alone: the secret is all that a caller presents, and it determines the organization.
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("prefix", String(12), nullable=False),
    Column("create_time", Time, nullable=False),
    Column("last_used_time", Time),
    Column("revoke_time", Time),
    Index("ix_agent_credentials_organization_id_agent_id", "organization_id", "agent_id"),
    sqlite_autoincrement=True,
)
agent_enrollment_tokens = Table(
    "agent_enrollment_tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("profile_id", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),  # alone, as above
    Column("prefix", String(12), nullable=False),
    Column("create_time", Time, nullable=False),
    Column("expire_time", Time, nullable=False),
    Column("last_used_time", Time),
    Index("ix_agent_enrollment_tokens_organization_id_profile_id", "organization_id", "profile_id"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class AgentCredential:
    """What a credential of an agent says of itself, dead or alive."""

    id: int
    organization_id: int
    agent_id: int
    last_used_time: datetime | None
    revoke_time: datetime | None


@dataclass(frozen=True, slots=True)
class AgentEnrollmentToken:
    """What the token of a profile says of itself, expired or not."""

    id: int
    organization_id: int
    profile_id: int
    expire_time: datetime
    last_used_time: datetime | None


async def insert_credential(tx: Transaction, organization_id: int, agent_id: int, *, digest: bytes, prefix: str, now: datetime) -> None:
    """Adds a credential."""
    await tx.execute(
        insert(agent_credentials),
        {"organization_id": organization_id, "agent_id": agent_id, "digest": digest, "prefix": prefix, "create_time": now},
    )


async def insert_token(
    tx: Transaction, organization_id: int, profile_id: int, *, digest: bytes, prefix: str, expire_time: datetime, now: datetime
) -> None:
    """Adds a token."""
    await tx.execute(
        insert(agent_enrollment_tokens),
        {
            "organization_id": organization_id,
            "profile_id": profile_id,
            "digest": digest,
            "prefix": prefix,
            "create_time": now,
            "expire_time": expire_time,
        },
    )


async def find_credential(tx: Transaction, digest: bytes) -> AgentCredential | None:
    """The credential of a secret, dead or alive, in whichever organization."""
    row = (await tx.execute(select(agent_credentials).where(agent_credentials.c.digest == digest))).one_or_none()
    if row is None:
        return None
    return AgentCredential(row.id, row.organization_id, row.agent_id, row.last_used_time, row.revoke_time)


async def find_token(tx: Transaction, digest: bytes) -> AgentEnrollmentToken | None:
    """The token of a secret, expired or not, in whichever organization."""
    row = (await tx.execute(select(agent_enrollment_tokens).where(agent_enrollment_tokens.c.digest == digest))).one_or_none()
    if row is None:
        return None
    return AgentEnrollmentToken(row.id, row.organization_id, row.profile_id, row.expire_time, row.last_used_time)


async def revoke_credentials(tx: Transaction, organization_id: int, agent_id: int, now: datetime) -> None:
    """Ends the credentials of an agent."""
    await tx.execute(
        update(agent_credentials)
        .where(
            agent_credentials.c.organization_id == organization_id,
            agent_credentials.c.agent_id == agent_id,
            agent_credentials.c.revoke_time.is_(None),
        )
        .values(revoke_time=now)
    )


async def set_credential_used(tx: Transaction, organization_id: int, credential_id: int, used_time: datetime) -> None:
    """Notes when a credential was used; an older time than the one known changes nothing."""
    await set_last_used(tx, agent_credentials, organization_id, credential_id, used_time)


async def set_token_used(tx: Transaction, organization_id: int, token_id: int, used_time: datetime) -> None:
    """Notes when a token was used; an older time than the one known changes nothing."""
    await set_last_used(tx, agent_enrollment_tokens, organization_id, token_id, used_time)


async def set_last_used(tx: Transaction, table: Table, organization_id: int, number: int, used_time: datetime) -> None:
    """Notes in a row of either table when it was used."""
    await tx.execute(
        update(table)
        .where(
            table.c.organization_id == organization_id,
            table.c.id == number,
            table.c.last_used_time.is_(None) | (table.c.last_used_time < used_time),
        )
        .values(last_used_time=used_time)
    )
