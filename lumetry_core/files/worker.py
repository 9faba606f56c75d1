"""The worker of files: empties the trash and clears away what broken uploads left."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

import structlog

from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.files.service import upkeep
from lumetry_core.files.storage import Storage
from lumetry_core.runtime.database import Database

log = structlog.get_logger(__name__)

SEARCH_INTERVAL = timedelta(hours=1)
"""How often all bytes are compared with the rows, also when nobody doubts that they belong together."""
COMPARED_AT_ONCE = 500


class FileKeeper:
    """Looks after the files of all organizations."""

    def __init__(self, database: Database, storage: Storage) -> None:
        self._database = database
        self._storage = storage
        self._next_search: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Drops what is due; true when there may be more."""
        broken = await asyncio.to_thread(self._storage.drop_broken)
        if broken:
            log.info("broken uploads were dropped", count=broken)
        more = False
        async with self._database.read() as tx:
            organization_ids = await list_organization_ids(tx)
        for organization_id in organization_ids:
            more |= await self._drop_expired(organization_id, now)
        if self._next_search is None or now >= self._next_search or self._storage.is_doubtful:
            self._storage.is_doubtful = False
            for organization_id in organization_ids:
                await self._drop_unknown(organization_id)
            self._next_search = now + SEARCH_INTERVAL
        return more

    async def _drop_expired(self, organization_id: int, now: datetime) -> bool:
        async with self._database.read() as tx:
            if not await upkeep.has_expired(tx, organization_id, now):
                return False
        async with self._database.write() as tx:
            dropped, more = await upkeep.drop_expired(tx, organization_id, now)
        for file in dropped:
            await asyncio.to_thread(self._storage.remove, organization_id, file.id)
        return more

    async def _drop_unknown(self, organization_id: int) -> None:
        places = self._storage.list_places(organization_id)
        while ids := await asyncio.to_thread(take, places):
            async with self._database.read() as tx:
                suspects = await upkeep.find_unknown(tx, organization_id, ids)
            # An upload that is being recorded holds its lock; one that has let go is recorded or never will be.
            over = [file_id for file_id in suspects if await asyncio.to_thread(self._storage.is_settled, organization_id, file_id)]
            if not over:
                continue
            async with self._database.read() as tx:
                unknown = await upkeep.find_unknown(tx, organization_id, over)
            for file_id in unknown:
                await asyncio.to_thread(self._storage.remove, organization_id, file_id)
            log.info("bytes without a file were dropped", count=len(unknown))


def take(places: Iterator[str]) -> list[str]:
    """The next few places."""
    return list(islice(places, COMPARED_AT_ONCE))
