"""The agent through which all pings enter."""

from collections.abc import Sequence
from datetime import datetime

from lumetry_core.heartbeats.model import Receipt
from lumetry_core.heartbeats.rates import PingRates
from lumetry_core.heartbeats.service.pinging import Submission, record_pings
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.group_commit import GroupCommit, Limits

LIMITS = Limits(group=2_000, waiting=50_000)
"""Pings."""


class PingAppender:
    """Takes pings and commits them in groups while `run` runs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        rates = PingRates()

        async def store(tx: Transaction, submissions: Sequence[Submission], now: datetime) -> list[list[Receipt]]:
            return await record_pings(tx, submissions, rates, now)

        self._commits = GroupCommit(database, clock, store, size_of, LIMITS)

    async def append(self, submission: Submission) -> list[Receipt]:
        """Makes the pings of a call durable; what became of each. Fails with OVERLOADED, STORE_UNAVAILABLE."""
        return await self._commits.append(submission)

    async def run(self) -> None:
        """Commits what waits until cancelled; who waits then is told to try again."""
        await self._commits.run()


def size_of(submission: Submission) -> int:
    """Its pings."""
    return len(submission.pings)
