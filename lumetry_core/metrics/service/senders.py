"""Knows, at every batch, what the platform has decided about its sender."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lumetry_core.metrics.senders import Cap, Groups, Marking, Sender, Senders, mark_caller
from lumetry_core.metrics.store import senders as store
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction

SENDERS_CHANNEL = "senders"
REMEMBERED = timedelta(seconds=5)
"""A change that was not told takes effect after it (contract lumetry 2.1)."""
CAP_SPAN = timedelta(days=1)
"""A series that is not sent for so long counts no more."""


async def write_sender(tx: Transaction, sender: Sender) -> None:
    """Notes what is decided about a host agent; the next batches are treated so."""
    await store.write_sender(tx, sender)
    tx.wake(SENDERS_CHANNEL)


async def remove_sender(tx: Transaction, organization_id: int, agent_id: int) -> None:
    """Forgets a host agent; it sends nothing any more, and no host is placed through it."""
    await store.remove_sender(tx, organization_id, agent_id)
    tx.wake(SENDERS_CHANNEL)


async def list_senders(tx: Transaction, organization_id: int) -> dict[int, Sender]:
    """What ingestion knows of an organization's host agents, by their number."""
    return {sender.agent_id: sender for sender in await store.list_senders(tx, organization_id)}


@dataclass(frozen=True, slots=True)
class Known:
    """An organization's host agents as they were at a time."""

    time: datetime
    senders: Senders


class SenderBook:
    """Remembers the host agents of organizations for seconds, and counts the series of each."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[int, Known] = {}
        self._is_stale = False
        self._caps: dict[tuple[int, int], Cap] = {}
        self._cap_time = clock.now()

    def forget(self) -> None:
        """Something was decided: the next batch of every organization asks the store."""
        self._is_stale = True

    async def mark(self, caller: Caller) -> Marking:
        """What is done to the labels of a caller's points. Fails as `mark_caller`."""
        senders = await self._find(caller.organization_id)
        if caller.kind is not CredentialKind.AGENT or caller.agent_id is None:
            return mark_caller(caller, senders)
        sender = senders.by_agent.get(caller.agent_id)
        return mark_caller(caller, senders, None if sender is None else self._cap_of(sender))

    def count_refused(self, organization_id: int, agent_id: int) -> int:
        """Series of a host agent that this process refused of late."""
        cap = self._caps.get((organization_id, agent_id))
        return 0 if cap is None else len(cap.refused)

    def _cap_of(self, sender: Sender) -> Cap:
        now = self._clock.now()
        if not timedelta(0) <= now - self._cap_time < CAP_SPAN:
            self._cap_time = now
            for cap in self._caps.values():
                cap.forget()
        cap = self._caps.setdefault((sender.organization_id, sender.agent_id), Cap(sender.max_series))
        cap.max_series = sender.max_series
        return cap

    async def _find(self, organization_id: int) -> Senders:
        now = self._clock.now()
        if self._is_stale:
            self._is_stale = False
            self._known = {number: Known(now - REMEMBERED, known.senders) for number, known in self._known.items()}
        known = self._known.get(organization_id)
        if known is not None and timedelta(0) <= now - known.time < REMEMBERED:
            return known.senders
        async with self._database.read() as tx:
            found = await store.list_senders(tx, organization_id)
        senders = build_senders(found, None if known is None else known.senders)
        self._known[organization_id] = Known(now, senders)
        return senders


def build_senders(found: list[Sender], before: Senders | None) -> Senders:
    """Host agents for ingestion; placements that are what they were keep their object, so that nothing is resolved anew."""
    by_host: dict[str, str] = {}
    for sender in found:
        if sender.host_group is not None:
            by_host.setdefault(sender.host_id, sender.host_group)
    groups = Groups(by_host) if by_host else None
    if groups is not None and before is not None and before.groups is not None and before.groups.by_host == by_host:
        groups = before.groups
    return Senders({sender.agent_id: sender for sender in found}, groups)
