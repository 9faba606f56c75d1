"""Lets go of notices that are past their time."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from lumetry_core.notices.service import drop_old
from lumetry_core.runtime.database import Database, Transaction

INTERVAL = timedelta(minutes=10)
DROPPED_AT_ONCE = 1000


class NoticeKeeper:
    """Any number may run on one database."""

    def __init__(self, database: Database, list_organization_ids: Callable[[Transaction], Awaitable[list[int]]]) -> None:
        """Builds the worker.

        Args:
            database: Where everything is.
            list_organization_ids: Whose inboxes are looked after.
        """
        self._database = database
        self._list_organization_ids = list_organization_ids
        self._next_drop: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Drops what is old when it is time to; True when there may be more."""
        if self._next_drop is not None and now < self._next_drop:
            return False
        async with self._database.read() as tx:
            organization_ids = await self._list_organization_ids(tx)
        has_more = False
        for organization_id in organization_ids:
            async with self._database.write() as tx:
                has_more |= await drop_old(tx, organization_id, DROPPED_AT_ONCE, now)
        self._next_drop = None if has_more else now + INTERVAL
        return has_more
