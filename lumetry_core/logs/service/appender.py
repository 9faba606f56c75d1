"""The agent through which all entries enter.

It gathers less than the appender of points does: entries come in large requests, so that it need not wait for more of them.
"""

from collections.abc import Sequence
from datetime import datetime

from lumetry_core.billing.service.budgets import Gate
from lumetry_core.logs.entry_id import IdSource
from lumetry_core.logs.model import Receipt
from lumetry_core.logs.service.append import Submission, append_group
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.runtime.group_commit import GroupCommit, Limits

LIMITS = Limits(group=32 * 1024 * 1024, waiting=256 * 1024 * 1024)
"""Packed bytes."""


class Appender:
    """Takes pushes and commits them in groups while `run` runs."""

    def __init__(self, database: Database, clock: Clock, gate: Gate | None = None) -> None:
        """Builds the agent.

        Args:
            gate: Keeps hard budgets; None: one that only time makes forget.
        """
        source, kept = IdSource(), gate or Gate()

        async def store(tx: Transaction, submissions: Sequence[Submission], now: datetime) -> list[Receipt | LumetryError]:
            return await append_group(tx, source, kept, submissions, now)

        self._commits = GroupCommit(database, clock, store, size_of, LIMITS)

    async def append(self, submission: Submission) -> Receipt:
        """Makes the entries of a push durable. Fails with OVERLOADED, STORE_UNAVAILABLE, QUOTA_EXHAUSTED."""
        receipt = await self._commits.append(submission)
        if isinstance(receipt, LumetryError):
            raise receipt
        return receipt

    async def run(self) -> None:
        """Commits what waits until cancelled; who waits then is told to try again."""
        await self._commits.run()


def size_of(submission: Submission) -> int:
    """Its packed bytes."""
    return sum(len(part.frame) for _, part in submission.parts)
