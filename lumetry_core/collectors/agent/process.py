"""The collector's life: sample, buffer, deliver, stay in touch."""

import asyncio
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Protocol

import structlog

from lumetry_core.collectors.agent.address import Target
from lumetry_core.collectors.agent.buffer import DEFAULT_CAP_BYTES, Chunk, DiskBuffer
from lumetry_core.collectors.agent.client import (
    CallError,
    Client,
    CredentialError,
    RejectedError,
    UnreachableError,
    encode_record,
    open_channel,
)
from lumetry_core.collectors.agent.host import Host, host_labels
from lumetry_core.collectors.agent.reading import Reading, measure
from lumetry_core.collectors.agent.state import Credential, State, digest_token
from lumetry_core.runtime.clock import Clock, SystemClock

log = structlog.get_logger(__name__)

MAX_BATCH_POINTS = 10_000
"""Contract lumetry 4.1."""
MAX_BATCH_BYTES = 1024 * 1024
"""Keeps the process small while it delivers the points of a long outage."""


class EnrollmentError(Exception):
    """The collector has no usable credential and cannot get one; its text is for people."""


class ReadsHost(Protocol):
    """Where readings come from."""

    def read(self) -> Reading:
        """What the host shows now."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the process waits for what, in seconds."""

    first_sample: float = 1.0
    """Until the first points, when the interval is longer."""
    first_retry: float = 0.5
    last_retry: float = 30.0
    refused_retry: float = 60.0
    """After the server refused the credential."""
    drain: float = 5.0
    """For delivering what waits when the process ends."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a collector runs."""

    target: Target
    enrollment_token: str | None
    state_folder: Path
    interval_seconds: float = 60.0
    buffer_bytes: int = DEFAULT_CAP_BYTES
    pace: Pace = field(default_factory=Pace)


def random_share() -> float:
    """A random factor from 0.5 to 1, so that many collectors do not return at once."""
    return 0.5 + secrets.randbelow(501) / 1000


async def run(
    settings: Settings,
    stop: asyncio.Event,
    host: ReadsHost | None = None,
    clock: Clock | None = None,
    share: Callable[[], float] = random_share,
) -> None:
    """Runs a collector until `stop` is set, then delivers what it still can.

    Raises:
        StateError: The state directory cannot be used.
        EnrollmentError: There is no credential and no token that gives one.
    """
    clock = clock or SystemClock()
    state = State(settings.state_folder)
    try:
        buffer = DiskBuffer(state.folder / "buffer", settings.buffer_bytes)
        try:
            async with open_channel(settings.target) as channel:
                collector = HostCollector(settings, state, buffer, Client(channel), host=host or Host(clock), clock=clock, share=share)
                await collector.run(stop)
        finally:
            buffer.close()
    finally:
        state.close()


