"""Notices host agents whose heartbeats stay away."""

from datetime import datetime, timedelta

from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.hostagents.service.presence import find_overdue, tell_offline
from lumetry_core.runtime.database import Database

LONGEST_PAUSE = timedelta(seconds=60)
"""Between rounds. Longer ones mean that nothing was heard meanwhile."""


class HostAgentKeeper:
    """Any number may run on one database; each outage is told once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watch_time: datetime | None = None
        self._round_time: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Tells of agents that went silent. Never says that there is more to do.

        Heartbeats that could not come in are missed by nobody: after a pause, such as before the first round, while the machine slept or
        when the clock was set, agents have as much time as they have after a heartbeat.
        """
        if self._watch_time is None or self._round_time is None or not timedelta() <= now - self._round_time <= LONGEST_PAUSE:
            self._watch_time = now
        self._round_time = now
        async with self._database.read() as tx:
            organization_ids = await list_organization_ids(tx)
            overdue = {number: await find_overdue(tx, number, self._watch_time, now) for number in organization_ids}
        for organization_id, agents in overdue.items():
            if agents:
                async with self._database.write() as tx:
                    await tell_offline(tx, organization_id, agents, now)
        return False
