"""Takes what is gone out of projects."""

from datetime import datetime, timedelta

from lumetry_core.overview.service.resources import drop_dangling
from lumetry_core.projects.service.links import list_linking_organizations
from lumetry_core.runtime.database import Database

INTERVAL = timedelta(hours=1)


class LinkKeeper:
    """Any number may run on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next_look: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Looks when it is time to; there is never more to do."""
        if self._next_look is not None and now < self._next_look:
            return False
        async with self._database.read() as tx:
            organization_ids = await list_linking_organizations(tx)
        for organization_id in organization_ids:
            async with self._database.write() as tx:
                await drop_dangling(tx, organization_id)
        self._next_look = now + INTERVAL
        return False
