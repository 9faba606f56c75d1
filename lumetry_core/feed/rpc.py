"""`lumetry.feed.v1.FeedService`."""

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import aclosing
from typing import Any

import grpc
import msgspec

from lumetry.feed.v1 import feed_service_pb2 as pb
from lumetry.feed.v1 import feed_service_pb2_grpc
from lumetry_core.feed.registry import EVENT_TYPES, UNREPLAYED
from lumetry_core.feed.service import TOPIC
from lumetry_core.feed.streaming import Reset, follow
from lumetry_core.runtime.clock import Clock, spell_time
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.events import Event, channel
from lumetry_core.runtime.interceptors import STARTED, current_caller
from lumetry_core.runtime.queue import Wakeups
from lumetry_core.runtime.timestamps import encode_time

MAX_TYPES = 100
RESET = "stream.reset"

encode = msgspec.json.Encoder().encode


class FeedServicer(feed_service_pb2_grpc.FeedServiceServicer):
    """Streams events."""

    def __init__(self, database: Database, clock: Clock, wakeups: Wakeups) -> None:
        self._database = database
        self._clock = clock
        self._wakeups = wakeups

    async def WatchFeed(
        self, request: pb.WatchFeedRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[pb.WatchFeedResponse]:
        """See the proto."""
        organization_id = current_caller().organization_id
        wanted = find_types(request.types)
        after_id = request.after_id if request.HasField("after_id") else None
        with self._wakeups.subscribe(channel(organization_id)) as subscription:
            pages = follow(self._database, self._clock, organization_id, (TOPIC,), after_id, subscription, unreplayed=UNREPLAYED)
            async with aclosing(pages):
                page = await anext(pages)
                await context.send_initial_metadata(STARTED)
                while True:
                    if isinstance(page, Reset):
                        yield self._encode_reset(page)
                    else:
                        for event in page:
                            if event.kind in wanted:
                                yield encode_event(event)
                    page = await anext(pages)

    def _encode_reset(self, reset: Reset) -> pb.WatchFeedResponse:
        now = self._clock.now()
        data = {
            "reason": reset.reason.value,
            "oldest_id": reset.oldest_id,
            "latest_id": reset.latest_id,
            "timestamp": spell_time(now),
        }
        return pb.WatchFeedResponse(id=reset.latest_id, type=RESET, data=encode(data), create_time=encode_time(now))


def encode_event(event: Event) -> pb.WatchFeedResponse:
    """An event as it is told."""
    data = msgspec.msgpack.decode(event.subject)
    return pb.WatchFeedResponse(id=event.id, type=event.kind, data=encode(data), create_time=encode_time(event.create_time))


def find_types(patterns: Iterable[str]) -> Collection[str]:
    """The event types that a request asks for. Fails with VALIDATION_FAILED (`types`)."""
    asked = list(patterns)
    faults = Faults()
    faults.check(len(asked) <= MAX_TYPES, "types", f"must have at most {MAX_TYPES} entries")
    found: set[str] = set()
    for pattern in asked:
        begins = pattern.removesuffix("*")
        matching = {name for name in EVENT_TYPES if (name.startswith(begins) if pattern.endswith("*") else name == pattern)}
        faults.check(bool(matching) or pattern == RESET, "types", f"has no event type {pattern[:60]}")
        found |= matching
    faults.raise_if_any()
    return found if asked else frozenset(EVENT_TYPES)
