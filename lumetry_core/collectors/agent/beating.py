"""Heartbeats: that the process lives, what it has applied, and what the server answers to that."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import structlog

from lumetry.collectors.v1 import collector_service_pb2 as collectors_pb
from lumetry_core.collectors.agent.buffer import DiskBuffer
from lumetry_core.collectors.agent.configuring import Acknowledgement
from lumetry_core.collectors.agent.failures import CallError, CredentialError, UnreachableError
from lumetry_core.collectors.agent.link import Link
from lumetry_core.collectors.agent.pacing import Backoff, Pace, Share
from lumetry_core.runtime.clock import Clock

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """What every heartbeat says."""

    instance_id: str
    version: str
    capabilities: Sequence[str]


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told what came of a heartbeat."""

    on_answer: Callable[[collectors_pb.SendHeartbeatResponse], None]
    on_failure: Callable[[CallError], None]


class Heart:
    """Beats."""

    def __init__(
        self,
        identity: Identity,
        buffer: DiskBuffer,
        clock: Clock,
        acknowledgement: Callable[[], Acknowledgement],
        listeners: Listeners,
        pace: Pace,
        share: Share,
    ) -> None:
        """Prepares.

        Args:
            identity: What every heartbeat says.
            buffer: Whose state is reported.
            clock: The machine's: how far it is off is the server's to judge.
            acknowledgement: What to say of the configuration.
            listeners: Who is told of answers and failures.
            pace: For retries.
            share: Their random factor.
        """
        self.interval_seconds = 30.0
        self._identity = identity
        self._buffer = buffer
        self._clock = clock
        self._acknowledgement = acknowledgement
        self._listeners = listeners
        self._backoff = Backoff(pace, share)
        self._now = asyncio.Event()
        self._told_depth = 0
        """Of the newest heartbeat, answered or not."""

    def apply(self, interval_seconds: float) -> None:
        """Takes another interval; a longer one counts from the next heartbeat on."""
        if interval_seconds < self.interval_seconds:
            self.beat_now()
        self.interval_seconds = interval_seconds

    def beat_now(self) -> None:
        """Sends the next heartbeat at once."""
        self._now.set()

    def note_empty_buffer(self) -> None:
        """Notes that nothing waits any more, which the next heartbeat tells at once if the one before told otherwise."""
        if self._told_depth:
            self.beat_now()

    async def run(self, link: Link) -> NoReturn:
        """Beats until it is cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._now.clear()
            pause = await self._beat(link)
            due = max(due + pause, loop.time()) if self._backoff.failures == 0 else loop.time() + pause
            try:
                async with asyncio.timeout_at(due):
                    await self._now.wait()
                due = loop.time()
            except TimeoutError:
                pass

    async def _beat(self, link: Link) -> float:
        """Sends a heartbeat. Returns how long to wait until the next."""
        try:
            answer = await link.send_heartbeat(self._build())
        except CredentialError as error:
            self._listeners.on_failure(error)
            await asyncio.Event().wait()  # whoever owns the link is told and ends this
        except CallError as error:
            log.debug("a heartbeat failed", error=str(error))  # delivery tells people what is wrong
            self._listeners.on_failure(error)
            wanted = error.retry_after if isinstance(error, UnreachableError) else None
            return min(self._backoff.pause(wanted), max(self.interval_seconds, wanted or 0.0))
        else:
            self._backoff.reset()
            self._listeners.on_answer(answer)
        return self.interval_seconds

    def _build(self) -> collectors_pb.SendHeartbeatRequest:
        acknowledgement = self._acknowledgement()
        request = collectors_pb.SendHeartbeatRequest(
            instance_id=self._identity.instance_id,
            version=self._identity.version,
            queue_depth=self._buffer.pending_points,
            dropped_count=self._buffer.dropped_points,
            config_revision_applied=acknowledgement.revision,
            config_apply_status=acknowledgement.status,
            config_apply_error=acknowledgement.error,
            capabilities=self._identity.capabilities,
        )
        self._told_depth = request.queue_depth
        request.send_time.FromDatetime(self._clock.now())
        return request
