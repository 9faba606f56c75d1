"""Runs the ticks of fleets."""

from collections.abc import Collection
from datetime import datetime

import structlog

from lumetry_core.access.service.evaluation_version import read_evaluation_version
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.evaluation.service import fleets
from lumetry_core.evaluation.service.fleet_reading import Plan, load_plan, read_snapshot
from lumetry_core.evaluation.service.fleets import FleetMoved
from lumetry_core.metrics.service import inbox
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason

log = structlog.get_logger(__name__)

SETTLE_MS = 2000
"""A tick waits so long for values that were measured just before it and are under way.

Evaluation need not have consumed them: stored points are read as soon as they are accepted.
"""
CATCH_UP_MS = 600_000
"""Ticks that were missed are made up for as far back as this."""
ATTEMPTS = 5
"""A tick that others come in between of so often waits for the next."""


class FleetTicker:
    """Takes the fleets of the partitions that the process holds through the ticks of the UTC clock, in order.

    It reads what is stored and keeps nothing but what the store has; what is found is written in one transaction with it.
    """

    def __init__(self, database: Database, owner: str, tick_seconds: int, defaults: OrganizationSettings) -> None:
        """Builds the worker.

        Args:
            database: Where everything is.
            owner: The identity under which the process acquires partitions.
            tick_seconds: `fleet.tickSeconds`.
            defaults: Settings of organizations that set none themselves.
        """
        self._database = database
        self._owner = owner
        self._step_ms = tick_seconds * 1000
        self._defaults = defaults
        self._plans: dict[int, Plan] = {}
        self._newest_ms: int | None = None

    async def tick(self, now: datetime) -> bool:
        """Runs the ticks that are due, once for each that passes; never busy. Fails with STORE_UNAVAILABLE, and is then to be repeated."""
        newest_ms = (to_ms(now) - SETTLE_MS) // self._step_ms * self._step_ms
        if newest_ms == self._newest_ms:
            return False
        async with self._database.read() as tx:
            partitions = {lease.partition for lease in await inbox.list_leases(tx, self._owner)}
            organization_ids = await fleets.list_organizations(tx) if partitions else []
        for organization_id in organization_ids:
            try:
                await self._run_organization(organization_id, partitions, newest_ms, now)
            except Exception as error:  # one organization's trouble must not keep the others waiting
                if isinstance(error, LumetryError) and error.reason is Reason.STORE_UNAVAILABLE:
                    raise
                log.exception("a tick of fleets failed, it is repeated with the next", organization_id=organization_id)
        if partitions:
            self._newest_ms = newest_ms
        return False

    async def _run_organization(self, organization_id: int, partitions: Collection[int], newest_ms: int, now: datetime) -> None:
        plan = await self._load_plan(organization_id)
        async with self._database.read() as tx:
            due = await fleets.list_due(tx, plan, partitions, newest_ms, self._step_ms, CATCH_UP_MS)
        for tick_ms in due:
            for _ in range(ATTEMPTS):
                if await self._run_tick(organization_id, partitions, tick_ms, newest_ms, now):
                    break
            else:
                log.warning("a tick of fleets was overtaken again and again", organization_id=organization_id)
                return

    async def _run_tick(self, organization_id: int, partitions: Collection[int], tick_ms: int, newest_ms: int, now: datetime) -> bool:
        """Runs one tick; False when it must be judged anew."""
        plan = await self._load_plan(organization_id)
        async with self._database.read() as tx:
            snapshot = await read_snapshot(tx, plan, partitions, tick_ms, newest_ms)
        if snapshot.version != plan.version:
            return False
        if not snapshot.observed and not snapshot.left:
            return True
        judged = await fleets.judge_snapshot(plan, snapshot, tick_ms, self._step_ms)
        try:
            async with self._database.write() as tx:
                await fleets.write_tick(tx, judged, now)
        except FleetMoved:
            return False
        return True

    async def _load_plan(self, organization_id: int) -> Plan:
        """The organization's plan, looked up anew only when its version moved."""
        plan = self._plans.get(organization_id)
        async with self._database.read() as tx:
            if plan is None or await read_evaluation_version(tx, organization_id) != plan.version:
                plan = self._plans[organization_id] = await load_plan(tx, organization_id, self._defaults)
        return plan
