"""Lets go of inquiries that are past their time."""

from datetime import datetime, timedelta

from lumetry_core.inquiries.service import drop_old
from lumetry_core.runtime.database import Database

INTERVAL = timedelta(hours=1)


class InquiryKeeper:
    """Any number may run on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next_drop: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Drops what is old, once an hour. Never says that there is more to do."""
        if self._next_drop is None or now >= self._next_drop:
            async with self._database.write() as tx:
                await drop_old(tx, now)
            self._next_drop = now + INTERVAL
        return False
