"""Keeps what operators planned: maintenance windows and silences start and end in time."""

from datetime import datetime

from lumetry_core.alerts.service.upkeep import keep_operations, organizations_due
from lumetry_core.runtime.database import Database


class OperationsKeeper:
    """Runs every second. While nothing starts or ends, a round reads two indexes that hold nothing due, and writes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tick(self, now: datetime) -> bool:
        """Starts and ends what is due in all organizations. Never says that there is more to do."""
        async with self._database.read() as tx:
            organization_ids = await organizations_due(tx, now)
        for organization_id in organization_ids:
            async with self._database.write() as tx:
                await keep_operations(tx, organization_id, now)
        return False
