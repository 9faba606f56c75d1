"""The agent through which all transitions enter."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from lumetry_core.external.service.accepting import Receipt, Submission, accept_group
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.group_commit import GroupCommit, Limits

LIMITS = Limits(group=5_000, waiting=100_000)
"""Transitions."""
RECENT = timedelta(milliseconds=150)


class Appender:
    """Takes requests and commits them in groups while `run` runs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        async def store(tx: Transaction, submissions: Sequence[Submission], now: datetime) -> list[Receipt]:
            return await accept_group(tx, submissions, now)

        self._commits = GroupCommit(database, clock, store, size_of, LIMITS)

    def is_pressed(self) -> bool:
        """Whether requests come one after the other: more may be about to wait for the database."""
        return self._commits.was_asked_within(RECENT)

    async def append(self, submission: Submission) -> Receipt:
        """Makes the transitions of a request durable. Fails with OVERLOADED, STORE_UNAVAILABLE."""
        return await self._commits.append(submission)

    async def run(self) -> None:
        """Commits what waits until cancelled; who waits then is told to try again."""
        await self._commits.run()


def size_of(submission: Submission) -> int:
    """Its transitions."""
    return len(submission.transitions)
