"""Works off the queue `webhooks`: puts events of the feed into the outbox, for every webhook that wants them (contract monitoring 12)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lumetry_core.incidents.model import Incident
from lumetry_core.incidents.service.reading import find_incidents
from lumetry_core.notifications.destinations import Webhook, fold, wants
from lumetry_core.notifications.dispatch import Dispatch
from lumetry_core.notifications.event_bodies import subject_of, write_event
from lumetry_core.notifications.payload import spell_whole_incident
from lumetry_core.notifications.service.dispatches import draft, post
from lumetry_core.notifications.service.feeding import QUEUE
from lumetry_core.notifications.store import webhooks as store
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.queue import WorkItem, claim, complete

CLAIMED_AT_ONCE = 500
BARE = ("alert.", "incident.")
"""Events whose data do not repeat their name."""


async def announce_waiting(tx: Transaction, now: datetime) -> bool:
    """Works off the waiting items of one organization; True when there may be more."""
    items = await claim(tx, QUEUE, CLAIMED_AT_ONCE)
    if not items:
        return False
    organization_id = items[0].organization_id
    webhooks = [webhook for webhook in await store.select_webhooks(tx, organization_id) if webhook.is_active]
    if webhooks:
        named = {item.payload["incident_id"] for item in items if "incident_id" in item.payload}
        incidents = await find_incidents(tx, organization_id, named) if named else {}
        await post(tx, draft_all(items, webhooks, incidents, now))
    await complete(tx, items)
    return True


def draft_all(items: Sequence[WorkItem], webhooks: Sequence[Webhook], incidents: Mapping[int, Incident], now: datetime) -> list[Dispatch]:
    """What is to be sent, in order; an event has the same bytes for all."""
    drafts: list[Dispatch] = []
    for item in items:
        event = fold(item.kind)
        interested = [webhook for webhook in webhooks if wants(webhook, event)]
        data = read_data(item, incidents, now) if interested else None
        if data is None:
            continue
        body, alert = write_event(event, item.payload["time"], data), data.get("alert")
        subject, alert_id = subject_of(item.kind, data), alert["id"] if isinstance(alert, Mapping) else None
        drafts += [draft(webhook.key, event, body, now, subject=subject, alert_id=alert_id) for webhook in interested]
    return drafts


def read_data(item: WorkItem, incidents: Mapping[int, Incident], now: datetime) -> dict[str, Any] | None:
    """The data of an event; None when what it is about is gone."""
    if "incident_id" in item.payload:
        incident = incidents.get(item.payload["incident_id"])
        return None if incident is None else {"incident": spell_whole_incident(incident, now)}
    data: dict[str, Any] = dict(item.payload["data"])
    return data if item.kind.startswith(BARE) else {**data, "event": item.kind}
