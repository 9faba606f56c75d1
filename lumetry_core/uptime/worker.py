"""Lets go of days that are past their time."""

from datetime import UTC, datetime, timedelta

from lumetry_core.runtime.database import Database
from lumetry_core.uptime.service import drop_old

INTERVAL = timedelta(hours=1)


class UptimeKeeper:
    """Runs hourly. Any number may run on one database."""

    def __init__(self, database: Database, kept: timedelta) -> None:
        self._database = database
        self._kept = kept
        self._next: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Drops what is old in all organizations. Never says that there is more to do."""
        if self._next is not None and now < self._next:
            return False
        async with self._database.write() as tx:
            await drop_old(tx, (now - self._kept).astimezone(UTC).date())
        self._next = now + INTERVAL
        return False
