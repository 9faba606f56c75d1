"""Keeps what is remembered of deliveries bounded."""

from datetime import datetime, timedelta

from lumetry_core.external.store import definitions as definition_store
from lumetry_core.external.store import events as event_store
from lumetry_core.external.store import occurrences as occurrence_store
from lumetry_core.runtime.database import Transaction

EVENTS_KEPT = timedelta(days=30)
"""How long a repeated delivery is told."""
OCCURRENCES_KEPT = timedelta(days=60)
"""How long occurrences without active alert, and unmapped definitions, are known after they were last heard of."""
DROPPED_AT_ONCE = 5_000


async def drop_old(tx: Transaction, organization_id: int, now: datetime) -> bool:
    """Forgets a portion of what is past its time; True when there may be more."""
    events = await event_store.drop_events(tx, organization_id, now - EVENTS_KEPT, DROPPED_AT_ONCE)
    occurrences = await occurrence_store.drop_occurrences(tx, organization_id, now - OCCURRENCES_KEPT, DROPPED_AT_ONCE)
    await definition_store.drop_unmapped(tx, organization_id, now - OCCURRENCES_KEPT)
    return max(events, occurrences) >= DROPPED_AT_ONCE
