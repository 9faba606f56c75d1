"""Watches what the public page shows."""

from datetime import datetime

from lumetry_core.runtime.database import Database
from lumetry_core.runtime.queue import claim, complete
from lumetry_core.statuspages.model import QUEUE
from lumetry_core.statuspages.service.components import remove_orphans
from lumetry_core.statuspages.service.organization import PublicOrganization
from lumetry_core.statuspages.service.telling import find_news, tell_changes


class StatusKeeper:
    """Tells followers what changes, and removes the components of monitors that are gone."""

    def __init__(self, database: Database, organization: PublicOrganization) -> None:
        self._database = database
        self._organization = organization

    async def tick(self, now: datetime) -> bool:
        """Works off events of one organization, and looks at the public page, which time and incidents change as well."""
        async with self._database.read() as tx:
            public_id = await self._organization.find(tx)
            has_news = public_id is not None and await find_news(tx, public_id, now)
        async with self._database.write() as tx:
            items = await claim(tx, QUEUE)
            await complete(tx, items)
            changed = {items[0].organization_id} if items else set()
            if has_news and public_id is not None:
                changed.add(public_id)
            for organization_id in sorted(changed):
                await remove_orphans(tx, organization_id, now)
                if organization_id == public_id:
                    await tell_changes(tx, organization_id, now)
        return bool(items)
