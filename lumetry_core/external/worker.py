"""Works off what external sources delivered, tries again what failed, and keeps what is remembered bounded."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.external.model import QUEUE
from lumetry_core.external.service.processing import process
from lumetry_core.external.service.setting_aside import isolate, list_due_organizations, retry_due
from lumetry_core.external.service.upkeep import drop_old
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.queue import WorkItem, claim, complete

log = structlog.get_logger(__name__)

MAX_ITEMS = 3
"""Items in one transaction, while none fails: few, because requests wait for the database meanwhile."""
PRESSED_INTERVAL = timedelta(milliseconds=300)
"""So often work begins while requests come: they go first, and what they brought is safe."""
RETRY_INTERVAL = timedelta(seconds=10)
UPKEEP_INTERVAL = timedelta(minutes=10)


class ExternalProcessor:
    """Works off the queue `external`. Any number may run on one database.

    When a transaction fails for another reason than its store, fewer items are taken at once, until the one that fails is alone and is
    set aside; then more again.
    """

    def __init__(self, database: Database, is_pressed: Callable[[], bool]) -> None:
        """Builds the worker.

        Args:
            is_pressed: Tells whether requests come one after the other. What waits longer is looked for when the worker wakes by itself.
        """
        self._database = database
        self._is_pressed = is_pressed
        self._next_pressed: datetime | None = None
        self._max_items = MAX_ITEMS
        self._next_retry: datetime | None = None
        self._next_upkeep: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Takes what waits in one organization, in one transaction; True when there may be more.

        Fails with STORE_UNAVAILABLE; then nothing was done.
        """
        await self._keep(now)
        if self._next_pressed is not None and now < self._next_pressed and self._is_pressed():
            return False
        self._next_pressed = now + PRESSED_INTERVAL
        items: list[WorkItem] = []
        try:
            async with self._database.write() as tx:
                items = await claim(tx, QUEUE, self._max_items)
                if items:
                    await process(tx, items, now)
                    await complete(tx, items)
        except Exception as error:
            if not items or (isinstance(error, LumetryError) and error.reason is Reason.STORE_UNAVAILABLE):
                raise
            log.exception("external transitions could not be processed", items=len(items), organization=items[0].organization_id)
            self._max_items = 1
            if len(items) == 1:
                async with self._database.write() as tx:
                    await isolate(tx, items[0], error, now)
            return True
        self._max_items = min(2 * self._max_items, MAX_ITEMS)
        return bool(items)

    async def _keep(self, now: datetime) -> None:
        """Gives back what is to be tried again, and drops what is old, each when its time has come."""
        if self._next_retry is None or now >= self._next_retry:
            self._next_retry = now + RETRY_INTERVAL
            async with self._database.read() as tx:
                organizations = await list_due_organizations(tx, now)
            for organization_id in organizations:
                async with self._database.write() as tx:
                    await retry_due(tx, organization_id, now)
        if self._next_upkeep is None or now >= self._next_upkeep:
            async with self._database.read() as tx:
                organizations = await list_organization_ids(tx)
            is_behind = False
            for organization_id in organizations:
                async with self._database.write() as tx:
                    is_behind |= await drop_old(tx, organization_id, now)
            self._next_upkeep = now if is_behind else now + UPKEEP_INTERVAL
