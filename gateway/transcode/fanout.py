"""One stream of the core for any number of readers: each event is encoded once and waits in a bounded queue of each.

The latest events are kept, so readers that come back are given what they missed without asking the core. When the core is away they stay
and are given the rest once it is back; only when events are lost for good are they told to load everything again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from gateway.transcode.failures import Failure, Reason

log = structlog.get_logger(__name__)

KEPT_FRAMES = 1000
KEPT_DURATION = timedelta(hours=1)
MAX_WAITING = 256
"""A reader for whom more wait does not keep up."""
START_SECONDS = 5.0
CATCH_UP_SECONDS = 1.0
"""How long the hub may be behind a number that a reader has heard elsewhere."""
FIRST_PAUSE_SECONDS = 0.25
LAST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Frame:
    """An event, ready to be sent."""

    id: int
    kind: str
    data: bytes
    time: datetime


@dataclass(frozen=True, slots=True)
class Position:
    """The start of the core's stream, after which come so many kept events. Who has seen all up to `floor_id` or more misses no others."""

    floor_id: int
    latest_id: int
    kept_count: int = 0


@dataclass(frozen=True, slots=True)
class Reset:
    """Events are lost: `replay_window_exceeded`, or `unknown_id` when the reader's number was never given."""

    reason: str
    oldest_id: int
    latest_id: int


Connect = Callable[[], AsyncIterator[Position | Frame]]
"""Opens the core's stream: a position first, then frames, ascending. Fails with `Failure`."""


def match_all(_kind: str) -> bool:
    """Wants everything."""
    return True


class Reader:
    """One reader's queue."""

    __slots__ = ("_limit", "_matches", "_waiting", "_woken", "abort", "is_closed", "is_overrun", "position")

    def __init__(self, position: int, matches: Callable[[str], bool]) -> None:
        self.position = position
        """Number of the last event that it was offered."""
        self.is_closed = False
        self.is_overrun = False
        """Whether more waited than may."""
        self.abort: Callable[[], object] | None = None
        """Ends a write that the reader holds up; called once, when it is overrun."""
        self._matches = matches
        self._waiting: deque[Frame | Reset] = deque()
        self._woken = asyncio.Event()
        self._limit = MAX_WAITING

    def offer(self, frame: Frame) -> None:
        """Has the reader get an event that it has not seen."""
        if frame.id <= self.position or self.is_overrun:
            return
        self.position = frame.id
        if self._matches(frame.kind):
            self._put(frame)

    def reset(self, reset: Reset) -> None:
        """Tells the reader that it missed events."""
        self.position = reset.latest_id
        if not self.is_overrun:
            self._put(reset)

    def give_time(self) -> None:
        """What waits now is made up for and does not count as being slow."""
        self._limit = MAX_WAITING + len(self._waiting)

    def close(self) -> None:
        """Ends the reader after what waits."""
        self.is_closed = True
        self._woken.set()

    async def take(self, timeout_seconds: float) -> list[Frame | Reset] | None:
        """What waits, as soon as anything does; nothing when the time is over; None when the reader is overrun or was closed."""
        if not self._waiting and not self.is_closed and not self.is_overrun:
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    await self._woken.wait()
        taken = list(self._waiting)
        self._waiting.clear()
        self._limit = MAX_WAITING
        return None if self.is_overrun or (self.is_closed and not taken) else taken

    def _put(self, item: Frame | Reset) -> None:
        if len(self._waiting) >= self._limit:
            self.is_overrun = True
            self._waiting.clear()
            if self.abort is not None:
                self.abort()
        else:
            self._waiting.append(item)
        self._woken.set()


