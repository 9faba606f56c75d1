"""Keeps the usage of logs: stores what was counted in memory, drops what is old."""

from datetime import datetime, timedelta

from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.logs.service.usage import RefusedPushes, drop_old
from lumetry_core.runtime.database import Database

DROP_INTERVAL = timedelta(hours=1)


class LogUsageKeeper:
    """Runs every few seconds in each core."""

    def __init__(self, database: Database, refused: RefusedPushes, kept: timedelta) -> None:
        self._database = database
        self._refused = refused
        self._kept = kept
        self._next_drop: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Stores and drops. Never says that there is more to do."""
        await self._refused.flush()
        if self._next_drop is None or now >= self._next_drop:
            async with self._database.read() as tx:
                organization_ids = await list_organization_ids(tx)
            for organization_id in organization_ids:
                async with self._database.write() as tx:
                    await drop_old(tx, organization_id, now - self._kept)
            self._next_drop = now + DROP_INTERVAL
        return False
