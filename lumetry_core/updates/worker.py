"""Scans when it is time and when people ask for it, and lets go of what is old."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.containers.runtime import RuntimeLink
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.updates.checking import Inquiry, Pause
from lumetry_core.updates.model import Outcome, Scan, Target, subject_of
from lumetry_core.updates.registry import Registries
from lumetry_core.updates.service import scans
from lumetry_core.updates.service.findings import ScanLost, record_outcome
from lumetry_core.updates.service.upkeep import drop_old

log = structlog.get_logger(__name__)

PLAN_INTERVAL = timedelta(minutes=1)
"""How often organizations are looked for that have no plan yet, and scans whose process is gone."""
RETENTION_INTERVAL = timedelta(hours=1)

OpenRegistries = Callable[[], Registries]


class Scanner:
    """Runs scans, one after the other. Any number may run on one database; the one that watches containers works."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        owner: str,
        link: RuntimeLink,
        open_registries: OpenRegistries,
        interval: timedelta,
        kept: timedelta,
        pause: Pause = asyncio.sleep,
    ) -> None:
        """Builds the worker.

        Args:
            owner: The identity of the process.
            link: Tells whether a container runtime is connected and this process watches it.
            open_registries: Makes the client of one scan.
            interval: Between two scans.
            kept: How long resolved updates and scans are kept.
            pause: Waits between two images.
        """
        self._database = database
        self._clock = clock
        self._owner = owner
        self._link = link
        self._open_registries = open_registries
        self._interval = interval
        self._kept = kept
        self._pause = pause
        self._is_started = False
        self._planned: set[int] = set()
        self._next_plan: datetime | None = None
        self._next_drop: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Starts what is due and runs one scan to its end; True when it ran one. Fails with STORE_UNAVAILABLE."""
        await self._recover(now)
        await self._drop_old(now)
        if self._link.engine is None or not self._link.is_watching:
            return False
        await self._start_due(now)
        async with self._database.read() as tx:
            if not await scans.has_work(tx):
                return False
        async with self._database.write() as tx:
            scan = await scans.take_scan(tx, self._owner, now)
        if scan is None:
            return False
        self._next_plan = None  # when the store fails meanwhile, the scan is ended at the next chance
        await self._run(scan)
        return True

    async def _recover(self, now: datetime) -> None:
        """Ends scans that a crash interrupted, and plans those of organizations that have no plan of this process yet."""
        if self._next_plan is not None and now < self._next_plan:
            return
        is_alone = not self._database.is_postgresql and not self._is_started
        async with self._database.read() as tx:
            organization_ids = await list_organization_ids(tx)
        async with self._database.write() as tx:
            for scan in await scans.fail_interrupted(tx, self._owner, now, is_alone=is_alone):
                log.warning("a scan for updates was interrupted", scan_id=scan.id, organization_id=scan.organization_id)
            for organization_id in organization_ids:
                if organization_id not in self._planned:
                    await scans.plan_first(tx, organization_id, self._interval, now)
                    self._planned.add(organization_id)
        self._is_started = True
        self._next_plan = now + PLAN_INTERVAL

    async def _start_due(self, now: datetime) -> None:
        async with self._database.read() as tx:
            due = await scans.list_due(tx, now)
        for organization_id in due:
            async with self._database.write() as tx:
                await scans.start_due(tx, organization_id, self._interval, now)

    async def _run(self, scan: Scan) -> None:
        async with self._database.read() as tx:
            plan = await scans.plan_scan(tx, scan)
        registries = self._open_registries()
        inquiry = Inquiry(registries, self._pause)
        try:
            for target in plan.targets:
                known = plan.checks.get(target.container_id)
                stored = known.baseline_digest if known is not None and known.subject == subject_of(target) else None
                outcome = await self._ask(inquiry, target, target.current_digest or stored)
                async with self._database.write() as tx:
                    await record_outcome(tx, scan, self._owner, target, outcome, self._clock.now())
            async with self._database.write() as tx:
                await scans.complete_scan(tx, scan, self._owner, self._clock.now())
        except ScanLost:
            log.warning("a scan for updates was given up by others while it ran", scan_id=scan.id, organization_id=scan.organization_id)
        finally:
            await registries.close()

    async def _ask(self, inquiry: Inquiry, target: Target, baseline_digest: str | None) -> Outcome:
        try:
            return await inquiry.ask(target, baseline_digest)
        except Exception as error:  # one image's trouble must not end the scan
            if isinstance(error, LumetryError) and error.reason is Reason.STORE_UNAVAILABLE:
                raise
            log.exception("an image could not be checked", image=target.image)
            return Outcome(baseline_digest=baseline_digest, error="the check failed")

    async def _drop_old(self, now: datetime) -> None:
        if self._next_drop is not None and now < self._next_drop:
            return
        async with self._database.read() as tx:
            organization_ids = await list_organization_ids(tx)
        more = False
        for organization_id in organization_ids:
            async with self._database.write() as tx:
                more |= await drop_old(tx, organization_id, now - self._kept)
        self._next_drop = None if more else now + RETENTION_INTERVAL
