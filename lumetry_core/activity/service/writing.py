"""Writing the activity feed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.activity.model import BLOCK_ITEMS, ActorType, Draft
from lumetry_core.activity.store import items as store
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.events import find_published

CHANNEL = "activity"
"""Woken when a block is full."""


Identity = tuple[object, ...]


class Recorded:
    """Items of a transaction that are written right before its commit, so that numbers become visible in their order.

    The head of the organization is locked after that of its event log, the same order for all, and as briefly.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, list[Draft]] = {}
        self._times: dict[int, datetime] = {}
        self._once: dict[Identity, int] = {}

    def add(self, organization_id: int, drafts: Sequence[Draft], now: datetime) -> None:
        """Takes items."""
        self._times.setdefault(organization_id, now)
        self._waiting.setdefault(organization_id, []).extend(drafts)

    def add_once(self, organization_id: int, drafts: Sequence[Draft], now: datetime) -> None:
        """Takes items, each of which may be told a second time."""
        taken = self._waiting.setdefault(organization_id, [])
        for draft in drafts:
            identity = (organization_id, draft.kind, draft.action, draft.resource)
            place = self._once.get(identity)
            if place is not None:
                taken[place] = merge(taken[place], draft)
            else:
                self._once[identity] = len(taken)
                self.add(organization_id, [draft], now)

    async def write(self, tx: Transaction) -> None:
        """Writes what was taken."""
        for organization_id, taken in sorted(self._waiting.items(), key=lambda pair: pair[0]):
            now = self._times[organization_id]
            before, last = await store.append_items(tx, organization_id, [store.values_of(draft, now) for draft in taken])
            if before // BLOCK_ITEMS != last // BLOCK_ITEMS:
                tx.wake(CHANNEL)
        self._waiting.clear()
        self._once.clear()


def merge(first: Draft, second: Draft) -> Draft:
    """One item of two that tell of the same: in the words of the one that knows who did it."""
    told, other = (second, first) if first.actor.type is ActorType.SYSTEM else (first, second)
    return replace(
        told,
        summary=told.summary or other.summary,
        severity=told.severity or other.severity,
        project_ids=told.project_ids or other.project_ids,
        machine=told.machine or other.machine,
    )


async def record(tx: Transaction, organization_id: int, drafts: Sequence[Draft], now: datetime, *, once: bool = False) -> None:
    """Writes items, in order, in the transaction of what they tell of.

    Args:
        once: The same fact may be recorded again in this transaction, by another who tells of it; then one item comes of both.
    """
    if not drafts:
        return
    recorded = find_recorded(tx, organization_id)
    if once:
        recorded.add_once(organization_id, drafts, now)
    else:
        recorded.add(organization_id, drafts, now)


def find_recorded(tx: Transaction, organization_id: int) -> Recorded:
    """What a transaction has recorded."""
    if tx.is_postgresql:
        find_published(tx).add(organization_id, ())
    for step in tx.last_steps:
        owner = getattr(step, "__self__", None)
        if isinstance(owner, Recorded):
            return owner
    recorded = Recorded()
    tx.last_steps.append(recorded.write)
    return recorded
