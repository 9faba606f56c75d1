"""Correlates alerts into incidents as they come, watches what resolved incidents left behind, and lets go of what is over."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.access.service.settings import read_settings
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.alerts.service import retention as alert_retention
from lumetry_core.incidents.model import Retention
from lumetry_core.incidents.service import retention as incident_retention
from lumetry_core.incidents.service.correlating import QUEUE, SWEEP, correlate_items
from lumetry_core.incidents.service.handling import resolve_inactive
from lumetry_core.incidents.service.watching import has_watched, sweep
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.events import drop_old
from lumetry_core.runtime.queue import claim, complete, enqueue
from lumetry_core.violations import service as violations

CLAIMED_AT_ONCE = 5000
CLEANUP_INTERVAL = timedelta(minutes=3)
SWEEP_INTERVAL = timedelta(minutes=1)
RETENTION_INTERVAL = timedelta(hours=1)
DROPPED_AT_ONCE = 1000

Drop = Callable[[Transaction, int, datetime, int], Awaitable[bool]]


class Correlator:
    """Works off the queue `correlation`. Any number may run on one database."""

    def __init__(self, database: Database, defaults: OrganizationSettings) -> None:
        """Builds the worker.

        Args:
            database: Where everything is.
            defaults: What holds for organizations that do not set it.
        """
        self._database = database
        self._defaults = defaults
        self._next_cleanup: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Takes what waits in one organization, in one transaction; True when there may be more.

        Fails with STORE_UNAVAILABLE; then nothing was done.
        """
        async with self._database.write() as tx:
            busy = await work_off(tx, self._defaults, now)
        if self._next_cleanup is None or now >= self._next_cleanup:
            async with self._database.write() as tx:
                await drop_old(tx, now)
            self._next_cleanup = now + CLEANUP_INTERVAL
        return busy


async def work_off(tx: Transaction, defaults: OrganizationSettings, now: datetime) -> bool:
    """Works off the waiting items of one organization; False when there were none to take."""
    items = await claim(tx, QUEUE, CLAIMED_AT_ONCE)
    if not items:
        return False
    organization_id = items[0].organization_id
    await correlate_items(tx, [item for item in items if item.kind != SWEEP], defaults, now)
    if any(item.kind == SWEEP for item in items):
        await sweep(tx, organization_id, await read_settings(tx, organization_id, defaults), now)
    await complete(tx, items)
    return True


class IncidentKeeper:
    """Asks for sweeps, resolves what is over by itself, and drops what is past its time. Any number may run on one database."""

    def __init__(self, database: Database, defaults: OrganizationSettings, retention: Retention) -> None:
        """Builds the worker; arguments as for `Correlator`."""
        self._database = database
        self._defaults = defaults
        self._retention = retention
        self._next_sweep: datetime | None = None
        self._next_drop: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Does the work of every minute and, once an hour, of every hour; True when there may be more of it."""
        more = False
        if self._next_sweep is None or now >= self._next_sweep:
            more = await self._sweep(now)
            self._next_sweep = None if more else now + SWEEP_INTERVAL
        if self._next_drop is None or now >= self._next_drop:
            dropped = await self._drop(now)
            self._next_drop = None if dropped else now + RETENTION_INTERVAL
            more |= dropped
        return more

    async def _sweep(self, now: datetime) -> bool:
        more = False
        for organization_id in await self._list_organizations():
            async with self._database.read() as tx:
                settings = await read_settings(tx, organization_id, self._defaults)
                is_watching = await has_watched(tx, organization_id)
            if is_watching:
                async with self._database.write() as tx:
                    await enqueue(tx, organization_id, QUEUE, [(SWEEP, {})], now)
            if settings.incidents_auto_resolve_after_minutes is not None:
                async with self._database.write() as tx:
                    more |= await resolve_inactive(tx, organization_id, settings.incidents_auto_resolve_after_minutes, now)
        return more

    async def _drop(self, now: datetime) -> bool:
        more = False
        limits: tuple[tuple[Drop, timedelta], ...] = (
            (incident_retention.drop_old, self._retention.alerts),
            (alert_retention.drop_old, self._retention.alerts),
            (violations.drop_old, self._retention.violations),
        )
        for organization_id in await self._list_organizations():
            for drop, duration in limits:
                async with self._database.write() as tx:
                    more |= await drop(tx, organization_id, now - duration, DROPPED_AT_ONCE)
        return more

    async def _list_organizations(self) -> list[int]:
        async with self._database.read() as tx:
            return await list_organization_ids(tx)
