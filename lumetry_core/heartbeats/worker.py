"""Judges deadlines when they are due, and keeps what is remembered bounded."""

from collections.abc import Callable
from datetime import datetime, timedelta

from lumetry_core.heartbeats.service.deadlines import is_any_due, judge_due, pull_in
from lumetry_core.heartbeats.service.upkeep import clear_removed, drop_old
from lumetry_core.heartbeats.watching import Watch
from lumetry_core.runtime.database import Database

CLEARING_SECONDS = 5.0
UPKEEP_SECONDS = 3600.0


class HeartbeatKeeper:
    """Any number may run on one database."""

    def __init__(self, database: Database, kept: timedelta, read_steady: Callable[[], float]) -> None:
        """Builds the worker.

        Args:
            kept: How long pings and runs are kept.
            read_steady: Seconds of a clock that never jumps.
        """
        self._database = database
        self._kept = kept
        self._read_steady = read_steady
        self._watch = Watch()
        self._must_pull_in = False
        self._next_clearing = self._next_upkeep = 0.0

    async def tick(self, now: datetime) -> bool:
        """Judges what is due, in one transaction; True when there may be more. Fails with STORE_UNAVAILABLE; then nothing was done."""
        self._must_pull_in |= self._watch.begin_round(now, self._read_steady())
        if self._must_pull_in:
            async with self._database.write() as tx:
                await pull_in(tx, now)
            self._must_pull_in = False
        async with self._database.read() as tx:
            is_due = await is_any_due(tx, now)
        has_more = False
        if is_due:
            async with self._database.write() as tx:
                has_more = await judge_due(tx, self._watch, now)
        has_more |= await self._keep(now)
        self._watch.end_round(self._read_steady())
        return has_more

    async def _keep(self, now: datetime) -> bool:
        """Removes what removed heartbeats left behind and drops what is old, each when its time has come."""
        steady = self._read_steady()
        is_behind = False
        if steady >= self._next_clearing:
            async with self._database.write() as tx:
                is_behind = await clear_removed(tx)
            self._next_clearing = steady if is_behind else steady + CLEARING_SECONDS
        if steady >= self._next_upkeep:
            async with self._database.write() as tx:
                is_old = await drop_old(tx, self._kept, now)
            self._next_upkeep = steady if is_old else steady + UPKEEP_SECONDS
            is_behind |= is_old
        return is_behind