class HostCollector:
    """One running collector."""

    def __init__(
        self,
        settings: Settings,
        state: State,
        buffer: DiskBuffer,
        client: Client,
        host: ReadsHost,
        clock: Clock,
        share: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._pace = settings.pace
        self._state = state
        self._buffer = buffer
        self._client = client
        self._host = host
        self._clock = clock
        self._share = share
        self._instance_id = str(uuid.uuid4())
        self._labels = host_labels(state.folder)
        self._appended = asyncio.Event()
        self._progress = asyncio.Event()
        """Set when a delivery has ended, well or not."""
        self._is_away = False
        """Whether a call failed so that another one right now would fail, too: then nothing is delivered before the end."""

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until told to stop. Sampling goes on whatever happens to the connection."""
        tasks = [asyncio.create_task(self._sample()), asyncio.create_task(self._stay_connected())]
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()
            tasks[0].cancel()
            await self._drain()
        finally:
            for task in (*tasks, stopped):
                task.cancel()
            await asyncio.gather(*tasks, stopped, return_exceptions=True)

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(self._pace.drain):
                while self._buffer.pending_points and not self._is_away:
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            pass
        log.info("stopped", waiting_points=self._buffer.pending_points)

    async def _sample(self) -> NoReturn:
        loop = asyncio.get_running_loop()
        before = self._host.read()
        due = loop.time() + min(self._pace.first_sample, self._settings.interval_seconds)
        while True:
            await asyncio.sleep(due - loop.time())
            after = self._host.read()
            self._keep(before, after)
            before = after
            due = max(due + self._settings.interval_seconds, loop.time())

    def _keep(self, before: Reading, after: Reading) -> None:
        samples = measure(before, after)
        for start in range(0, len(samples), MAX_BATCH_POINTS):
            part = samples[start : start + MAX_BATCH_POINTS]
            try:
                self._buffer.append(encode_record(part, self._labels, after.time), len(part))
            except OSError as error:
                log.warning("points could not be buffered and are lost", points=len(part), error=str(error))
        self._appended.set()

    async def _stay_connected(self) -> None:
        credential = await self._enroll()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send_heartbeats(credential))
            tasks.create_task(self._deliver(credential))

    async def _enroll(self) -> Credential:
        token = self._settings.enrollment_token
        known = self._state.load_credential()
        if known is not None and (not token or digest_token(token) == known.token_digest):
            return known
        if not token:
            raise EnrollmentError("This collector has not enrolled yet and needs an enrollment token.")
        attempt = 0
        while True:
            try:
                credential = await self._client.enroll(token, self._state.installation_id, self._labels["host.name"])
            except UnreachableError as error:
                log.warning("the server cannot be reached to enroll, points are buffered", error=str(error))
                attempt = await self._back_off(attempt)
            except CallError as error:
                raise EnrollmentError(
                    f"The server refuses the enrollment token: it is wrong, used up or older than a day. Make a new one. ({error})"
                ) from error
            else:
                self._state.save_credential(credential)
                log.info("enrolled", collector_id=credential.collector_id)
                return credential

    async def _send_heartbeats(self, credential: Credential) -> NoReturn:
        while True:
            pause = float(credential.heartbeat_interval_seconds)
            try:
                await self._client.send_heartbeat(
                    credential.secret, self._instance_id, self._buffer.pending_points, self._buffer.dropped_points, self._clock.now()
                )
            except CallError as error:
                log.debug("a heartbeat failed", error=str(error))  # delivery tells people what is wrong
                if isinstance(error, CredentialError):
                    pause = max(pause, self._pace.refused_retry)
            await asyncio.sleep(pause)

    async def _deliver(self, credential: Credential) -> NoReturn:
        attempt = 0
        suspects = 0
        while True:
            self._appended.clear()
            chunk = self._buffer.peek(MAX_BATCH_POINTS, MAX_BATCH_BYTES, 1 if suspects else None)
            if chunk is None:
                await self._appended.wait()
                continue
            self._is_away = False
            try:
                await self._client.upload(credential.secret, chunk.payload)
            except UnreachableError as error:
                if attempt == 0:
                    log.warning("the server cannot be reached, points are buffered", error=str(error))
                attempt = await self._back_off(attempt)
                continue
            except CredentialError as error:
                await self._wait_refused(error)
                continue
            except RejectedError as error:
                suspects = self._reject(chunk, error, suspects)
            else:
                self._buffer.commit(chunk)
                suspects = max(0, suspects - 1)
                if attempt:
                    log.info("the server is back", waiting_points=self._buffer.pending_points)
            attempt = 0
            self._progress.set()

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

    async def _wait_refused(self, error: CredentialError) -> None:
        log.error(
            "the server refuses this collector: its credential was revoked or the collector was removed; "
            "to enroll again, start it with a new enrollment token",
            waiting_points=self._buffer.pending_points,
            error=str(error),
        )
        await self._rest(self._pace.refused_retry)

    async def _back_off(self, attempt: int) -> int:
        await self._rest(min(self._pace.last_retry, self._pace.first_retry * 2 ** min(attempt, 20)))
        return attempt + 1

    async def _rest(self, seconds: float) -> None:
        self._is_away = True
        self._progress.set()
        await asyncio.sleep(seconds * self._share())
