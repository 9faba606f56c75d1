"""Does what the clock asks of containers: alerts after a time, counting uptime, forgetting what is old."""

from datetime import datetime, timedelta

from lumetry_core.containers.runtime import RuntimeLink
from lumetry_core.containers.service.alerting import judge_by_clock, judge_recoveries
from lumetry_core.containers.service.observing import refresh_nodes
from lumetry_core.containers.service.records import drop_old
from lumetry_core.containers.service.uptime import count_all
from lumetry_core.containers.service.watches import find_organization
from lumetry_core.endpoints.sealing import Rules
from lumetry_core.runtime.database import Database

JUDGE_INTERVAL = timedelta(seconds=5)
MINUTE = timedelta(seconds=60)
UPKEEP_INTERVAL = timedelta(hours=1)


class ContainerKeeper:
    """Works only in the core that watches the runtime, and only while it is connected: without sight nothing fires or resolves."""

    def __init__(self, database: Database, link: RuntimeLink, rules: Rules, down_after_seconds: float, transitions_days: int) -> None:
        """Builds the worker.

        Args:
            database: Where containers are recorded.
            link: Tells whether this core watches.
            rules: What the deployment says of endpoints.
            down_after_seconds: A container that ended alerts after so long.
            transitions_days: So long transitions are kept.
        """
        self._database = database
        self._link = link
        self._rules = rules
        self._down_after = timedelta(seconds=down_after_seconds)
        self._transitions_days = transitions_days
        self._next_judge: datetime | None = None
        self._next_minute: datetime | None = None
        self._next_upkeep: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Does what is due; True when there is more to forget. Fails with STORE_UNAVAILABLE."""
        if self._link.is_watching:
            await self._watch_clock(now)
        return await self._forget(now)

    async def _watch_clock(self, now: datetime) -> None:
        if self._next_judge is None or now >= self._next_judge:
            async with self._database.write() as tx:
                await judge_by_clock(tx, await find_organization(tx), self._down_after, now)
            self._next_judge = now + min(JUDGE_INTERVAL, self._down_after or JUDGE_INTERVAL)
        if self._next_minute is None or now >= self._next_minute:
            async with self._database.write() as tx:
                organization_id = await find_organization(tx)
                await judge_recoveries(tx, organization_id, now)
                await count_all(tx, organization_id, now)
                await refresh_nodes(tx, organization_id, self._rules, now)
            self._next_minute = now + MINUTE

    async def _forget(self, now: datetime) -> bool:
        if self._next_upkeep is not None and now < self._next_upkeep:
            return False
        async with self._database.write() as tx:
            has_more = await drop_old(tx, await find_organization(tx), self._transitions_days, now)
        self._next_upkeep = now if has_more else now + UPKEEP_INTERVAL
        return has_more
