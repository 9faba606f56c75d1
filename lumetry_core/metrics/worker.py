"""Workers of metrics: one moves evaluated points to segments, one keeps segments in shape, one lets removed metrics come back."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import structlog

from lumetry_core.metrics.model import Lease, LeaseLost
from lumetry_core.metrics.service import inbox, sealing, upkeep
from lumetry_core.metrics.service.series import SeriesIndex
from lumetry_core.metrics.settings import Settings
from lumetry_core.runtime.database import Database, Transaction

log = structlog.get_logger(__name__)

UPKEEP_INTERVAL = timedelta(minutes=1)
DAILY_WORK_INTERVAL = timedelta(hours=1)
GROUPS_PER_TICK = 64

Find = Callable[[Transaction, int], Awaitable[Sequence[upkeep.Work]]]


class Sealer:
    """Seals the partitions that the process holds."""

    def __init__(self, database: Database, owner: str, settings: Settings) -> None:
        """Builds the worker.

        Args:
            database: Where everything is.
            owner: The identity under which the process acquires partitions.
            settings: When sealing is due.
        """
        self._database = database
        self._owner = owner
        self._settings = settings
        self._index = SeriesIndex()

    async def tick(self, now: datetime) -> bool:
        """Seals what is due of each partition; true when something was."""
        async with self._database.read() as tx:
            leases = await inbox.list_leases(tx, self._owner)
        busy = False
        for lease in leases:
            busy |= await self._seal(lease, now)
            while await self._drop(lease):
                pass
        return busy

    async def _seal(self, lease: Lease, now: datetime) -> bool:
        async with self._database.read() as tx:
            due = await sealing.read_due(tx, lease, self._index, self._settings, now)
        if due is None:
            return False
        sealed = await asyncio.to_thread(sealing.pack, due)
        try:
            async with self._database.write() as tx:
                await sealing.store_sealed(tx, sealed)
        except LeaseLost:
            log.info("another process took a partition before it was sealed", partition=lease.partition)
            return False
        return True

    async def _drop(self, lease: Lease) -> bool:
        async with self._database.read() as tx:
            if not await sealing.has_dead(tx, lease):
                return False
        async with self._database.write() as tx:
            return await sealing.drop_dead(tx, lease)


class Maintainer:
    """Compacts, rolls up and drops segments, and marks stale metrics: where the first partition is held, as once suffices."""

    def __init__(self, database: Database, owner: str, settings: Settings) -> None:
        """Builds the worker; arguments as for `Sealer`."""
        self._database = database
        self._owner = owner
        self._settings = settings
        self._next_upkeep: datetime | None = None
        self._next_daily_work: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Does the work of every minute and, once an hour, of every day; true when there may be more of it."""
        if self._next_upkeep is not None and now < self._next_upkeep:
            return False
        async with self._database.read() as tx:
            if all(lease.partition for lease in await inbox.list_leases(tx, self._owner)):
                return False
            organization_ids = await upkeep.list_organization_ids(tx)
        is_daily = self._next_daily_work is None or now >= self._next_daily_work
        more = False
        for organization_id in organization_ids:
            more |= await self._merge(organization_id, lambda tx, of: upkeep.find_compaction(tx, of, now, GROUPS_PER_TICK))
            if is_daily:
                more |= await self._merge(organization_id, lambda tx, of: upkeep.find_rollups(tx, of, self._settings, now, GROUPS_PER_TICK))
                more |= await self._merge(organization_id, lambda tx, of: upkeep.find_closed_days(tx, of, now, GROUPS_PER_TICK))
            async with self._database.write() as tx:
                await upkeep.drop_old(tx, organization_id, self._settings, now)
        if more:
            return True
        if is_daily:
            await self._enforce_cap()
            self._next_daily_work = now + DAILY_WORK_INTERVAL
        self._next_upkeep = now + UPKEEP_INTERVAL
        return False

    async def _merge(self, organization_id: int, find: Find) -> bool:
        """Merges what is found; true when the search was cut short."""
        async with self._database.read() as tx:
            found = await find(tx, organization_id)
        for work in found:
            merged = await asyncio.to_thread(upkeep.merge, work)
            try:
                async with self._database.write() as tx:
                    await upkeep.replace_segments(tx, merged)
            except upkeep.SegmentsChanged:
                log.info("segments were replaced by another process", metric_id=merged.result.metric_id)
        return len(found) >= GROUPS_PER_TICK

    async def _enforce_cap(self) -> None:
        if not self._settings.max_point_bytes:
            return
        async with self._database.write() as tx:
            first_kept = await upkeep.enforce_cap(tx, self._settings.max_point_bytes)
        if first_kept is not None:
            log.warning("stored points exceeded their cap, the oldest days were dropped", first_day_kept=first_kept)


class NoteKeeper:
    """Makes ingestion look at the catalog again when definitions were removed, so that their next points register them anew at once."""

    def __init__(self, forget_notes: Callable[[], None]) -> None:
        """Builds the worker.

        Args:
            forget_notes: Forgets for which metrics it was lately noted that points arrive.
        """
        self._forget_notes = forget_notes

    async def tick(self, now: datetime) -> bool:
        """Forgets; there is never more to do."""
        self._forget_notes()
        return False
