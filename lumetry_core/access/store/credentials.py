"""Credentials of collectors and the tokens that enroll them."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, Table, insert, select, update

from lumetry_core.access.model import CollectorCredential
from lumetry_core.runtime.caller import CredentialKind
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

collector_credentials = Table(
    "collector_credentials",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("collector_id", String(36), nullable=False),
    Column("kind", String(24), nullable=False),
    # Alone: the secret is all that a caller presents, and it determines the organization.
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("prefix", String(12), nullable=False),
    Column("create_time", Time, nullable=False),
    Column("expire_time", Time),
    Column("last_used_time", Time),
    Column("revoke_time", Time),
    Index("ix_collector_credentials_organization_id_collector_id", "organization_id", "collector_id"),
    sqlite_autoincrement=True,
)


async def insert_credential(
    tx: Transaction,
    organization_id: int,
    collector_id: str,
    *,
    kind: CredentialKind,
    digest: bytes,
    prefix: str,
    expire_time: datetime | None,
    now: datetime,
) -> None:
    """Adds a credential."""
    await tx.execute(
        insert(collector_credentials),
        {
            "organization_id": organization_id,
            "collector_id": collector_id,
            "kind": kind,
            "digest": digest,
            "prefix": prefix,
            "create_time": now,
            "expire_time": expire_time,
        },
    )


async def find_by_digest(tx: Transaction, digest: bytes, kind: CredentialKind) -> CollectorCredential | None:
    """The credential of a secret, dead or alive, in whichever organization."""
    statement = select(collector_credentials).where(collector_credentials.c.digest == digest, collector_credentials.c.kind == kind)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else to_credential(row)


async def find_credential(tx: Transaction, organization_id: int, credential_id: int) -> CollectorCredential | None:
    """The credential of a number."""
    statement = select(collector_credentials).where(
        collector_credentials.c.organization_id == organization_id, collector_credentials.c.id == credential_id
    )
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else to_credential(row)


async def revoke_credentials(
    tx: Transaction, organization_id: int, collector_id: str, kinds: tuple[CredentialKind, ...], now: datetime
) -> None:
    """Ends the collector's credentials of these kinds."""
    await tx.execute(
        update(collector_credentials)
        .where(
            collector_credentials.c.organization_id == organization_id,
            collector_credentials.c.collector_id == collector_id,
            collector_credentials.c.kind.in_(kinds),
            collector_credentials.c.revoke_time.is_(None),
        )
        .values(revoke_time=now)
    )


async def set_last_used(tx: Transaction, organization_id: int, credential_id: int, used_time: datetime) -> None:
    """Notes when a credential was used; an older time than the one known changes nothing."""
    await tx.execute(
        update(collector_credentials)
        .where(
            collector_credentials.c.organization_id == organization_id,
            collector_credentials.c.id == credential_id,
            collector_credentials.c.last_used_time.is_(None) | (collector_credentials.c.last_used_time < used_time),
        )
        .values(last_used_time=used_time)
    )


def to_credential(row: Any) -> CollectorCredential:  # noqa: ANN401 -- rows carry their columns as attributes
    """Reads a row of `collector_credentials`."""
    return CollectorCredential(
        id=row.id,
        organization_id=row.organization_id,
        collector_id=row.collector_id,
        kind=CredentialKind(row.kind),
        prefix=row.prefix,
        create_time=row.create_time,
        expire_time=row.expire_time,
        last_used_time=row.last_used_time,
        revoke_time=row.revoke_time,
    )
