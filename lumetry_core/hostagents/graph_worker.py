"""Keeps agents and the graph in line: placements follow the graph, and monitored identities run in it where they run."""

from datetime import datetime, timedelta

from lumetry_core.hostagents.service.monitoring import is_settled, list_monitoring, settle_all
from lumetry_core.hostagents.service.placements import find_strays, follow_graph
from lumetry_core.hostagents.service.processes import find_silent, forget_report
from lumetry_core.runtime.database import Database
from lumetry_core.topology.service.changes import list_versions

FOLLOW_EVERY = timedelta(seconds=1)
"""While hundreds of hosts enroll, the graph changes more often."""
SETTLE_EVERY = timedelta(minutes=1)
"""Processes also vanish without anybody saying so."""
CLEAR_EVERY = timedelta(hours=1)
CLEARED_AT_ONCE = 20
"""Agents in one transaction, which keeps others from writing."""


class HostGraphKeeper:
    """Any number may run on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._followed: dict[int, int] = {}
        """The version of each graph that was looked at."""
        self._follow_time: datetime | None = None
        self._settle_time: datetime | None = None
        self._clear_time: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Follows the graphs that have changed, and all of them now and then. Never says that there is more to do."""
        if not has_passed(self._follow_time, FOLLOW_EVERY, now):
            return False
        self._follow_time = now
        async with self._database.read() as tx:
            versions = await list_versions(tx)
            monitoring = await list_monitoring(tx)
        changed = [number for number, version in sorted(versions.items()) if self._followed.get(number) != version]
        for organization_id in changed:
            await self._follow(organization_id)
            self._followed[organization_id] = versions[organization_id]
        is_due = has_passed(self._settle_time, SETTLE_EVERY, now)
        for organization_id in monitoring:
            if is_due or organization_id in changed:
                await self._settle(organization_id, now)
        if is_due:
            self._settle_time = now
        if has_passed(self._clear_time, CLEAR_EVERY, now):
            await self._clear(now)
            self._clear_time = now
        return False

    async def _follow(self, organization_id: int) -> None:
        async with self._database.read() as tx:
            is_needed = bool(await find_strays(tx, organization_id))
        if is_needed:
            async with self._database.write() as tx:
                await follow_graph(tx, organization_id)

    async def _settle(self, organization_id: int, now: datetime) -> None:
        async with self._database.read() as tx:
            is_needed = not await is_settled(tx, organization_id, now)
        if is_needed:
            async with self._database.write() as tx:
                await settle_all(tx, organization_id, now)

    async def _clear(self, now: datetime) -> None:
        """Forgets what agents reported that do not report any more."""
        async with self._database.read() as tx:
            silent = await find_silent(tx, now)
        for start in range(0, len(silent), CLEARED_AT_ONCE):
            async with self._database.write() as tx:
                for organization_id, agent_id in silent[start : start + CLEARED_AT_ONCE]:
                    await forget_report(tx, organization_id, agent_id)


def has_passed(since: datetime | None, span: timedelta, now: datetime) -> bool:
    """Whether something is due again; clocks may have been set back."""
    return since is None or not timedelta() <= now - since < span
