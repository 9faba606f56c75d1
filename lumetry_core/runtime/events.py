"""The bounded log of what changed, in order, for live streams.

An event is written in the transaction of its change. Its number comes from the organization's counter row, which the transaction keeps
locked until it commits, so numbers become visible in order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, LargeBinary, String, Table, delete, func, select

from lumetry_core.runtime.database import Time, Transaction, metadata

KEPT_EVENTS = 10_000
KEPT_DURATION = timedelta(minutes=10)

event_heads = Table(
    "event_heads",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("last_id", BigInteger, nullable=False),
)
events = Table(
    "events",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("topic", String(40), nullable=False),
    Column("kind", String(60), nullable=False),
    Column("subject", LargeBinary, nullable=False),
    Column("create_time", Time, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Event:
    """A change: its number in the organization, topic, kind such as `alert.opened`, and the subject's model as MessagePack."""

    id: int
    topic: str
    kind: str
    subject: bytes


def channel(organization_id: int) -> str:
    """The wake-up channel of an organization's events."""
    return f"events:{organization_id}"


async def publish(tx: Transaction, organization_id: int, changes: Iterable[tuple[str, str, Any]], now: datetime) -> None:
    """Appends events and wakes the streams at commit.

    Args:
        changes: Topic, kind and subject (a model dataclass) of each event, in order.
        now: Time of the change.
    """
    encoded = [(topic, kind, msgspec.msgpack.encode(subject)) for topic, kind, subject in changes]
    if not encoded:
        return
    advance = (
        tx.insert(event_heads)
        .values(organization_id=organization_id, last_id=len(encoded))
        .on_conflict_do_update(index_elements=["organization_id"], set_={"last_id": event_heads.c.last_id + len(encoded)})
        .returning(event_heads.c.last_id)
    )
    last_id = (await tx.execute(advance)).scalar_one()
    first_id = last_id - len(encoded) + 1
    await tx.execute(
        events.insert(),
        [
            {
                "organization_id": organization_id,
                "id": first_id + position,
                "topic": topic,
                "kind": kind,
                "subject": subject,
                "create_time": now,
            }
            for position, (topic, kind, subject) in enumerate(encoded)
        ],
    )
    tx.wake(channel(organization_id))


async def read_range(tx: Transaction, organization_id: int) -> tuple[int, int]:
    """The oldest kept and the newest number; (newest + 1, newest) when none is kept."""
    last_id = (
        await tx.execute(select(event_heads.c.last_id).where(event_heads.c.organization_id == organization_id))
    ).scalar_one_or_none() or 0
    oldest = (await tx.execute(select(func.min(events.c.id)).where(events.c.organization_id == organization_id))).scalar_one()
    return (last_id + 1 if oldest is None else oldest), last_id


async def read_after(tx: Transaction, organization_id: int, after_id: int, topics: Sequence[str], limit: int) -> list[Event]:
    """The next events of the topics after a number, ascending."""
    rows = await tx.execute(
        select(events.c.id, events.c.topic, events.c.kind, events.c.subject)
        .where(events.c.organization_id == organization_id, events.c.id > after_id, events.c.topic.in_(topics))
        .order_by(events.c.id)
        .limit(limit)
    )
    return [Event(row.id, row.topic, row.kind, row.subject) for row in rows]


async def drop_old(tx: Transaction, now: datetime) -> None:
    """Drops events that are both older than ten minutes and beyond the newest 10,000 of their organization."""
    for head in (await tx.execute(select(event_heads))).all():
        await tx.execute(
            delete(events).where(
                events.c.organization_id == head.organization_id,
                events.c.id <= head.last_id - KEPT_EVENTS,
                events.c.create_time < now - KEPT_DURATION,
            )
        )
