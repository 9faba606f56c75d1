"""The open streams of this process: what each was told, and what it lacks. Pure but for the wake-ups."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from lumetry_core.collectors.model import must_rotate
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.queue import Subscription

STREAMS = 4
"""Streams of one collector; a network may leave it with dead ones that nobody has noticed yet."""
LONGEST_WAIT_SECONDS = 900.0
"""How long a stream waits when nothing wakes it. What nobody was woken for is found much earlier, for all streams at once."""


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What is seen of a collector that serves. `waiting`: what work that it may be given asks of it."""

    config_revision: int
    waiting: frozenset[str]


class Stream:
    """A collector's open stream."""

    def __init__(self, caller: Caller, capabilities: Sequence[str], known_revision: int, subscription: Subscription) -> None:
        self.caller = caller
        self.capabilities = tuple(capabilities)
        self.known_revision = known_revision
        """What the collector has of its configuration."""
        self.credential_time: datetime | None = None
        """Issue of the stream's credential; None: nobody has looked yet."""
        self.is_told_to_rotate = caller.credential_id is None
        self._subscription = subscription
        self._is_displaced = False

    @property
    def collector_id(self) -> str:
        """Whose it is."""
        return self.caller.collector_id or ""

    @property
    def is_woken(self) -> bool:
        """Whether the next wait ends at once."""
        return self._subscription.is_woken

    def wake(self) -> None:
        """Has it look at what there is for the collector."""
        self._subscription.wake()

    def displace(self) -> None:
        """Ends it."""
        self._is_displaced = True
        self.wake()

    async def wait(self) -> None:
        """Waits until there may be something to tell. Fails with OVERLOADED when newer streams took its place."""
        await self._subscription.wait(LONGEST_WAIT_SECONDS)
        if self._is_displaced:
            raise LumetryError(Reason.OVERLOADED, "Newer streams of this collector took the place of this one.", retry_after_seconds="1")

    def wants_rotation(self, now: datetime) -> bool:
        """Whether the wish to rotate is due, which is told once."""
        return not self.is_told_to_rotate and must_rotate(self.credential_time, now)

    def lacks(self, glimpse: Glimpse | None, now: datetime) -> bool:
        """Whether there is something to tell, or the stream has to end.

        Args:
            glimpse: None: the collector serves no more.
        """
        if glimpse is None or glimpse.config_revision != self.known_revision:
            return True
        return self.wants_rotation(now) or not glimpse.waiting.isdisjoint(self.capabilities)


class Streams:
    """All of them, a few for each collector: of more, the oldest ends."""

    def __init__(self) -> None:
        self._open: dict[str, deque[Stream]] = {}

    def list_open(self) -> list[Stream]:
        """Those that are open now."""
        return [stream for present in self._open.values() for stream in present]

    @contextmanager
    def open(self, stream: Stream) -> Iterator[None]:
        """Counts a stream until the end of the block."""
        present = self._open.setdefault(stream.collector_id, deque())
        present.append(stream)
        if len(present) > STREAMS:
            present.popleft().displace()
        try:
            yield
        finally:
            if stream in present:
                present.remove(stream)
            if not present and self._open.get(stream.collector_id) is present:
                del self._open[stream.collector_id]
