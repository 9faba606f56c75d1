"""Tells events: to the event log, which streams follow, to the activity feed, and to the queues of those who subscribed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.access.redaction import redact_text
from lumetry_core.activity.model import Draft
from lumetry_core.activity.service import record
from lumetry_core.feed import store
from lumetry_core.feed.activity_items import describe_event
from lumetry_core.feed.registry import EVENT_TYPES
from lumetry_core.projects.links import MONITOR_TYPES, LinkType, Ref
from lumetry_core.projects.service.links import has_links, list_all_links
from lumetry_core.runtime.clock import spell_time
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.events import hold_log, publish
from lumetry_core.runtime.queue import enqueue

TOPIC = "monitoring"
ALL = "*"
EVERY_ORGANIZATION = 0

Told = tuple[str, Mapping[str, object]]
"""An event type and its data."""


async def tell(tx: Transaction, organization_id: int, events: Sequence[Told], now: datetime) -> None:
    """Writes events, in order, in the transaction of what they tell of.

    The data of each have exactly the keys of its type, whose values are what JSON knows; times are texts as contracts spell them.
    """
    if not events:
        return
    time = spell_time(now)
    for event_type, data in events:
        if EVENT_TYPES[event_type] != data.keys():
            raise TypeError(f"{event_type} has the keys {sorted(EVENT_TYPES[event_type])}, not {sorted(data)}")
    await record_items(tx, organization_id, events, now)
    await publish(tx, organization_id, [(TOPIC, event_type, {**data, "timestamp": time}) for event_type, data in events], now)
    await hand_over(tx, organization_id, [(event_type, {"data": data, "time": time}) for event_type, data in events], now)


async def record_items(tx: Transaction, organization_id: int, events: Sequence[Told], now: datetime) -> None:
    """Writes the items of the activity feed that come of events, with the projects of their monitors."""
    drafts = [draft for event_type, data in events if (draft := describe_event(event_type, data)) is not None]
    if not drafts:
        return
    links = await list_all_links(tx, organization_id) if await has_links(tx, organization_id) else {}
    placed = [clean(draft, links.get(ref, ()) if (ref := ref_of(draft)) is not None else ()) for draft in drafts]
    await record(tx, organization_id, placed, now, once=True)


def ref_of(draft: Draft) -> Ref | None:
    """What a project links that has what an item is about."""
    resource = draft.resource
    return (LinkType(resource.type), resource.id) if resource is not None and resource.type in MONITOR_TYPES else None


def clean(draft: Draft, project_ids: Sequence[str]) -> Draft:
    """The item in its projects, without secrets: targets and errors come from outside."""
    summary = None if draft.summary is None else redact_text(draft.summary)
    return replace(draft, title=redact_text(draft.title), summary=summary, project_ids=tuple(project_ids))


async def hand_over(tx: Transaction, organization_id: int, items: Sequence[Told], now: datetime) -> None:
    """Puts items, whose kind is their event type, into the queues of those who subscribed to it, and nowhere else."""
    if not items:
        return
    wanted = await store.read_queues(tx, organization_id)
    for queue in sorted({queue for _, queue in wanted}):
        kept = [(kind, dict(payload)) for kind, payload in items if (kind, queue) in wanted or (ALL, queue) in wanted]
        await enqueue(tx, organization_id, queue, kept, now)


async def take_turn(tx: Transaction, organization_id: int) -> None:
    """Waits until nobody else is between telling something and its commit, and keeps everybody from it until the transaction ends.

    Whoever has told something has the turn already, so those who take it before they look for what others may be adding neither miss it
    nor wait for each other.
    """
    await hold_log(tx, organization_id)


async def subscribe(tx: Transaction, organization_id: int, queue: str, subject_id: int | str, types: Collection[str]) -> None:
    """Replaces what a subject wants: event types, or `*`; nothing ends it.

    Args:
        organization_id: 0: of every organization.
        queue: Gets one item for each event, however many of its subjects want it.
        subject_id: Whoever of the queue wants it, such as a webhook.
    """
    await store.delete_subscriptions(tx, organization_id, queue, str(subject_id))
    await store.insert_subscriptions(tx, organization_id, queue, str(subject_id), set(types))


async def unsubscribe(tx: Transaction, organization_id: int, queue: str, subject_id: int | str) -> None:
    """Ends what a subject wants."""
    await store.delete_subscriptions(tx, organization_id, queue, str(subject_id))
