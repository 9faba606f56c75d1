"""Notices what should send heartbeats and went silent."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.runtime.database import Database, Transaction

LONGEST_PAUSE = timedelta(seconds=60)
"""Between rounds. Longer ones mean that nothing was heard meanwhile."""

T = TypeVar("T")
"""What sends heartbeats."""


FindOverdue = Callable[[Transaction, int, datetime, datetime], Awaitable[Sequence[T]]]
"""Lists those of an organization that went silent and of whom nobody was told; given since when they could be heard, and now."""
TellOffline = Callable[[Transaction, int, Sequence[T], datetime], Awaitable[None]]
"""Tells people of those of an organization, once an outage."""


class SilenceKeeper(Generic[T]):
    """Any number may run on one database; each outage is told once."""

    def __init__(self, database: Database, find_overdue: FindOverdue[T], tell_offline: TellOffline[T]) -> None:
        self._database = database
        self._find_overdue = find_overdue
        self._tell_offline = tell_offline
        self._watch_time: datetime | None = None
        self._round_time: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Tells of those that went silent. Never says that there is more to do.

        Heartbeats that could not come in are missed by nobody: after a pause, such as before the first round, while the machine slept or
        when the clock was set, all have as much time as they have after a heartbeat.
        """
        if self._watch_time is None or self._round_time is None or not timedelta() <= now - self._round_time <= LONGEST_PAUSE:
            self._watch_time = now
        self._round_time = now
        async with self._database.read() as tx:
            organization_ids = await list_organization_ids(tx)
            overdue = {number: await self._find_overdue(tx, number, self._watch_time, now) for number in organization_ids}
        for organization_id, silent in overdue.items():
            if silent:
                async with self._database.write() as tx:
                    await self._tell_offline(tx, organization_id, silent, now)
        return False
