"""Takes deliveries in: who delivers, and what of it is new (contract lumetry 13.4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lumetry_core.external.model import QUEUE, Source, Transition
from lumetry_core.external.service.health import note_success
from lumetry_core.external.store import events as event_store
from lumetry_core.external.store import sources as store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import LumetryError, Reason, not_found
from lumetry_core.runtime.queue import enqueue

PER_ITEM = 100
"""Transitions that one item of work carries at most."""


@dataclass(frozen=True, slots=True)
class Submission:
    """The transitions of one request."""

    organization_id: int
    source_id: int
    transitions: Sequence[Transition]


@dataclass(frozen=True, slots=True)
class Receipt:
    """How many transitions of a request were taken, and how many were known."""

    accepted_count: int
    duplicate_count: int


async def find_own_source(tx: Transaction, caller: Caller, source_key: str) -> Source:
    """The source that the caller's credential belongs to. Fails with NOT_FOUND when its key is another, CONFLICT when it is disabled."""
    source = None
    if caller.source_id is not None:
        source = (await store.read_sources(tx, caller.organization_id, [caller.source_id])).get(caller.source_id)
    if source is None or source.key != source_key:
        raise not_found("External alert source", source_key)
    if not source.is_enabled:
        message = f"External alert source '{source.name}' is disabled."
        raise LumetryError(Reason.CONFLICT, message, type="ExternalAlertSource", id=str(source.id), state="Disabled")
    return source


async def accept_group(tx: Transaction, submissions: Sequence[Submission], now: datetime) -> list[Receipt]:
    """Hands what is new of several requests to the worker; their receipts in order.

    An event that is in the group twice is new to the first request that has it. Sources are worked off in ascending order, so that
    cores that do the same at once do not wait for each other in a circle.
    """
    by_source: dict[tuple[int, int], list[int]] = {}
    for position, submission in enumerate(submissions):
        by_source.setdefault((submission.organization_id, submission.source_id), []).append(position)
    receipts: dict[int, Receipt] = {}
    items: dict[int, list[tuple[str, object]]] = {}
    for (organization_id, source_id), positions in sorted(by_source.items()):
        of_source = [[(transition.event, transition) for transition in submissions[position].transitions] for position in positions]
        given = {event for listed in of_source for event, _ in listed}
        new = await event_store.take_new(tx, organization_id, source_id, given, now)
        for position, listed in zip(positions, of_source, strict=True):
            taken = []
            for event, transition in listed:
                if event in new:
                    new.discard(event)
                    taken.append(transition)
            receipts[position] = Receipt(len(taken), len(listed) - len(taken))
            for start in range(0, len(taken), PER_ITEM):
                part = taken[start : start + PER_ITEM]
                items.setdefault(organization_id, []).append(("transitions", {"source_id": source_id, "transitions": part}))
        await note_success(tx, organization_id, source_id, sum(map(len, of_source)), now)
    for organization_id, work in sorted(items.items()):
        await enqueue(tx, organization_id, QUEUE, work, now)
    return [receipts[position] for position in range(len(submissions))]
