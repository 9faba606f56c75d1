"""The bounded log of what changed, in order, for live streams.

An event is written at the end of the transaction of its change. Its number comes from the organization's counter row, which the
transaction keeps locked until it commits, so numbers become visible in order.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, LargeBinary, String, Table, delete, func, select, update

from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Time, Transaction, metadata
from lumetry_core.runtime.rows import RowStatement

KEPT_EVENTS = 10_000
KEPT_DURATION = timedelta(minutes=10)
LONG_TOPICS = ("monitoring", "status")
"""Topics whose streams go back farther (contract monitoring 17.1)."""
KEPT_LONG = timedelta(hours=1)

event_heads = Table(
    "event_heads",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("last_id", BigInteger, nullable=False),
    Column("dropped_id", BigInteger, nullable=False, server_default="0"),
    Column("dropped_long_id", BigInteger, nullable=False, server_default="0"),
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


INSERT_EVENTS = RowStatement(events.insert(), ("organization_id", "id", "topic", "kind", "subject", "create_time"))


@dataclass(frozen=True, slots=True)
class Event:
    """A change: its number in the organization, topic, kind such as `alert.opened`, and the subject's model as MessagePack."""

    id: int
    topic: str
    kind: str
    subject: bytes
    create_time: datetime | None = None


def channel(organization_id: int) -> str:
    """The wake-up channel of an organization's events."""
    return f"events:{organization_id}"


class Published:
    """Events of a transaction that are written right before its commit.

    The counter row is then locked last and briefly: whoever locks rows of its own and then publishes never waits in a circle with another.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, list[tuple[str, str, bytes, int]]] = {}

    def add(self, organization_id: int, events: Iterable[tuple[str, str, bytes, int]]) -> None:
        """Takes topic, kind, subject and time (ms) of events."""
        self._waiting.setdefault(organization_id, []).extend(events)

    async def write(self, tx: Transaction) -> None:
        """Writes what was taken, organizations in one order for all."""
        for organization_id, taken in sorted(self._waiting.items()):
            first_id = await take_ids(tx, organization_id, len(taken))
            rows = [(organization_id, first_id + position, *event) for position, event in enumerate(taken)]
            await INSERT_EVENTS.execute(tx, rows)
            tx.wake(channel(organization_id))
        self._waiting.clear()


async def publish(tx: Transaction, organization_id: int, changes: Iterable[tuple[str, str, Any]], now: datetime) -> None:
    """Appends events, which are written at the end of the transaction, and wakes the streams at commit.

    Args:
        changes: Topic, kind and subject (a model dataclass) of each event, in order.
        now: Time of the change.
    """
    time = to_ms(now)
    encoded = [(topic, kind, msgspec.msgpack.encode(subject), time) for topic, kind, subject in changes]
    if encoded:
        find_published(tx).add(organization_id, encoded)


def find_published(tx: Transaction) -> Published:
    """What a transaction has published."""
    for step in tx.last_steps:
        owner = getattr(step, "__self__", None)
        if isinstance(owner, Published):
            return owner
    published = Published()
    tx.last_steps.append(published.write)
    return published


async def write_published(tx: Transaction) -> None:
    """Writes what the transaction has published now, for whoever has to know its numbers."""
    await find_published(tx).write(tx)


async def take_ids(tx: Transaction, organization_id: int, count: int) -> int:
    """The first of so many numbers in a row, which keeps others from taking any until the transaction ends."""
    advance = (
        tx.insert(event_heads)
        .values(organization_id=organization_id, last_id=count)
        .on_conflict_do_update(index_elements=["organization_id"], set_={"last_id": event_heads.c.last_id + count})
        .returning(event_heads.c.last_id)
    )
    last_id: int = (await tx.execute(advance)).scalar_one()
    return last_id - count + 1


async def hold_log(tx: Transaction, organization_id: int) -> None:
    """Keeps others from writing to the event log of an organization until the transaction ends, which SQLite does anyway."""
    if tx.is_postgresql:
        await take_ids(tx, organization_id, 0)


async def read_range(tx: Transaction, organization_id: int, topics: Collection[str]) -> tuple[int, int]:
    """The oldest number from which on all events of topics are kept, and the newest number of any event."""
    head = (await tx.execute(select(event_heads).where(event_heads.c.organization_id == organization_id))).one_or_none()
    if head is None:
        return 1, 0
    dropped = max(head.dropped_long_id if topic in LONG_TOPICS else head.dropped_id for topic in topics)
    return dropped + 1, head.last_id


async def read_oldest(
    tx: Transaction, organization_id: int, topics: Collection[str], left_out: Collection[str], since: datetime, count: int
) -> int | None:
    """The oldest of the newest events of topics, of at most so many and not before a time; None: there is none."""
    columns = events.c
    newest = (
        select(columns.id)
        .where(
            columns.organization_id == organization_id,
            columns.topic.in_(topics),
            columns.kind.not_in(left_out),
            columns.create_time >= since,
        )
        .order_by(columns.id.desc())
        .limit(count)
        .subquery()
    )
    oldest: int | None = (await tx.execute(select(func.min(newest.c.id)))).scalar_one()
    return oldest


async def read_after(tx: Transaction, organization_id: int, after_id: int, topics: Sequence[str], limit: int) -> list[Event]:
    """The next events of the topics after a number, ascending."""
    rows = await tx.execute(
        select(events)
        .where(events.c.organization_id == organization_id, events.c.id > after_id, events.c.topic.in_(topics))
        .order_by(events.c.id)
        .limit(limit)
    )
    return [Event(row.id, row.topic, row.kind, row.subject, row.create_time) for row in rows]


async def drop_old(tx: Transaction, now: datetime) -> None:
    """Drops events that are both older than ten minutes and beyond the newest 10,000 of their organization; some topics keep an hour."""
    for head in (await tx.execute(select(event_heads))).all():
        for of_kind, kept, column in (
            (events.c.topic.not_in(LONG_TOPICS), KEPT_DURATION, event_heads.c.dropped_id),
            (events.c.topic.in_(LONG_TOPICS), KEPT_LONG, event_heads.c.dropped_long_id),
        ):
            of_head = (events.c.organization_id == head.organization_id, of_kind)
            old = (events.c.id <= head.last_id - KEPT_EVENTS, events.c.create_time < now - kept)
            newest = (await tx.execute(select(func.max(events.c.id)).where(*of_head, *old))).scalar_one()
            if newest is not None:
                await tx.execute(delete(events).where(*of_head, events.c.id <= newest))
                same = event_heads.c.organization_id == head.organization_id
                await tx.execute(update(event_heads).where(same).values({column.name: newest}))