@dataclass(slots=True)
class Hub:
    """Follows the core's stream from the first reader on."""

    connect: Connect
    on_frame: Callable[[Frame], object] = lambda _frame: None
    """Called with each new event before its readers have it."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    readers: set[Reader] = field(default_factory=set)
    _kept: deque[Frame] = field(default_factory=deque)
    _floor_id: int = 0
    _latest_id: int = 0
    _newest_id: int = 0
    """Number of the last frame."""
    _awaited: int = 0
    """Kept events that the core is about to send."""
    _is_started: bool = False
    _fault: Failure | None = None
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    async def join(self, after_id: int | None = None, matches: Callable[[str], bool] = match_all) -> Reader:
        """A new reader, which must leave at the end.

        Args:
            after_id: It has seen all up to this; None: it wants what comes from now on.
            matches: Whether it wants events of a kind.

        Raises:
            Failure: The core's stream has never begun.
        """
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        await self._wait(lambda: (self._is_started and not self._awaited) or self._fault is not None, START_SECONDS)
        if not self._is_started:
            raise self._fault or Failure(Reason.STORE_UNAVAILABLE, "The stream did not begin in time; try again.")
        if after_id is not None and after_id > self._latest_id:
            await self._wait(lambda: after_id <= self._latest_id, CATCH_UP_SECONDS)
        self._forget_old()
        reader = Reader(self._latest_id, matches)
        if after_id is not None:
            self._resume(reader, after_id)
        self.readers.add(reader)
        return reader

    def leave(self, reader: Reader) -> None:
        """Ends a reader."""
        self.readers.discard(reader)

    def end_readers(self) -> None:
        """Closes all readers."""
        for reader in self.readers:
            reader.close()

    async def close(self) -> None:
        """Closes all readers and the core's stream."""
        self.end_readers()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _resume(self, reader: Reader, after_id: int) -> None:
        if after_id > self._latest_id:
            reader.reset(self._reset("unknown_id"))
        elif after_id < self._floor_id:
            reader.reset(self._reset("replay_window_exceeded"))
        else:
            reader.position = after_id
            for frame in self._kept:
                reader.offer(frame)
                reader.give_time()

    def _reset(self, reason: str) -> Reset:
        return Reset(reason, self._floor_id + 1, self._latest_id)

    async def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                async for item in self.connect():
                    pause = FIRST_PAUSE_SECONDS
                    if isinstance(item, Position):
                        self._begin(item)
                    else:
                        self._take(item)
                self._fault = Failure(Reason.STORE_UNAVAILABLE, "The service cannot be reached now; try again.")
            except Failure as failure:
                self._fault = failure
            except Exception:
                log.exception("a stream broke")
                self._fault = Failure(Reason.STORE_UNAVAILABLE, "The service cannot be reached now; try again.")
            self._moved.set()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_PAUSE_SECONDS)

    def _begin(self, position: Position) -> None:
        lost = ""
        if self._is_started and position.latest_id < self._newest_id:
            lost = "unknown_id"  # the core has another store now
        elif self._is_started and position.floor_id > self._newest_id:
            lost = "replay_window_exceeded"
        if lost or not self._is_started:
            self._kept.clear()
            self._floor_id = self._newest_id = position.floor_id
            self._latest_id = position.latest_id
        self._latest_id = max(self._latest_id, position.latest_id)
        self._awaited = position.kept_count
        self._is_started, self._fault = True, None
        if lost:
            for reader in list(self.readers):
                reader.reset(self._reset(lost))
        self._moved.set()

    def _take(self, frame: Frame) -> None:
        is_kept = self._awaited > 0
        self._awaited -= 1 if is_kept else 0
        if frame.id <= self._newest_id:
            self._moved.set()
            return  # sent again after the core was away
        self._newest_id = frame.id
        self._latest_id = max(self._latest_id, frame.id)
        self._kept.append(frame)
        if len(self._kept) > KEPT_FRAMES:
            self._floor_id = self._kept.popleft().id
        self.on_frame(frame)
        for reader in list(self.readers):
            reader.offer(frame)
            if is_kept:
                reader.give_time()
        self._moved.set()

    def _forget_old(self) -> None:
        oldest = self.now() - KEPT_DURATION
        while self._kept and self._kept[0].time < oldest:
            self._floor_id = self._kept.popleft().id

    async def _wait(self, condition: Callable[[], bool], seconds: float) -> None:
        """Waits until a condition holds, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition():
                    self._moved.clear()
                    await self._moved.wait()
