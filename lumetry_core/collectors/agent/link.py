"""The collector's line to the product: a transport, the credential of the moment, and the product's clock.

Everything that runs in the process calls through the link and never sees a secret. A call that the product refuses with the one candidate
of a rotation is repeated with the other; when it takes neither, the link is revoked for good: `on_revoked` is told once, every call fails.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Literal, Protocol, TypeVar

import structlog

from lumetry.collectors.v1 import collector_service_pb2 as collectors_pb
from lumetry.collectors.v1 import work_pb2
from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as agents_pb
from lumetry.metrics.v1 import ingestion_service_pb2 as metrics_pb
from lumetry_core.collectors.agent.address import Target
from lumetry_core.collectors.agent.failures import CredentialError, UnreachableError
from lumetry_core.collectors.agent.keyring import Keyring
from lumetry_core.collectors.agent.timing import ServerClock
from lumetry_core.collectors.agent.transport import Transport

log = structlog.get_logger(__name__)

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""A time of the product before this is none."""

Answer = TypeVar("Answer")
Item = TypeVar("Item")
Directed = Callable[[collectors_pb.WatchCollectorResponse], None]


class KeepsPoints(Protocol):
    """Where points go that are to be sent: on disk when it returns, delivered in order as soon as the product takes them.

    Times are the product's (`Link.now`) or the source's own. Points need no labels of the collector; the product adds `collector.id`.
    """

    def __call__(self, points: Sequence[metrics_pb.Point]) -> None:
        """Keeps the points. What the disk does not take is counted as dropped and logged, not raised."""


