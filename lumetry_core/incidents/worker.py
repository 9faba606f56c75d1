"""Correlates alerts into incidents as they come, and keeps the event log bounded."""

from datetime import datetime, timedelta

from lumetry_core.incidents.model import Settings
from lumetry_core.incidents.service.correlating import correlate_waiting
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.events import drop_old

CLEANUP_INTERVAL = timedelta(minutes=3)


class Correlator:
    """Works off the queue `correlation`. Any number may run on one database."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._next_cleanup: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Takes what waits in one organization, in one transaction; True when there may be more.

        Fails with STORE_UNAVAILABLE; then nothing was done.
        """
        async with self._database.write() as tx:
            busy = await correlate_waiting(tx, self._settings, now)
        if self._next_cleanup is None or now >= self._next_cleanup:
            async with self._database.write() as tx:
                await drop_old(tx, now)
            self._next_cleanup = now + CLEANUP_INTERVAL
        return busy
