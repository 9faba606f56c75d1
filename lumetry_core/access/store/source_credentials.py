"""Credentials of external alert sources."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, Table, insert, select, update

from lumetry_core.runtime.database import Id, Time, Transaction, metadata

source_credentials = Table(
    "source_credentials",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("source_id", BigInteger, nullable=False),
    # Alone: the secret is all that a caller presents, and it determines the organization.
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("prefix", String(12), nullable=False),
    Column("create_time", Time, nullable=False),
    Column("last_used_time", Time),
    Column("revoke_time", Time),
    Index("ix_source_credentials_organization_id_source_id", "organization_id", "source_id"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class SourceCredential:
    """What a credential of a source says of itself, dead or alive."""

    id: int
    organization_id: int
    source_id: int
    prefix: str
    last_used_time: datetime | None
    revoke_time: datetime | None


async def insert_credential(tx: Transaction, organization_id: int, source_id: int, *, digest: bytes, prefix: str, now: datetime) -> None:
    """Adds a credential."""
    await tx.execute(
        insert(source_credentials),
        {"organization_id": organization_id, "source_id": source_id, "digest": digest, "prefix": prefix, "create_time": now},
    )


async def find_by_digest(tx: Transaction, digest: bytes) -> SourceCredential | None:
    """The credential of a secret, dead or alive, in whichever organization."""
    row = (await tx.execute(select(source_credentials).where(source_credentials.c.digest == digest))).one_or_none()
    if row is None:
        return None
    return SourceCredential(row.id, row.organization_id, row.source_id, row.prefix, row.last_used_time, row.revoke_time)


async def revoke_credentials(tx: Transaction, organization_id: int, source_id: int, now: datetime) -> None:
    """Ends the credentials of a source."""
    await tx.execute(
        update(source_credentials)
        .where(
            source_credentials.c.organization_id == organization_id,
            source_credentials.c.source_id == source_id,
            source_credentials.c.revoke_time.is_(None),
        )
        .values(revoke_time=now)
    )


async def set_last_used(tx: Transaction, organization_id: int, credential_id: int, used_time: datetime) -> None:
    """Notes when a credential was used; an older time than the one known changes nothing."""
    await tx.execute(
        update(source_credentials)
        .where(
            source_credentials.c.organization_id == organization_id,
            source_credentials.c.id == credential_id,
            source_credentials.c.last_used_time.is_(None) | (source_credentials.c.last_used_time < used_time),
        )
        .values(last_used_time=used_time)
    )
