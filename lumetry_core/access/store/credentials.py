"""Credentials of collectors and the tokens that enroll them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, Table, bindparam, insert, select, update

from lumetry_core.access.model import CollectorCredential
from lumetry_core.runtime.caller import CredentialKind
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.runtime.rows import RowStatement

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

LOOKED_UP_AT_ONCE = 500
NOTE_USES = RowStatement(
    update(collector_credentials)
    .where(
        collector_credentials.c.organization_id == bindparam("of_organization"),
        collector_credentials.c.id == bindparam("of_id"),
        collector_credentials.c.last_used_time.is_(None) | (collector_credentials.c.last_used_time < bindparam("used_time")),
    )
    .values(last_used_time=bindparam("new_time")),
    ("of_organization", "of_id", "used_time", "new_time"),
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


async def find_live(tx: Transaction, digests: Sequence[bytes]) -> dict[bytes, CollectorCredential]:
    """The credentials of secrets that were not revoked, in whichever organizations."""
    found: dict[bytes, CollectorCredential] = {}
    for start in range(0, len(digests), LOOKED_UP_AT_ONCE):
        part = digests[start : start + LOOKED_UP_AT_ONCE]
        statement = select(collector_credentials).where(
            collector_credentials.c.digest.in_(part), collector_credentials.c.revoke_time.is_(None)
        )
        found |= {bytes(row.digest): to_credential(row) for row in await tx.execute(statement)}
    return found


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


async def list_live_locked(tx: Transaction, organization_id: int, collector_id: str, now: datetime) -> list[CollectorCredential]:
    """The collector's credentials that serve, oldest first; nobody else changes them until the transaction ends."""
    statement = (
        select(collector_credentials)
        .where(
            collector_credentials.c.organization_id == organization_id,
            collector_credentials.c.collector_id == collector_id,
            collector_credentials.c.kind == CredentialKind.COLLECTOR,
            collector_credentials.c.revoke_time.is_(None),
            collector_credentials.c.expire_time.is_(None) | (collector_credentials.c.expire_time > now),
        )
        .order_by(collector_credentials.c.id)
    )
    return [to_credential(row) for row in await tx.execute(statement.with_for_update())]


async def has_predecessor(tx: Transaction, credential: CollectorCredential) -> bool:
    """Whether a credential that was not revoked stands before this one of the same collector."""
    statement = select(collector_credentials.c.id).where(
        collector_credentials.c.organization_id == credential.organization_id,
        collector_credentials.c.collector_id == credential.collector_id,
        collector_credentials.c.kind == credential.kind,
        collector_credentials.c.revoke_time.is_(None),
        collector_credentials.c.id < credential.id,
    )
    return (await tx.execute(statement.limit(1))).first() is not None


async def end_credentials(tx: Transaction, organization_id: int, credential_ids: Sequence[int], now: datetime) -> None:
    """Ends some credentials."""
    if credential_ids:
        await tx.execute(
            update(collector_credentials)
            .where(collector_credentials.c.organization_id == organization_id, collector_credentials.c.id.in_(credential_ids))
            .values(revoke_time=now)
        )


async def set_expire_time(tx: Transaction, organization_id: int, credential_id: int, expire_time: datetime) -> None:
    """Sets when a credential ends by itself."""
    await tx.execute(
        update(collector_credentials)
        .where(collector_credentials.c.organization_id == organization_id, collector_credentials.c.id == credential_id)
        .values(expire_time=expire_time)
    )


async def set_last_used(tx: Transaction, organization_id: int, credential_id: int, used_time: datetime) -> None:
    """Notes when a credential was used; an older time than the one known changes nothing."""
    await set_all_last_used(tx, [(organization_id, credential_id, used_time)])


async def set_all_last_used(tx: Transaction, uses: Iterable[tuple[int, int, datetime]]) -> None:
    """As `set_last_used`, for each organization, credential and time."""
    await NOTE_USES.execute(tx, [(organization_id, number, to_ms(time), to_ms(time)) for organization_id, number, time in uses])


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
