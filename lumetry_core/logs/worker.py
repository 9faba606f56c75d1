"""Workers of logs: one seals blocks, one drops what is old."""

import asyncio
from datetime import datetime, timedelta

import structlog

from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.logs.model import BlockGroup, BlocksChanged, Settings
from lumetry_core.logs.service import sealing, upkeep
from lumetry_core.runtime.database import Database

log = structlog.get_logger(__name__)

PAUSE = 2.0
"""Times that what was just sealed took: while entries pour in, accepting them comes first …"""
BEHIND_ENTRIES = 500_000
"""… until so many wait to be sealed, for search has to read what is not."""
UPKEEP_INTERVAL = timedelta(hours=1)


class LogSealer:
    """Seals blocks of every organization."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tick(self, now: datetime) -> bool:
        """Merges what is due; true when something was."""
        async with self._database.read() as tx:
            due = [group for of in await list_organization_ids(tx) for group in await sealing.find_due(tx, of, now)]
        is_behind = sum(group.entry_count for group in due) > BEHIND_ENTRIES
        loop = asyncio.get_running_loop()
        for group in due:
            begin = loop.time()
            await self._seal(group)
            if not is_behind:
                await asyncio.sleep((loop.time() - begin) * PAUSE)
        return bool(due)

    async def _seal(self, group: BlockGroup) -> None:
        async with self._database.read() as tx:
            sources = await sealing.read_sources(tx, group)
        if not sources:
            return
        sealed = await asyncio.to_thread(sealing.merge, sources)
        try:
            async with self._database.write() as tx:
                await sealing.replace_blocks(tx, sealed)
        except BlocksChanged:
            log.info("blocks of logs were replaced by another process", project_id=group.project_id)


class LogKeeper:
    """Drops old entries, groups and receipts, once an hour."""

    def __init__(self, database: Database, settings: Settings, max_bytes: int = 0) -> None:
        """Builds the worker.

        Args:
            max_bytes: Packed bytes of the whole deployment above which the oldest go; 0: no cap.
        """
        self._database = database
        self._settings = settings
        self._max_bytes = max_bytes
        self._next: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Drops what is due; true when there may be more."""
        if self._next is not None and now < self._next:
            return False
        more = False
        async with self._database.read() as tx:
            organization_ids = await list_organization_ids(tx)
        for organization_id in organization_ids:
            async with self._database.read() as tx:
                retentions = await upkeep.list_retentions(tx, organization_id, self._settings)
            for project_id, days in retentions:
                async with self._database.write() as tx:
                    more |= await upkeep.drop_old(tx, organization_id, project_id, days, now)
                async with self._database.write() as tx:
                    more |= await upkeep.drop_old_groups(tx, organization_id, project_id, days, now)
            async with self._database.write() as tx:
                await upkeep.drop_receipts(tx, organization_id, now)
        more |= await self._enforce_cap()
        if not more:
            self._next = now + UPKEEP_INTERVAL
        return more

    async def _enforce_cap(self) -> bool:
        if not self._max_bytes:
            return False
        async with self._database.write() as tx:
            dropped = await upkeep.drop_beyond(tx, self._max_bytes)
        if dropped:
            log.warning("stored log entries exceeded their cap, the oldest were dropped", blocks=dropped)
        return dropped == upkeep.DROPPED_AT_ONCE
