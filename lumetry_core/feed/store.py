"""Who wants which events, in the database."""

from collections.abc import Collection

from sqlalchemy import BigInteger, Column, String, Table, delete, select

from lumetry_core.runtime.database import Transaction, metadata

feed_subscriptions = Table(
    "feed_subscriptions",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("queue", String(40), primary_key=True),
    Column("subject_id", String(40), primary_key=True),
    Column("event_type", String(60), primary_key=True),
)
columns = feed_subscriptions.c


async def insert_subscriptions(tx: Transaction, organization_id: int, queue: str, subject_id: str, types: Collection[str]) -> None:
    """Adds the types of a subject, which has none yet."""
    rows = [
        {"organization_id": organization_id, "queue": queue, "subject_id": subject_id, "event_type": event_type}
        for event_type in sorted(types)
    ]
    if rows:
        await tx.execute(feed_subscriptions.insert(), rows)


async def delete_subscriptions(tx: Transaction, organization_id: int, queue: str, subject_id: str) -> None:
    """Removes all types of a subject."""
    same = (columns.organization_id == organization_id, columns.queue == queue, columns.subject_id == subject_id)
    await tx.execute(delete(feed_subscriptions).where(*same))


async def read_queues(tx: Transaction, organization_id: int) -> set[tuple[str, str]]:
    """Event type and queue of all subscriptions of an organization and of all organizations (0)."""
    statement = select(columns.event_type, columns.queue).where(columns.organization_id.in_((organization_id, 0))).distinct()
    return {(row.event_type, row.queue) for row in await tx.execute(statement)}
