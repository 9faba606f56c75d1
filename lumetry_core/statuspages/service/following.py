"""The page's events, as one reader of a whole gateway follows them (contract monitoring 17.1)."""

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from lumetry_core.feed.streaming import PAGE_EVENTS, REPLAYED_DURATION, REPLAYED_EVENTS, follow
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.events import Event, channel, read_after, read_range
from lumetry_core.runtime.queue import Wakeups
from lumetry_core.statuspages.model import TOPIC


@dataclass(frozen=True, slots=True)
class Kept:
    """The events that are kept for replay. Whoever has seen all up to `floor_id` or a later number misses none of the others."""

    floor_id: int
    latest_id: int
    events: tuple[Event, ...]


async def read_kept(tx: Transaction, organization_id: int, now: datetime) -> Kept:
    """At most the last 1,000 events, none older than an hour."""
    oldest_id, latest_id = await read_range(tx, organization_id, [TOPIC])
    floor_id = oldest_id - 1
    kept: deque[Event] = deque()
    position = floor_id
    while True:
        page = await read_after(tx, organization_id, position, [TOPIC], PAGE_EVENTS)
        for event in page:
            kept.append(event)
            is_old = event.create_time is not None and event.create_time < now - REPLAYED_DURATION
            if is_old or len(kept) > REPLAYED_EVENTS:
                floor_id = kept.popleft().id
        if len(page) < PAGE_EVENTS:
            return Kept(floor_id, latest_id, tuple(kept))
        position = page[-1].id


async def follow_page(database: Database, clock: Clock, wakeups: Wakeups, organization_id: int) -> AsyncGenerator[Kept | list[Event], None]:
    """What is kept, then pages of events for ever, ascending. Fails with RATE_LIMITED when the reader falls far behind."""
    with wakeups.subscribe(channel(organization_id)) as subscription:
        async with database.read() as tx:
            kept = await read_kept(tx, organization_id, clock.now())
        yield kept
        async with aclosing(follow(database, clock, organization_id, [TOPIC], kept.latest_id, subscription)) as pages:
            async for page in pages:
                if not isinstance(page, list):
                    return  # what came meanwhile is not kept any more: the reader begins again
                yield page