class Link:
    """A line that has a credential. Every call raises the CallError that fits."""

    def __init__(self, transport: Transport, keyring: Keyring, clock: ServerClock) -> None:
        self.transport = transport
        self._keyring = keyring
        self.clock = clock
        self.on_revoked: Callable[[CredentialError], None] = ignore
        """Told once, when the product has refused all that might be the credential."""
        self.on_directive: Directed = ignore
        """Given what comes over a stream besides work."""
        self.known_revision: Callable[[], int] = lambda: 0
        """The revision of the configuration that the collector has."""
        self._refusal: CredentialError | None = None
        self._stream = 0
        """Number of the newest stream."""
        self._ended = asyncio.Event()
        """Set while there is no stream."""
        self._ended.set()
        self._evicted = asyncio.Event()
        """Set when the newest stream has to make room."""

    @property
    def target(self) -> Target:
        """Where the transport leads."""
        return self.transport.target

    @property
    def identity(self) -> str:
        """UUID of the collector, or the agent's key."""
        return self._keyring.credential.collector_id

    @property
    def can_watch(self) -> bool:
        """Whether `watch_work` can give work; False: claim it."""
        return self.transport.can_watch

    @property
    def is_revoked(self) -> bool:
        """Whether the product has said that the credential is void."""
        return self._refusal is not None

    def now(self) -> datetime:
        """The product's time as far as it is known, else this machine's."""
        return self.clock.now()

    async def send_heartbeat(self, request: collectors_pb.SendHeartbeatRequest) -> collectors_pb.SendHeartbeatResponse:
        """SendHeartbeat; its answer sets the clock."""

        async def send(secret: str) -> collectors_pb.SendHeartbeatResponse:
            sent_ms = self.clock.steady_ms()
            freshest = self._keyring.candidates()[0]
            answer = await self.transport.send_heartbeat(secret, request)
            self._observe(sent_ms, answer.server_time.ToDatetime(UTC))
            if self._keyring.candidates()[0] != freshest:
                answer.rotate_credential = False  # it has been, while this was under way
            return answer

        return await self._call(send)

    async def fetch_config(self, known_revision: int) -> collectors_pb.FetchCollectorConfigResponse:
        """FetchCollectorConfig."""
        request = collectors_pb.FetchCollectorConfigRequest(known_revision=known_revision)
        return await self._call(lambda secret: self.transport.fetch_config(secret, request))

    async def rotate_credential(self) -> None:
        """RotateCollectorCredential; the fresh credential is used from the next call on. Raises OSError when it cannot be kept."""

        async def rotate(secret: str) -> collectors_pb.RotateCollectorCredentialResponse:
            return await self.transport.rotate_credential(secret, collectors_pb.RotateCollectorCredentialRequest())

        answer = await self._call(rotate)
        self._keyring.add(answer.credential)

    async def claim_work(self, capabilities: Sequence[str], max_items: int) -> collectors_pb.ClaimWorkResponse:
        """ClaimWork."""
        request = collectors_pb.ClaimWorkRequest(capabilities=capabilities, max_items=max_items)
        return await self._call(lambda secret: self.transport.claim_work(secret, request))

    async def complete_work(self, request: collectors_pb.CompleteWorkRequest) -> None:
        """CompleteWork."""
        await self._call(lambda secret: self.transport.complete_work(secret, request))

    async def watch_work(self, capabilities: Sequence[str], max_outstanding: int) -> AsyncGenerator[work_pb2.WorkItem, None]:
        """WatchCollector. Gives the work; what else comes over the stream (configuration, rotation) goes where it belongs.

        The link keeps one stream: opening another one ends the first with a CallError. Ends only with a CallError; open it again with
        backoff, and claim instead after an UnsupportedError.
        """
        self._evicted.set()
        self._evicted = evicted = asyncio.Event()
        self._stream += 1
        number = self._stream
        self._ended.clear()
        try:
            async with aclosing(self._watch(capabilities, max_outstanding, evicted)) as responses:
                async for response in responses:
                    if response.WhichOneof("directive") == "work":
                        yield response.work
                    else:
                        self.on_directive(response)
        finally:
            if number == self._stream:
                self._ended.set()

    @property
    def is_watched(self) -> bool:
        """Whether there is a stream."""
        return not self._ended.is_set()

    async def unwatched(self) -> None:
        """Waits until there is no stream."""
        await self._ended.wait()

    async def upload(self, payload: bytes) -> None:
        """Delivers an encoded IngestMetricsRequest."""
        await self._call(lambda secret: self.transport.upload(secret, payload))

    async def send_agent_heartbeat(self, request: agents_pb.SendHostAgentHeartbeatRequest) -> agents_pb.SendHostAgentHeartbeatResponse:
        """SendHostAgentHeartbeat; its answer sets the clock."""

        async def send(secret: str) -> agents_pb.SendHostAgentHeartbeatResponse:
            sent_ms = self.clock.steady_ms()
            answer = await self.transport.send_agent_heartbeat(secret, request)
            self._observe(sent_ms, answer.server_time.ToDatetime(UTC))
            return answer

        return await self._call(send)

    async def report_processes(self, request: agents_pb.ReportHostProcessesRequest) -> agents_pb.ReportHostProcessesResponse:
        """ReportHostProcesses."""
        return await self._call(lambda secret: self.transport.report_processes(secret, request))

    def _observe(self, sent_ms: int, server_time: datetime) -> None:
        if server_time >= EARLIEST:
            self.clock.observe(sent_ms, server_time)

    async def _call(self, send: Callable[[str], Awaitable[Answer]]) -> Answer:
        tried: set[str] = set()
        while True:
            secret = self._choose(tried)
            try:
                answer = await send(secret)
            except CredentialError as error:
                tried.add(secret)
                self._judge(tried, error)
            else:
                self._keyring.confirm(secret)
                self._keyring.refute(tried, secret)
                return answer

    async def _watch(
        self, capabilities: Sequence[str], max_outstanding: int, evicted: asyncio.Event
    ) -> AsyncGenerator[collectors_pb.WatchCollectorResponse, None]:
        tried: set[str] = set()
        gone = asyncio.create_task(evicted.wait())
        try:
            while True:
                secret = self._choose(tried)
                request = collectors_pb.WatchCollectorRequest(
                    capabilities=capabilities, max_outstanding=max_outstanding, known_revision=self.known_revision()
                )
                try:
                    async with aclosing(self.transport.watch(secret, request)) as responses:
                        async for response in until(gone, responses):
                            self._keyring.confirm(secret)
                            yield response
                except CredentialError as error:
                    tried.add(secret)
                    self._judge(tried, error)
        finally:
            gone.cancel()

    def _choose(self, tried: set[str]) -> str:
        if self._refusal is not None:
            raise self._refusal
        return next(secret for secret in self._keyring.candidates() if secret not in tried)

    def _judge(self, tried: set[str], error: CredentialError) -> None:
        """Fails for good when no candidate is left to try; a rotation may have brought another one since the call began."""
        if set(self._keyring.candidates()) - tried:
            return
        if self._refusal is None:
            self._refusal = error
            self.on_revoked(error)
        raise error


def ignore(_event: object) -> None:
    """For events that nobody waits for."""


async def until(gone: "asyncio.Task[Literal[True]]", responses: AsyncGenerator[Item, None]) -> AsyncGenerator[Item, None]:
    """What comes, until it ends or room has to be made; either raises UnreachableError."""
    while True:
        following = asyncio.ensure_future(anext(responses, None))
        try:
            await asyncio.wait({following, gone}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise UnreachableError("another stream has taken the place of this one")
            item = following.result()
            if item is None:
                raise UnreachableError("the stream has ended")
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        yield item
