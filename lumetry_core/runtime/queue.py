"""Work for later stages, committed with its cause, and the wake-ups that make stages start at once.

A stage takes all waiting items of one organization in the transaction that records their effects and deletes them, so that each item
has its effects exactly once. Organizations are worked on side by side, one organization by one worker at a time.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec
import structlog
from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, Table, delete, func, select

from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.runtime.errors import LumetryError, Reason

log = structlog.get_logger(__name__)

work_items = Table(
    "work_items",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("queue", String(40), nullable=False),
    Column("kind", String(60), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("create_time", Time, nullable=False),
    Index("ix_work_items_organization_queue", "organization_id", "queue", "id"),
    sqlite_autoincrement=True,
)
work_heads = Table(
    "work_heads",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("queue", String(40), primary_key=True),
)


@dataclass(frozen=True, slots=True)
class WorkItem:
    """Something a later stage must do. `payload` is what the producer gave, decoded from MessagePack."""

    id: int
    organization_id: int
    kind: str
    payload: Any
    create_time: datetime


async def enqueue(tx: Transaction, organization_id: int, queue: str, items: Iterable[tuple[str, Any]], now: datetime) -> None:
    """Adds work to a queue and wakes its stage at commit.

    Args:
        items: Pairs of kind and payload (anything MessagePack can carry), in order.
        now: Time of the cause.
    """
    rows = [
        {
            "organization_id": organization_id,
            "queue": queue,
            "kind": kind,
            "payload": msgspec.msgpack.encode(payload),
            "create_time": now,
        }
        for kind, payload in items
    ]
    if not rows:
        return
    await tx.execute(tx.insert(work_heads).on_conflict_do_nothing(), {"organization_id": organization_id, "queue": queue})
    await tx.execute(work_items.insert(), rows)
    tx.wake(queue)


async def claim(tx: Transaction, queue: str, limit: int = 1000) -> list[WorkItem]:
    """Takes the oldest waiting items of one organization; empty when no organization has work that is free to take.

    The organization whose work has waited longest comes first, so that a busy one keeps nobody waiting. The claim lasts as long as
    the transaction. The worker finishes with `complete` in the same transaction.
    """
    oldest = (
        select(func.min(work_items.c.id))
        .where(work_items.c.organization_id == work_heads.c.organization_id, work_items.c.queue == queue)
        .scalar_subquery()
    )
    head = select(work_heads.c.organization_id).where(work_heads.c.queue == queue, oldest.is_not(None)).order_by(oldest).limit(1)
    head = head.with_for_update(skip_locked=True)
    organization_id = (await tx.execute(head)).scalar_one_or_none()
    if organization_id is None:
        return []
    rows = await tx.execute(
        select(work_items)
        .where(work_items.c.organization_id == organization_id, work_items.c.queue == queue)
        .order_by(work_items.c.id)
        .limit(limit)
    )
    return [WorkItem(row.id, row.organization_id, row.kind, msgspec.msgpack.decode(row.payload), row.create_time) for row in rows]


async def complete(tx: Transaction, items: Iterable[WorkItem]) -> None:
    """Deletes claimed items of one organization, whose effects stand in the same transaction.

    By number, not by range: on PostgreSQL an item with a lower number may be committed after the claim.
    """
    claimed = list(items)
    for start in range(0, len(claimed), DELETED_AT_ONCE):
        part = claimed[start : start + DELETED_AT_ONCE]
        numbers = [item.id for item in part]
        await tx.execute(delete(work_items).where(work_items.c.organization_id == part[0].organization_id, work_items.c.id.in_(numbers)))


DELETED_AT_ONCE = 5000
"""Below the parameters that one statement may carry on either database."""


class Subscription:
    """One waiter's own view of a channel: what wakes another waiter is not lost to this one."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def is_woken(self) -> bool:
        """Whether the next wait ends at once."""
        return self._event.is_set()

    def wake(self) -> None:
        """Ends the present or the next wait."""
        self._event.set()

    async def wait(self, timeout_seconds: float) -> None:
        """Waits for a wake-up since the last wait, at most so long: polling is the safety net, not the clock."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._event.wait()
        except TimeoutError:
            return
        finally:
            self._event.clear()


class Wakeups:
    """In-process events by channel name; on PostgreSQL also fed by the notifications of other processes."""

    def __init__(self) -> None:
        self._workers: dict[str, Subscription] = {}
        self._subscriptions: dict[str, set[Subscription]] = {}

    def wake(self, channel: str) -> None:
        """Wakes the channel's worker and every subscription, those that wait now and those that will next."""
        self._worker(channel).wake()
        for subscription in self._subscriptions.get(channel, ()):
            subscription.wake()

    async def wait(self, channel: str, timeout_seconds: float) -> None:
        """Waits as the channel's only worker, also for a wake-up that came before the first wait. Several waiters subscribe instead."""
        await self._worker(channel).wait(timeout_seconds)

    @contextmanager
    def subscribe(self, channel: str) -> Iterator[Subscription]:
        """A subscription that hears every wake-up of the channel from now to the end of the block."""
        subscription = Subscription()
        subscriptions = self._subscriptions.setdefault(channel, set())
        subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            subscriptions.discard(subscription)
            if not subscriptions and self._subscriptions.get(channel) is subscriptions:
                del self._subscriptions[channel]

    def _worker(self, channel: str) -> Subscription:
        return self._workers.setdefault(channel, Subscription())

    async def listen(self, url: str) -> None:
        """Feeds the events from PostgreSQL notifications until cancelled; reconnects after a lost connection."""
        import asyncpg  # noqa: PLC0415 -- megabytes that a deployment on SQLite does not need

        address = url.replace("postgresql+asyncpg://", "postgresql://")
        while True:
            try:
                connection = await asyncpg.connect(address)
                try:
                    lost = asyncio.Event()
                    connection.add_termination_listener(lambda _connection, lost=lost: lost.set())
                    await connection.add_listener("lumetry", lambda *received: self.wake(received[3]))
                    await lost.wait()
                finally:
                    await connection.close(timeout=2)
            except (OSError, asyncpg.PostgresError) as error:
                log.warning("lost the notification connection", error=str(error))
            await asyncio.sleep(1)


class Tick(Protocol):
    """One round of a worker: does what is there to do and says whether there may be more right now."""

    async def __call__(self, now: datetime) -> bool:
        """Runs one round."""


async def work(name: str, tick: Tick, wakeups: Wakeups, clock: Clock, channel: str, idle_seconds: float) -> None:
    """Runs a worker until cancelled: round after round while there is work, then until it is woken or `idle_seconds` have passed.

    A store that cannot be used makes it pause and try again; anything else ends the process loudly.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            busy = await tick(clock.now())
        except LumetryError as error:
            if error.reason is not Reason.STORE_UNAVAILABLE:
                raise
            log.warning("the store cannot be used, trying again", worker=name, pause_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE_SECONDS)
            continue
        pause = FIRST_PAUSE_SECONDS
        if not busy:
            await wakeups.wait(channel, idle_seconds)


FIRST_PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 5.0
