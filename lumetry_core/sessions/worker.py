"""Writes what happens to incidents into their sessions."""

from datetime import datetime

from lumetry_core.runtime.database import Database
from lumetry_core.sessions.service.announcing import announce_waiting


class SessionAnnouncer:
    """Works off the queue `sessions`. Any number may run on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tick(self, now: datetime) -> bool:
        """Takes what waits in one organization, in one transaction; True when there may be more."""
        async with self._database.write() as tx:
            return await announce_waiting(tx, now)
