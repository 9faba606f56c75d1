"""Log keys of projects."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, Table, UniqueConstraint, func, select, text, update

from lumetry_core.access.keys import MAX_LOG_KEY_NAME_LENGTH, LogKey, LogKeyAccess
from lumetry_core.access.model import name_key
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

ALIVE = text("revoke_time IS NULL")
"""The name of a revoked key is free again."""

log_keys = Table(
    "log_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("key_id", String(36), nullable=False),
    Column("project_id", String(36), nullable=False),
    Column("name", String(MAX_LOG_KEY_NAME_LENGTH), nullable=False),
    Column("name_key", String(2 * MAX_LOG_KEY_NAME_LENGTH), nullable=False),
    # Alone: the secret is all that a caller presents, and it determines the organization.
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("prefix", String(12), nullable=False),
    Column("environment", String(20), nullable=False),
    Column("access", String(10), nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("create_time", Time, nullable=False),
    Column("expire_time", Time),
    Column("last_used_time", Time),
    Column("revoke_time", Time),
    UniqueConstraint("organization_id", "key_id"),
    Index("uq_log_keys_organization_id_name_key", "organization_id", "name_key", unique=True, sqlite_where=ALIVE, postgresql_where=ALIVE),
    sqlite_autoincrement=True,
)


async def insert_key(
    tx: Transaction,
    organization_id: int,
    *,
    key_id: str,
    project_id: str,
    name: str,
    digest: bytes,
    prefix: str,
    environment: str,
    access: LogKeyAccess,
    created_by: str,
    expire_time: datetime | None,
    now: datetime,
) -> LogKey | None:
    """Adds a key; None when a living one has the name."""
    statement = (
        tx.insert(log_keys)
        .values(
            organization_id=organization_id,
            key_id=key_id,
            project_id=project_id,
            name=name,
            name_key=name_key(name),
            digest=digest,
            prefix=prefix,
            environment=environment,
            access=access,
            created_by=created_by,
            create_time=now,
            expire_time=expire_time,
        )
        .on_conflict_do_nothing(index_elements=["organization_id", "name_key"], index_where=ALIVE)
        .returning(log_keys)
    )
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else to_key(row)


async def find_by_digest(tx: Transaction, digest: bytes) -> LogKey | None:
    """The key of a secret, dead or alive, in whichever organization."""
    row = (await tx.execute(select(log_keys).where(log_keys.c.digest == digest))).one_or_none()
    return None if row is None else to_key(row)


async def find_key(tx: Transaction, organization_id: int, key_id: str) -> LogKey | None:
    """The key of a UUID, dead or alive."""
    statement = select(log_keys).where(log_keys.c.organization_id == organization_id, log_keys.c.key_id == key_id)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else to_key(row)


async def list_keys(tx: Transaction, organization_id: int, project_id: str | None) -> list[LogKey]:
    """The keys that are not revoked, of one project or of all, newest first."""
    statement = select(log_keys).where(log_keys.c.organization_id == organization_id, log_keys.c.revoke_time.is_(None))
    if project_id is not None:
        statement = statement.where(log_keys.c.project_id == project_id)
    return [to_key(row) for row in await tx.execute(statement.order_by(log_keys.c.id.desc()))]


async def count_keys(tx: Transaction, organization_id: int, project_id: str) -> int:
    """How many keys of a project are not revoked."""
    statement = (
        select(func.count())
        .select_from(log_keys)
        .where(log_keys.c.organization_id == organization_id, log_keys.c.project_id == project_id, log_keys.c.revoke_time.is_(None))
    )
    return int((await tx.execute(statement)).scalar_one())


async def revoke_key(tx: Transaction, organization_id: int, number: int, now: datetime) -> bool:
    """Ends a key; False when it was revoked before."""
    statement = update(log_keys).where(
        log_keys.c.organization_id == organization_id, log_keys.c.id == number, log_keys.c.revoke_time.is_(None)
    )
    return (await tx.execute(statement.values(revoke_time=now))).rowcount == 1


async def set_last_used(tx: Transaction, organization_id: int, number: int, used_time: datetime) -> None:
    """Notes when a key was used; an older time than the one known changes nothing."""
    await tx.execute(
        update(log_keys)
        .where(
            log_keys.c.organization_id == organization_id,
            log_keys.c.id == number,
            log_keys.c.last_used_time.is_(None) | (log_keys.c.last_used_time < used_time),
        )
        .values(last_used_time=used_time)
    )


def to_key(row: Any) -> LogKey:  # noqa: ANN401 -- rows carry their columns as attributes
    """Reads a row of `log_keys`."""
    return LogKey(
        id=row.key_id,
        number=row.id,
        organization_id=row.organization_id,
        project_id=row.project_id,
        name=row.name,
        prefix=row.prefix,
        environment=row.environment,
        access=LogKeyAccess(row.access),
        created_by=row.created_by,
        create_time=row.create_time,
        expire_time=row.expire_time,
        last_used_time=row.last_used_time,
        revoke_time=row.revoke_time,
    )
