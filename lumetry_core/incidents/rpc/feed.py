"""Reading the event log onwards, as one stream does it (contract lumetry 19.9)."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.events import Event, read_after, read_range
from lumetry_core.runtime.queue import Subscription

PAGE_EVENTS = 500
MAX_EVENTS_BEHIND = 10_000
RECHECK_SECONDS = 5.0
"""An idle feed looks again so often, for a wake-up that was lost and for the credential."""

RESET = Event(0, "", "reset", b"")
"""Stands for events that were missed."""


async def read_feed(
    database: Database,
    organization_id: int,
    topics: Sequence[str],
    after_id: int | None,
    subscription: Subscription,
    check: Callable[[], Awaitable[None]],
) -> AsyncGenerator[list[Event], None]:
    """Pages of events for ever, ascending; the first tells where the feed starts and may be empty.

    Fails with RATE_LIMITED when the reader falls behind, and with whatever `check` raises.

    Args:
        topics: At least one.
        after_id: Resumes right after this event; None: from now on.
        subscription: Made before the call, so that no event is missed.
        check: Called before every page.
    """
    async with database.read() as tx:
        oldest_id, last_id = await read_range(tx, organization_id, topics)
    position, missed = resume(after_id, oldest_id, last_id)
    yield [RESET] if missed else []
    lag_before: int | None = None
    while True:
        await check()
        async with database.read() as tx:
            oldest_id, last_id = await read_range(tx, organization_id, topics)
            page = await read_after(tx, organization_id, position, topics, PAGE_EVENTS)
        lag = last_id - position
        if position + 1 < oldest_id or is_falling_behind(lag_before, lag):
            raise LumetryError(Reason.RATE_LIMITED, "The stream fell too far behind. Load the lists again.", retry_after_seconds="1")
        if page:
            yield page
        if len(page) == PAGE_EVENTS:
            position, lag_before = page[-1].id, lag
            continue
        position = last_id
        lag_before = lag if subscription.is_woken else None  # else nothing happened while the reader took the page
        await subscription.wait(RECHECK_SECONDS)


def resume(after_id: int | None, oldest_id: int, last_id: int) -> tuple[int, bool]:
    """The event after which a feed starts, and whether events that were asked for are not kept or never were."""
    if after_id is None:
        return last_id, False
    missed = not oldest_id - 1 <= after_id <= last_id
    return (last_id if missed else after_id), missed


def is_falling_behind(lag_before: int | None, lag: int) -> bool:
    """Whether a reader is too slow: far behind, and farther than when its last page was read.

    A long replay or a burst alone is no fault of the reader's.

    Args:
        lag_before: Events not yet read when the last page was; None when the reader had read all and waited.
    """
    return lag_before is not None and lag > MAX_EVENTS_BEHIND and lag > lag_before
