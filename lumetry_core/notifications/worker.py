"""Routes transitions as they come, and what has waited long enough, and lets go of deliveries of long ago."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.notifications.delivery import Delivery
from lumetry_core.notifications.model import Integration
from lumetry_core.notifications.service import dispatches
from lumetry_core.notifications.service.announcing import announce_waiting
from lumetry_core.notifications.service.retention import drop_old
from lumetry_core.notifications.service.routing import route_waiting, wake_due
from lumetry_core.runtime.database import Database

CHECK_INTERVAL = timedelta(seconds=5)
"""How often what waits is looked for in the store: other processes make transitions wait too."""
RETENTION_INTERVAL = timedelta(hours=1)
DROPPED_AT_ONCE = 1000
DISPATCHES_KEPT = timedelta(days=30)
"""Contract monitoring 1.8."""


class Outbox(Protocol):
    """Who sends."""

    def take(self, handed: Sequence[tuple[Delivery, Integration]]) -> None:
        """Takes deliveries that are leased to this process and committed."""


class Router:
    """Works off the queue `routing`. Any number may run on one database."""

    def __init__(self, database: Database, owner: str, fallback: Integration | None, outbox: Outbox) -> None:
        self._database = database
        self._owner = owner
        self._fallback = fallback
        self._outbox = outbox
        self._next_due: datetime | None = None
        self._next_check: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Takes what waits in one organization, in one transaction; True when there may be more.

        Fails with STORE_UNAVAILABLE; then nothing was done.
        """
        async with self._database.write() as tx:
            routed = await route_waiting(tx, self._owner, self._fallback, now)
        if routed.next_due is not None:
            self._next_due = min(routed.next_due, self._next_due or routed.next_due)
        self._outbox.take(routed.handed)
        return routed.was_busy

    async def tick_due(self, now: datetime) -> bool:
        """Has routing look at what has waited long enough. Asks the store only when something may be due."""
        is_due = self._next_due is not None and self._next_due <= now
        if not is_due and self._next_check is not None and now < self._next_check:
            return False
        async with self._database.write() as tx:
            self._next_due = await wake_due(tx, now)
        self._next_check = now + CHECK_INTERVAL
        return False


class Announcer:
    """Works off the queue `webhooks`. Any number may run on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tick(self, now: datetime) -> bool:
        """Takes what waits in one organization, in one transaction; True when there may be more."""
        async with self._database.write() as tx:
            return await announce_waiting(tx, now)


class DeliveryKeeper:
    """Drops deliveries and dispatches that are past their time. Any number may run on one database."""

    def __init__(self, database: Database, kept: timedelta) -> None:
        self._database = database
        self._kept = kept
        self._next_drop: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Once an hour drops a part in every organization; True when there may be more."""
        if self._next_drop is not None and now < self._next_drop:
            return False
        async with self._database.read() as tx:
            organization_ids = await list_organization_ids(tx)
        more = False
        for organization_id in organization_ids:
            async with self._database.write() as tx:
                more |= await drop_old(tx, organization_id, now - self._kept, DROPPED_AT_ONCE)
            async with self._database.write() as tx:
                more |= await dispatches.drop_old(tx, organization_id, DISPATCHES_KEPT, DROPPED_AT_ONCE, now)
        self._next_drop = None if more else now + RETENTION_INTERVAL
        return more
