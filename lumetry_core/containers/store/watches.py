"""Which core watches the runtime, in the database."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, String, Table, or_, update

from lumetry_core.runtime.database import Time, Transaction, metadata

container_watches = Table(
    "container_watches",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("owner", String(36), nullable=False),
    Column("expire_time", Time, nullable=False),
)


async def take(tx: Transaction, organization_id: int, owner: str, now: datetime, expire_time: datetime) -> bool:
    """Takes or renews the watch; False when another core holds it."""
    columns = container_watches.c
    free = {"organization_id": organization_id, "owner": owner, "expire_time": now}
    await tx.execute(tx.insert(container_watches).on_conflict_do_nothing(), free)
    statement = (
        update(container_watches)
        .where(columns.organization_id == organization_id, or_(columns.owner == owner, columns.expire_time < now))
        .values(owner=owner, expire_time=expire_time)
    )
    return bool((await tx.execute(statement)).rowcount)


async def release(tx: Transaction, organization_id: int, owner: str, now: datetime) -> None:
    """Gives the watch back."""
    columns = container_watches.c
    await tx.execute(
        update(container_watches).where(columns.organization_id == organization_id, columns.owner == owner).values(expire_time=now)
    )
