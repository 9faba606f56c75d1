"""The agent through which all heartbeats of collectors enter: a thousand of them come every ten seconds."""

from lumetry_core.collectors.model import Collector
from lumetry_core.collectors.service.beating import Arrival, record_heartbeats
from lumetry_core.collectors.service.calling import used_up
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.group_commit import GroupCommit, Limits

LIMITS = Limits(group=500, waiting=20_000)
"""Heartbeats."""
GATHER_SECONDS = 0.2
"""Nobody waits for the answer to a heartbeat, and a commit costs much the same for one as for ten."""


class BeatAppender:
    """Takes heartbeats and commits them in groups while `run` runs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._commits = GroupCommit(database, clock, record_heartbeats, lambda _arrival: 1, LIMITS, gather_seconds=GATHER_SECONDS)

    async def append(self, arrival: Arrival) -> Collector:
        """Makes a heartbeat durable; the collector after it. Fails with UNAUTHENTICATED, OVERLOADED, STORE_UNAVAILABLE."""
        collector = await self._commits.append(arrival)
        if collector is None:
            raise used_up()
        return collector

    async def run(self) -> None:
        """Commits what waits until cancelled; who waits then is told to try again."""
        await self._commits.run()
