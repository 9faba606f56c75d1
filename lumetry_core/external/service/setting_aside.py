"""Keeps what cannot be processed out of the way of what can, and tries it again."""

from datetime import datetime, timedelta

from lumetry_core.access.service.audit import storable
from lumetry_core.external.model import QUEUE
from lumetry_core.external.service.health import FAILURES_IN_ROW, MAX_ERROR, tell_failing
from lumetry_core.external.store import set_aside as store
from lumetry_core.external.store import sources as source_store
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.queue import WorkItem, claim, complete, enqueue

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
RETRIED_AT_ONCE = 100


async def isolate(tx: Transaction, failed: WorkItem, error: Exception, now: datetime) -> None:
    """Takes an item that failed out of the queue: several transitions come back one by one, a single one waits for its next attempt."""
    claimed = await claim(tx, QUEUE, 1)
    if [item.id for item in claimed] != [failed.id]:
        return
    payload = failed.payload
    if len(payload.get("transitions", ())) > 1:
        alone = [(failed.kind, {**payload, "transitions": [transition]}) for transition in payload["transitions"]]
        await enqueue(tx, failed.organization_id, QUEUE, alone, now)
    else:
        await set_aside(tx, failed, storable(f"{type(error).__name__}: {error}", MAX_ERROR), now)
    await complete(tx, claimed)


async def set_aside(tx: Transaction, failed: WorkItem, error: str, now: datetime) -> None:
    """Keeps an item until its next attempt, and tells operators of the third that failed."""
    attempts = failed.payload.get("attempts", 0) + 1
    pause = min(FIRST_PAUSE * 2 ** min(attempts - 1, 10), LONGEST_PAUSE)
    payload = {**failed.payload, "attempts": attempts}
    await store.insert_item(
        tx, failed.organization_id, failed.kind, payload, attempt_count=attempts, next_attempt_time=now + pause, error=error
    )
    source_id = payload.get("source_id")
    if source_id is None:
        return
    await source_store.note_error(tx, failed.organization_id, source_id, "A transition could not be processed yet; it is tried again.")
    source = (await source_store.read_sources(tx, failed.organization_id, [source_id])).get(source_id)
    if source is not None and attempts >= FAILURES_IN_ROW:
        await tell_failing(tx, source, "transitions cannot be processed", now)


async def retry_due(tx: Transaction, organization_id: int, now: datetime) -> bool:
    """Gives items whose time has come back to the queue; True when there may be more."""
    due = await store.take_due(tx, organization_id, now, RETRIED_AT_ONCE)
    await enqueue(tx, organization_id, QUEUE, [(item.kind, item.payload) for item in due], now)
    return len(due) == RETRIED_AT_ONCE


async def list_due_organizations(tx: Transaction, now: datetime) -> list[int]:
    """The organizations that have items whose time has come."""
    return await store.list_organizations(tx, now)
