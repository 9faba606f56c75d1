"""Looks after work that nobody finishes."""

from datetime import datetime

from lumetry_core.collectors.service.working import expire_next, is_any_due, tidy
from lumetry_core.collectors.work import Handlers
from lumetry_core.runtime.database import Database

EXPIRED_AT_ONCE = 100


class WorkKeeper:
    """Any number may run on one database. While nothing is due, a round reads an index that holds nothing due, and writes nothing."""

    def __init__(self, database: Database, handlers: Handlers) -> None:
        self._database = database
        self._handlers = handlers

    async def tick(self, now: datetime) -> bool:
        """Lets ended leases go and ends what nobody finishes; True when there may be more. Fails with STORE_UNAVAILABLE."""
        async with self._database.read() as tx:
            is_due = await is_any_due(tx, now)
        if not is_due:
            return False
        async with self._database.write() as tx:
            has_more = await tidy(tx, now)
        for _ in range(EXPIRED_AT_ONCE):
            async with self._database.write() as tx:
                if not await expire_next(tx, self._handlers, now):
                    return has_more
        return True
