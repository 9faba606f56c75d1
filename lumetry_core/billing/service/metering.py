"""Counting usage in the transaction of what is counted."""

from collections.abc import Sequence
from datetime import datetime

from lumetry_core.billing.model import NO_PROJECT, Meter, Usage, hour_of
from lumetry_core.billing.store import minutes as minute_store
from lumetry_core.billing.store import usage as store
from lumetry_core.runtime.database import Transaction

PACED = frozenset({Meter.METRIC_POINTS, Meter.LOG_ENTRIES})
"""The meters of which the last minutes are known."""


class Counted:
    """What a transaction has counted so far.

    It is written right before the commit, once for each row: everybody who counts the same meter in the same hour waits for that row until
    the transaction ends, so none takes it early, and all take theirs in one order.
    """

    def __init__(self) -> None:
        self._additions: dict[tuple[int, Meter, datetime, str], int] = {}
        self._minutes: dict[tuple[int, Meter, int], int] = {}

    def add(self, organization_id: int, usages: Sequence[Usage], now: datetime) -> None:
        """Adds usage."""
        hour = hour_of(now)
        for usage in usages:
            key = (organization_id, usage.meter, hour, usage.project_id or NO_PROJECT)
            self._additions[key] = self._additions.get(key, 0) + usage.quantity
            if usage.meter in PACED:
                of_minute = (organization_id, usage.meter, minute_store.minute_of(now))
                self._minutes[of_minute] = self._minutes.get(of_minute, 0) + usage.quantity

    async def write(self, tx: Transaction) -> None:
        """Writes what was added."""
        additions, self._additions = self._additions, {}
        await store.add(tx, additions)
        minutes, self._minutes = self._minutes, {}
        await minute_store.add(tx, minutes)


async def count(tx: Transaction, organization_id: int, usages: Sequence[Usage], now: datetime) -> None:
    """Adds to meters in the transaction of the effect, so that exactly what took effect is counted."""
    if usages:
        find_counted(tx).add(organization_id, usages, now)


def find_counted(tx: Transaction) -> Counted:
    """What a transaction has counted."""
    for step in tx.last_steps:
        owner = getattr(step, "__self__", None)
        if isinstance(owner, Counted):
            return owner
    counted = Counted()
    tx.last_steps.insert(0, counted.write)  # before the events, for whoever does both
    return counted


async def write_counted(tx: Transaction) -> None:
    """Writes what the transaction has counted now, for whoever goes on to read it."""
    if tx.last_steps:
        await find_counted(tx).write(tx)
