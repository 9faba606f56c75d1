"""Following topics of the event log as one stream does it: replay, then what happens (contract monitoring 17.1)."""

from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.events import Event, read_after, read_oldest, read_range
from lumetry_core.runtime.queue import Subscription

PAGE_EVENTS = 500
REPLAYED_EVENTS = 1000
REPLAYED_DURATION = timedelta(hours=1)
MAX_EVENTS_BEHIND = 10_000
RECHECK_SECONDS = 5.0
"""An idle stream looks again so often, for a wake-up that was lost and for the credential."""


class ResetReason(StrEnum):
    """Why what was missed cannot be made up for."""

    WINDOW_EXCEEDED = "replay_window_exceeded"
    UNKNOWN_ID = "unknown_id"


@dataclass(frozen=True, slots=True)
class Reset:
    """The client has to load its data again; the stream goes on after `latest_id`.

    `oldest_id` is the first event that can be made up for, one more than `latest_id` when there is none.
    """

    reason: ResetReason
    oldest_id: int
    latest_id: int


@dataclass(frozen=True, slots=True)
class Start:
    """Where a stream begins: with a reset or with what is made up for, and after which number it goes on."""

    position: int
    reset: Reset | None = None
    replay: tuple[Event, ...] = ()


async def follow(
    database: Database,
    clock: Clock,
    organization_id: int,
    topics: Sequence[str],
    after_id: int | None,
    subscription: Subscription,
    *,
    unreplayed: Collection[str] = (),
) -> AsyncGenerator[Reset | list[Event], None]:
    """Resets and pages of events for ever, ascending; the first tells where the stream starts and may be an empty page.

    Fails with RATE_LIMITED when the reader falls behind.

    Args:
        after_id: Resumes right after this event; None: from now on.
        subscription: Made before the call, so that no event is missed.
        unreplayed: Kinds that are not made up for.
    """
    async with database.read() as tx:
        start = await find_start(tx, organization_id, topics, after_id, unreplayed, clock.now())
    yield start.reset or list(start.replay)
    position = start.position
    lag_before: int | None = None
    while True:
        async with database.read() as tx:
            oldest_id, last_id = await read_range(tx, organization_id, topics)
            page = await read_after(tx, organization_id, position, topics, PAGE_EVENTS)
        lag = last_id - position
        falls_behind = lag_before is not None and lag > MAX_EVENTS_BEHIND and lag > lag_before
        if (page and position + 1 < oldest_id) or falls_behind:
            raise LumetryError(Reason.RATE_LIMITED, "The stream fell too far behind. Load the lists again.", retry_after_seconds="1")
        if page:
            yield page
        if len(page) == PAGE_EVENTS:
            position, lag_before = page[-1].id, lag
            continue
        position = last_id
        lag_before = lag if subscription.is_woken else None
        await subscription.wait(RECHECK_SECONDS)


async def find_start(
    tx: Transaction, organization_id: int, topics: Sequence[str], after_id: int | None, unreplayed: Collection[str], now: datetime
) -> Start:
    """Where a stream begins that has seen all up to a number; of what came later, at most 1,000 events and an hour are made up for."""
    oldest_id, last_id = await read_range(tx, organization_id, topics)
    if after_id is None:
        return Start(last_id)
    if after_id > last_id:
        return await reset(tx, organization_id, topics, unreplayed, ResetReason.UNKNOWN_ID, last_id, now)
    if after_id < oldest_id - 1:
        return await reset(tx, organization_id, topics, unreplayed, ResetReason.WINDOW_EXCEEDED, last_id, now)
    missed: list[Event] = []
    position = after_id
    while True:
        page = await read_after(tx, organization_id, position, topics, PAGE_EVENTS)
        missed += [event for event in page if event.kind not in unreplayed]
        if len(missed) > REPLAYED_EVENTS or any(is_old(event, now) for event in missed[:1]):
            return await reset(tx, organization_id, topics, unreplayed, ResetReason.WINDOW_EXCEEDED, last_id, now)
        if len(page) < PAGE_EVENTS:
            return Start(last_id, None, tuple(missed))
        position = page[-1].id


async def reset(
    tx: Transaction,
    organization_id: int,
    topics: Sequence[str],
    unreplayed: Collection[str],
    reason: ResetReason,
    last_id: int,
    now: datetime,
) -> Start:
    """A start at the end of the log."""
    since = now - REPLAYED_DURATION
    oldest_id = await read_oldest(tx, organization_id, topics, unreplayed, since, REPLAYED_EVENTS)
    return Start(last_id, Reset(reason, oldest_id or last_id + 1, last_id))


def is_old(event: Event, now: datetime) -> bool:
    """Whether an event is past the time for which events are made up for."""
    return event.create_time is not None and event.create_time < now - REPLAYED_DURATION
