"""Streams that tell collectors what to do: directives of several sources, merged."""

from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from lumetry.collectors.v1 import collector_service_pb2 as pb
from lumetry_core.access.service.credentials import find_collector_credential
from lumetry_core.collectors.model import must_rotate
from lumetry_core.collectors.rpc.messages import encode_config
from lumetry_core.collectors.rpc.work import WorkStream
from lumetry_core.collectors.service.calling import read_own
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.queue import Subscription

IDLE_SECONDS = 15.0
"""How long a stream waits when nothing wakes it: a safety net, and the pace of what only time brings."""
STREAMS = 4
"""Streams of one collector; a network may leave it with dead ones that nobody has noticed yet."""


class Source(Protocol):
    """One kind of directives."""

    async def take(self, now: datetime) -> Sequence[pb.WatchCollectorResponse]:
        """What is due and was not taken yet; bounded."""


class ConfigSource:
    """The desired configuration whenever it is not the one the collector has. Fails with UNAUTHENTICATED once it is revoked."""

    def __init__(self, database: Database, caller: Caller, known_revision: int) -> None:
        self._database = database
        self._caller = caller
        self._known_revision = known_revision

    async def take(self, now: datetime) -> Sequence[pb.WatchCollectorResponse]:
        """See `Source`."""
        async with self._database.read() as tx:
            collector = await read_own(tx, self._caller)
        if collector.config_revision == self._known_revision:
            return ()
        self._known_revision = collector.config_revision
        directive = pb.ConfigDirective(revision=collector.config_revision, config=encode_config(collector.config))
        return (pb.WatchCollectorResponse(config=directive),)


class RotationSource:
    """The wish to rotate, once, when the credential of the stream is old."""

    def __init__(self, database: Database, caller: Caller) -> None:
        self._database = database
        self._caller = caller
        self._credential_time: datetime | None = None
        self._is_told = caller.credential_id is None

    async def take(self, now: datetime) -> Sequence[pb.WatchCollectorResponse]:
        """See `Source`."""
        if self._is_told:
            return ()
        if self._credential_time is None and self._caller.credential_id is not None:
            async with self._database.read() as tx:
                credential = await find_collector_credential(tx, self._caller.organization_id, self._caller.credential_id)
            self._credential_time = credential.create_time
        self._is_told = must_rotate(self._credential_time, now)
        return (pb.WatchCollectorResponse(rotate=pb.RotateDirective()),) if self._is_told else ()


class WorkSource:
    """Work, claimed for the stream."""

    def __init__(self, work: WorkStream) -> None:
        self._work = work

    async def take(self, now: datetime) -> Sequence[pb.WatchCollectorResponse]:
        """See `Source`."""
        return [pb.WatchCollectorResponse(work=item) for item in await self._work.take()]


async def merge(sources: Sequence[Source], stream: "Stream", clock: Clock) -> AsyncGenerator[pb.WatchCollectorResponse, None]:
    """The directives of all sources as they become due; the next ones are taken when the collector has read those before."""
    while True:
        for source in sources:
            for directive in await source.take(clock.now()):
                yield directive
        await stream.subscription.wait(IDLE_SECONDS)
        stream.check()


class Stream:
    """A collector's open stream."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self._is_displaced = False

    def displace(self) -> None:
        """Ends it."""
        self._is_displaced = True
        self.subscription.wake()

    def check(self) -> None:
        """Fails with OVERLOADED when newer streams took its place."""
        if self._is_displaced:
            raise LumetryError(Reason.OVERLOADED, "Newer streams of this collector took the place of this one.", retry_after_seconds="1")


class Streams:
    """The open streams of this process, a few for each collector: of more, the oldest ends."""

    def __init__(self) -> None:
        self._open: dict[str, deque[Stream]] = {}

    @contextmanager
    def open(self, collector_id: str, subscription: Subscription) -> Iterator[Stream]:
        """Counts a stream until the end of the block."""
        stream = Stream(subscription)
        present = self._open.setdefault(collector_id, deque())
        present.append(stream)
        if len(present) > STREAMS:
            present.popleft().displace()
        try:
            yield stream
        finally:
            if stream in present:
                present.remove(stream)
            if not present and self._open.get(collector_id) is present:
                del self._open[collector_id]
