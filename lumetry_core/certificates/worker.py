"""Checks certificates when they are due, and keeps what is remembered of them bounded."""

import asyncio
from datetime import datetime, timedelta
from itertools import groupby
from typing import Protocol

import structlog

from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.certificates.model import CHANNEL, Monitor, Presented
from lumetry_core.certificates.service.recording import Look, record_looks
from lumetry_core.certificates.service.scheduling import claim_due, is_due, pull_back
from lumetry_core.certificates.service.upkeep import drop_old
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.queue import Wakeups

log = structlog.get_logger(__name__)

CHECKS_AT_ONCE = 10
UPKEEP_INTERVAL = timedelta(hours=1)


class Checks(Protocol):
    """Who looks at certificates."""

    async def check(self, hostname: str, port: int) -> Presented:
        """Fetches and judges a chain; raises nothing that a server can cause."""


class CertificateScheduler:
    """Claims monitors that are due, checks up to ten at a time outside any transaction, and records what came of it.

    Any number may run on one database. A server that keeps silent holds up its own check only.
    """

    def __init__(self, database: Database, checker: Checks, wakeups: Wakeups, checks_days: int) -> None:
        """Builds the worker.

        Args:
            database: Where monitors are.
            checker: Looks at certificates.
            wakeups: Called when a check is done.
            checks_days: How long checks are kept.
        """
        self._database = database
        self._checker = checker
        self._wakeups = wakeups
        self._checks_days = checks_days
        self._running: set[asyncio.Task[None]] = set()
        self._done: list[Look] = []
        self._next_upkeep: datetime | None = None
        self._last_time: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Records what is done and begins what is due. Each check that is done asks for the next round, so there is never more right now.

        Fails with STORE_UNAVAILABLE; then nothing is lost.
        """
        await self._record(now)
        await self._follow_clock(now)
        await self._claim(now)
        await self._keep(now)
        return False

    async def settle(self) -> None:
        """Waits for the checks that are under way."""
        while self._running:
            await asyncio.wait(set(self._running))

    async def close(self) -> None:
        """Gives up what is under way; it is done again when its lease is over."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _record(self, now: datetime) -> None:
        done = sorted(self._done, key=lambda look: look.monitor.organization_id)
        for organization_id, group in groupby(done, key=lambda look: look.monitor.organization_id):
            looks = list(group)
            async with self._database.write() as tx:
                await record_looks(tx, organization_id, looks, now)
            self._done = [look for look in self._done if look not in looks]

    async def _follow_clock(self, now: datetime) -> None:
        """Lets nothing wait for a time that was near until the clock was set back, be it at work or before the start."""
        if self._last_time is None or now < self._last_time:
            async with self._database.write() as tx:
                await pull_back(tx, now)
            self._next_upkeep = None
        self._last_time = now

    async def _claim(self, now: datetime) -> None:
        free = CHECKS_AT_ONCE - len(self._running)
        if free <= 0:
            return
        async with self._database.read() as tx:
            if not await is_due(tx, now):
                return
        async with self._database.write() as tx:
            claimed = await claim_due(tx, free, now)
        for monitor in claimed:
            task = asyncio.create_task(self._look(monitor))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _look(self, monitor: Monitor) -> None:
        try:
            presented = await self._checker.check(monitor.hostname, monitor.port)
        except Exception:
            # A fault of ours is no fault of the certificate: nothing is recorded, and the check is made again when its lease is over.
            log.exception("a certificate could not be checked", monitor=monitor.id)
            return
        self._done.append(Look(monitor, presented))
        self._wakeups.wake(CHANNEL)

    async def _keep(self, now: datetime) -> None:
        if self._next_upkeep is not None and now < self._next_upkeep:
            return
        async with self._database.read() as tx:
            organizations = await list_organization_ids(tx)
        is_behind = False
        for organization_id in organizations:
            async with self._database.write() as tx:
                is_behind |= await drop_old(tx, organization_id, self._checks_days, now)
        self._next_upkeep = now if is_behind else now + UPKEEP_INTERVAL
