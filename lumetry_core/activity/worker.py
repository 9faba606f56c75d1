"""Workers of the activity feed: one packs blocks, one drops what is old."""

import asyncio
from datetime import datetime, timedelta

from lumetry_core.activity.service.packing import (
    drop_old,
    find_unpacked,
    list_organizations,
    pack_block,
    read_block,
    store_blocks,
)
from lumetry_core.runtime.database import Database

INTERVAL = timedelta(hours=1)
PACKED_AT_ONCE = 4
PAUSE = 1.0
"""Times that packing just took: while much happens, that comes first."""


class ActivityPacker:
    """Packs full blocks. Any number may run on one database."""

    def __init__(self, database: Database, pause: float = PAUSE) -> None:
        self._database = database
        self._pause = pause

    async def tick(self, now: datetime) -> bool:
        """Packs some blocks of each organization; true when there are more."""
        async with self._database.read() as tx:
            unpacked = await find_unpacked(tx)
        loop = asyncio.get_running_loop()
        for organization_id, first, count in unpacked:
            begin = loop.time()
            numbers = range(first, first + min(count, PACKED_AT_ONCE))
            async with self._database.read() as tx:
                read = [(number, await read_block(tx, organization_id, number)) for number in numbers]
            packed = [await asyncio.to_thread(pack_block, number, items) for number, items in read]
            async with self._database.write() as tx:
                await store_blocks(tx, organization_id, first, packed)
            await asyncio.sleep((loop.time() - begin) * self._pause)
        return any(count > PACKED_AT_ONCE for _, _, count in unpacked)


class ActivityKeeper:
    """Deletes items after 400 days, once an hour. Any number may run on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Drops a part of what is due; true when there may be more."""
        if self._next is not None and now < self._next:
            return False
        async with self._database.read() as tx:
            organization_ids = await list_organizations(tx)
        more = False
        for organization_id in organization_ids:
            async with self._database.write() as tx:
                more |= await drop_old(tx, organization_id, now)
        if not more:
            self._next = now + INTERVAL
        return more
