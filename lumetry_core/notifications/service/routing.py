"""Works off the queue `routing`: decides whom to tell of each transition, and writes the outbox (contract lumetry 14.4)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lumetry_core.notifications.delivery import Delivery
from lumetry_core.notifications.model import Integration
from lumetry_core.notifications.service.channel_round import tell_channels
from lumetry_core.notifications.service.facts import gather
from lumetry_core.notifications.service.recording import record_round
from lumetry_core.notifications.service.repetitions import find_unheard
from lumetry_core.notifications.service.walk import Walk
from lumetry_core.notifications.store import held as held_store
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.queue import claim, complete, enqueue

QUEUE = "routing"
DUE: tuple[str, dict[str, int]] = ("due", {})
"""An item that makes routing look at what has waited long enough."""
CLAIMED_AT_ONCE = 1000
DUE_AT_ONCE = 500
"""Small enough that others need not wait long for the store."""
REPETITION_ROUND = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Routed:
    """What a round did: what this process may send at once, and when the next of what waits is due."""

    was_busy: bool
    handed: tuple[tuple[Delivery, Integration], ...] = ()
    next_due: datetime | None = None


async def route_waiting(tx: Transaction, owner: str, fallback: Integration | None, now: datetime) -> Routed:
    """Works off the waiting items of one organization.

    Args:
        owner: The process, to which deliveries are leased that it may send at once.
        fallback: The deployment's target.
    """
    items = await claim(tx, QUEUE, CLAIMED_AT_ONCE)
    if not items:
        return Routed(was_busy=False)
    organization_id = items[0].organization_id
    looks_at_due = any(item.kind == DUE[0] for item in items)
    silence_ids = {str(item.payload["silence_id"]) for item in items if item.kind == "silence_ended"}
    held = await held_store.read_of_silences(tx, organization_id, silence_ids) if silence_ids else []
    due = await held_store.read_due(tx, organization_id, now, DUE_AT_ONCE) if looks_at_due else []
    repeated = await held_store.take_repetitions(tx, organization_id, now) if looks_at_due else set()
    unheard, still = await find_unheard(tx, organization_id, repeated) if repeated else ([], set())
    alert_ids = {item.payload["alert_id"] for item in items if "alert_id" in item.payload}
    alert_ids |= {each.alert_id for each in (*held, *due)} | {alert_id for each in unheard for alert_id in each.alert_ids}
    known = await gather(tx, organization_id, alert_ids, fallback, now)
    await tell_channels(tx, known, items, [*held, *due])
    walk = Walk(known)
    walk.follow(items)
    for each in (*held, *due):
        walk.look_again(each)
    for repeated_there in unheard:
        walk.tell_unheard(repeated_there)
    handed = await record_round(tx, owner, walk)
    await held_store.note_repetitions(tx, organization_id, walk.repeated | still, now + REPETITION_ROUND)
    if len(due) == DUE_AT_ONCE:
        await enqueue(tx, organization_id, QUEUE, [DUE], now)
    await complete(tx, items)
    times = [each.due_time for each in walk.waiting.values() if each.due_time is not None]
    times += [now + REPETITION_ROUND] if walk.repeated or still else []
    return Routed(was_busy=True, handed=tuple(handed), next_due=min(times, default=None))


async def wake_due(tx: Transaction, now: datetime) -> datetime | None:
    """Makes routing look at what is due, of every organization; answers when the next of what waits will be."""
    waiting = await held_store.next_due(tx)
    for organization_id, time in waiting:
        if time <= now:
            await enqueue(tx, organization_id, QUEUE, [DUE], now)
    return min((time for _, time in waiting if time > now), default=None)
