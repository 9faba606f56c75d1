"""From the buffer to the product: in order, one batch after another, as fast as the product takes them.

A point is late, and opens no alert, when the product has judged a newer one of its series (contract lumetry 8.3). So what an outage left
behind is preceded by a *herald*: the newest sample of this host, once out of turn. It comes again in its turn, which changes nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn, Protocol

import structlog

from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from lumetry_core.collectors.agent.buffer import Chunk, DiskBuffer
from lumetry_core.collectors.agent.failures import CallError, CredentialError, ForbiddenError, RejectedError, UnreachableError
from lumetry_core.collectors.agent.frames import Record
from lumetry_core.collectors.agent.pacing import Backoff, Pace, Share
from lumetry_core.collectors.agent.records import MAX_RECORD_BYTES, MAX_RECORD_POINTS, encode_batch, encode_records, read_time_ms
from lumetry_core.collectors.agent.timing import ServerClock

HERALD_MS = 60_000
"""Points that are so much older than the newest sample need a herald; half of the grace period of evaluation."""
HERALD_SECONDS = 1.0
"""How long after the first sample is due points of an earlier process wait for it."""

log = structlog.get_logger(__name__)


class Uploads(Protocol):
    """The part of a link that delivery needs."""

    async def upload(self, payload: bytes) -> None:
        """Hands a batch over. Raises CallError."""


class Delivery:
    """The way of points out of this process."""

    def __init__(self, buffer: DiskBuffer, clock: ServerClock, pace: Pace, share: Share) -> None:
        self._buffer = buffer
        self._clock = clock
        self._pace = pace
        self._backoff = Backoff(pace, share)
        self._share = share
        self._appended = asyncio.Event()
        self._progress = asyncio.Event()
        """Set when an attempt has ended, well or not."""
        self.is_away = False
        """Whether a call failed so that another one right now would fail, too: then nothing is delivered before the end."""
        self.heard = asyncio.Event()
        """Set once the server has answered, so that its time is known if it tells it: points of a wrong clock wait for that."""
        self._returned = asyncio.Event()
        """Set when the server has answered something else than an upload."""
        self._forbidden = False
        self._is_absence_told = False
        self._newest: dict[str, Record] = {}
        """By group: the newest sample, if it went into one record."""
        self._sampled = asyncio.Event()
        """Set once there is one."""
        self._is_catching_up = buffer.pending_points > 0
        """Whether points wait or waited that an outage or an earlier process left behind."""
        self.on_caught_up: Callable[[], None] = lambda: None
        """Told when nothing of that waits any more."""
        self._judged_ms = 0
        """Time of the newest points that the product is known to have had from this process."""

    def keep(self, points: Sequence[metrics_pb.Point], note: bytes = b"", group: str = "") -> None:
        """Stores points until they are delivered; see `link.KeepsPoints`.

        Args:
            points: In order of their times.
            note: That of their `timing.Moment`.
            group: What is sampled together, as one pack: of each group the newest points are the herald of older ones.
        """
        records = list(encode_records(points))
        if len(records) == 1:
            self._newest[group] = Record(*records[0], note)
            self._sampled.set()
        for payload, count in records:
            try:
                self._buffer.append(payload, count, note)
            except OSError as error:
                log.warning("points could not be buffered and are lost", points=count, error=str(error))
        self._appended.set()

    async def run(self, link: Uploads) -> NoReturn:
        """Delivers until it is cancelled."""
        suspects = 0
        await self._await_herald()
        while True:
            self._appended.clear()
            chunk = self._buffer.peek(MAX_RECORD_POINTS, MAX_RECORD_BYTES, 1 if suspects else None)
            if chunk is None:
                await self._appended.wait()
                continue
            if any(self._clock.is_correctable(record.note) for record in chunk.records):
                await self.heard.wait()
            self.is_away = False
            try:
                await self._herald(link, chunk)
                await link.upload(encode_batch(chunk.records, self._clock))
            except RejectedError as error:
                suspects = self._reject(chunk, error, suspects)
            except CallError as error:
                await self._rest(error)
                continue
            else:
                self._tell_return()
                self._buffer.commit(chunk)
                suspects = max(0, suspects - 1)
            self._note_progress()
            self._backoff.reset()
            self._progress.set()

    async def drain(self) -> None:
        """Waits until everything is delivered, delivery cannot go on, or the time for it is over."""
        try:
            async with asyncio.timeout(self._pace.drain):
                while self._buffer.pending_points and not self.is_away:
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            pass

    def note_absence(self, error: CallError | None = None) -> None:
        """Notes that the server cannot be reached, so that the end does not wait for it; an error is told to people, once an outage."""
        self.is_away = True
        self._progress.set()
        if error is not None and not self._is_absence_told:
            self._is_absence_told = True
            log.warning("the server cannot be reached, points are buffered", error=str(error))

    def note_presence(self) -> None:
        """Notes that the server has just answered another call: what rests because it could not be reached is tried again."""
        self.heard.set()
        self._returned.set()

    async def _await_herald(self) -> None:
        """Gives what an earlier process left behind the time to get a herald."""
        if self._buffer.pending_points and not self._newest:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.first_sample + HERALD_SECONDS):
                    await self._sampled.wait()

    async def _herald(self, link: Uploads, chunk: Chunk) -> None:
        """Sends the newest samples before older points, unless newer ones have come to the product already."""
        if chunk.record_count == 1 and self._buffer.pending_points == chunk.point_count:
            return
        heralds = tuple(self._newest.values())
        oldest_ms = read_time_ms(chunk.records[0], self._clock)
        newest_ms = max((read_time_ms(record, self._clock) for record in heralds), default=0)
        if newest_ms - oldest_ms > HERALD_MS and self._judged_ms - oldest_ms <= HERALD_MS:
            with suppress(RejectedError):  # it is judged in its turn
                await link.upload(encode_batch(heralds, self._clock))
            self._judged_ms = newest_ms

    def _reject(self, chunk: Chunk, error: RejectedError, suspects: int) -> int:
        """Drops a record that the server does not take; of several each is sent by itself, so that only bad ones are lost.

        Returns:
            How many records to send by themselves from now on.
        """
        if chunk.record_count > 1:
            return chunk.record_count
        self._buffer.discard(chunk)
        log.error(
            "the server rejected points, they are dropped",
            points=chunk.point_count,
            dropped_points=self._buffer.dropped_points,
            error=str(error),
        )
        return max(0, suspects - 1)

    def _note_progress(self) -> None:
        if self._is_catching_up and not self._buffer.pending_points:
            self._is_catching_up = False
            self.on_caught_up()

    def _tell_return(self) -> None:
        if self._is_absence_told or self._forbidden:
            log.info("the server is back", waiting_points=self._buffer.pending_points)
        self._is_absence_told = self._forbidden = False

    async def _rest(self, error: CallError) -> None:
        self._is_catching_up = True
        is_outage = not isinstance(error, CredentialError | ForbiddenError)
        self.note_absence(error if is_outage else None)
        if isinstance(error, CredentialError):
            await asyncio.Event().wait()  # whoever owns the link is told and ends this
        if isinstance(error, ForbiddenError):
            if not self._forbidden:
                log.error(
                    "the server does not let this collector send points", waiting_points=self._buffer.pending_points, error=str(error)
                )
            self._forbidden = True
            await asyncio.sleep(self._pace.forbidden_retry * self._share())
            return
        wanted = error.retry_after if isinstance(error, UnreachableError) else None
        pause = self._backoff.pause(wanted)
        if wanted is not None:
            await asyncio.sleep(pause)
            return
        self._returned.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._returned.wait()
