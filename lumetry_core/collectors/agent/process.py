"""The collector's life: sample, buffer, deliver, stay in touch, do as configured."""

import asyncio
import uuid
from typing import Any

import msgspec
import structlog

from lumetry.collectors.v1 import collector_service_pb2 as collectors_pb
from lumetry_core.collectors.agent.beating import Heart, Identity, Listeners
from lumetry_core.collectors.agent.buffer import DiskBuffer
from lumetry_core.collectors.agent.configuring import Configurer
from lumetry_core.collectors.agent.connecting import open_transport
from lumetry_core.collectors.agent.delivering import Delivery
from lumetry_core.collectors.agent.enrolling import EnrollmentError, enroll, find_credential, product_version
from lumetry_core.collectors.agent.failures import CallError, CredentialError, RevokedError, UnreachableError
from lumetry_core.collectors.agent.following import listen, rotate
from lumetry_core.collectors.agent.host import Host, host_labels
from lumetry_core.collectors.agent.keyring import Keyring
from lumetry_core.collectors.agent.link import Link
from lumetry_core.collectors.agent.pacing import Backoff
from lumetry_core.collectors.agent.parts import Parts
from lumetry_core.collectors.agent.sampling import Sampler
from lumetry_core.collectors.agent.settings import Settings, Surroundings
from lumetry_core.collectors.agent.state import AppliedConfig, Credential, State
from lumetry_core.collectors.agent.timing import ServerClock
from lumetry_core.collectors.agent.transport import Transport
from lumetry_core.collectors.agent.wanted import Buffer, HostMetrics, Wanted
from lumetry_core.collectors.agent.working import capabilities as work_capabilities

log = structlog.get_logger(__name__)


async def run(settings: Settings, stop: asyncio.Event, surroundings: Surroundings | None = None) -> None:
    """Runs a collector until `stop` is set, then delivers what it still can.

    Raises:
        StateError: The state directory cannot be used.
        EnrollmentError: There is no credential and no token that gives one.
        RevokedError: The server has revoked the collector.
    """
    state = State(settings.state_folder)
    try:
        kept = load_config(state, state.load_credential())
        buffer = DiskBuffer(state.folder / "buffer", settings.buffer_bytes or kept.wanted.buffer.max_bytes)
        transport = open_transport(settings.target)
        try:
            await HostCollector(settings, state, buffer, transport, surroundings or Surroundings(), kept.wanted).run(stop)
        finally:
            await transport.close()
            buffer.close()
    finally:
        state.close()


class HostCollector:
    """One running collector."""

    def __init__(
        self, settings: Settings, state: State, buffer: DiskBuffer, transport: Transport, surroundings: Surroundings, wanted: Wanted
    ) -> None:
        """Prepares; `wanted` is the configuration until the server or the state directory gives another."""
        self._settings = settings
        self._state = state
        self._buffer = buffer
        self._transport = transport
        self._share = surroundings.share
        self._clock = ServerClock(surroundings.clock, state.load_anchor(), state.save_anchor, surroundings.steady)
        self._labels = host_labels(state.folder, settings.host_id, settings.hostname)
        self._delivery = Delivery(buffer, self._clock, settings.pace, surroundings.share)
        self._overridden: dict[str, float] = {}
        """By option: the configured value that was last said to be overridden."""
        self._sampler = Sampler(
            surroundings.host or Host(surroundings.clock),
            self._clock,
            self._labels,
            self._delivery.keep,
            settings.pace.first_sample,
            self._override(wanted).host_metrics,
        )
        self._configurer = Configurer(self._apply, self._save_config, self._beat_now)
        self._capabilities = ("host_metrics", *work_capabilities(), "relay")
        self._heart = Heart(
            Identity(str(uuid.uuid4()), product_version(), self._capabilities),
            buffer,
            surroundings.clock,
            lambda: self._configurer.acknowledgement,
            Listeners(self._hear, self._note_failure),
            settings.pace,
            surroundings.share,
        )
        self._delivery.on_caught_up = self._heart.note_empty_buffer
        self._parts: Parts | None = None
        self._collector_id = ""
        self._rotation = asyncio.Event()
        """Set when the server wants the credential rotated."""
        self._revoked: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until told to stop. Sampling goes on whatever happens to the connection."""
        sampling = asyncio.create_task(self._sampler.run())
        tasks: list[asyncio.Future[Any]] = [sampling, asyncio.create_task(self._stay_connected()), asyncio.create_task(stop.wait())]
        try:
            done, _ = await asyncio.wait([*tasks, self._revoked], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            sampling.cancel()
            await self._delivery.drain()
            log.info("stopped", waiting_points=self._buffer.pending_points)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _stay_connected(self) -> None:
        credential = await self._enroll()
        link = Link(self._transport, Keyring(credential, self._state.save_credential), self._clock)
        link.on_revoked = self._note_revocation
        link.on_directive = self._follow
        link.known_revision = lambda: self._configurer.acknowledgement.revision
        self._collector_id = credential.collector_id
        async with asyncio.TaskGroup() as tasks:
            self._parts = Parts(link, self._delivery.keep, tasks)
            try:
                await self._configurer.start(load_config(self._state, credential))
                for life in (
                    self._heart.run(link),
                    self._delivery.run(link),
                    self._configurer.run(link),
                    rotate(link, self._rotation, self._heart.beat_now),
                    listen(link, Backoff(self._settings.pace, self._share)),
                ):
                    tasks.create_task(life)
                await asyncio.Event().wait()
            finally:
                await self._parts.close()

    async def _enroll(self) -> Credential:
        token = self._settings.enrollment_token
        known = find_credential(self._state, token)
        if known is not None:
            return known
        if not token and self._state.has_credential_file:
            file = self._state.folder / "credential.json"
            raise EnrollmentError(f"{file} cannot be read: restore it, or enroll again with a new enrollment token.")
        if not token:
            raise EnrollmentError("This collector has not enrolled yet and needs an enrollment token.")
        backoff = Backoff(self._settings.pace, self._share)
        return await enroll(
            self._transport, self._state, token, self._labels["host.name"], self._capabilities, backoff, self._delivery.note_absence
        )

    def _beat_now(self) -> None:
        self._heart.beat_now()

    async def _apply(self, wanted: Wanted) -> None:
        """Does as configured. Raises ConfigError; then nothing has changed."""
        if self._parts is not None:
            await self._parts.apply(wanted)
        chosen = self._override(wanted)
        self._sampler.apply(chosen.host_metrics)
        self._buffer.resize(chosen.buffer.max_bytes)
        self._heart.apply(chosen.heartbeat_interval_seconds)

    def _override(self, wanted: Wanted) -> Wanted:
        """The configuration under the options that were given."""
        metrics, cap = wanted.host_metrics, wanted.buffer.max_bytes
        if self._settings.interval_seconds is not None:
            self._say_overridden("--interval", self._settings.interval_seconds, metrics.interval_seconds)
            metrics = HostMetrics(metrics.enabled, self._settings.interval_seconds)
        if self._settings.buffer_bytes is not None:
            self._say_overridden("--buffer-bytes", self._settings.buffer_bytes, cap)
            cap = self._settings.buffer_bytes
        return msgspec.structs.replace(wanted, host_metrics=metrics, buffer=Buffer(cap))

    def _say_overridden(self, option: str, value: float, configured: float) -> None:
        if value != configured and self._overridden.get(option) != configured:
            self._overridden[option] = configured
            log.info("an option stands above the configuration", option=option, value=value, configured=configured)

    def _save_config(self, config: AppliedConfig) -> None:
        self._state.save_config(msgspec.structs.replace(config, collector_id=self._collector_id))

    def _hear(self, answer: collectors_pb.SendHeartbeatResponse) -> None:
        self._delivery.note_presence()
        self._configurer.hear(answer.config_revision)
        if answer.rotate_credential:
            self._rotation.set()
        if self._parts is not None:
            self._parts.note_status(answer.status)

    def _note_failure(self, error: CallError) -> None:
        if not isinstance(error, UnreachableError):
            self._delivery.heard.set()
        elif not self._delivery.heard.is_set():
            self._delivery.note_absence(error)

    def _note_revocation(self, error: CredentialError) -> None:
        if not self._revoked.done():
            text = (
                "The server refuses this collector: its credential was revoked or the collector was removed; nothing is sent any more. "
                f"To enroll again, start it with a new enrollment token. ({error})"
            )
            self._revoked.set_exception(RevokedError(text))

    def _follow(self, directive: collectors_pb.WatchCollectorResponse) -> None:
        if directive.HasField("config"):
            self._configurer.take(directive.config)
        elif directive.HasField("rotate"):
            self._rotation.set()


def load_config(state: State, credential: Credential | None) -> AppliedConfig:
    """The configuration to begin with: the one applied last under this enrollment, else defaults."""
    if credential is None:
        return AppliedConfig()
    kept = state.load_config()
    if kept is not None and kept.collector_id == credential.collector_id:
        return kept
    return AppliedConfig(wanted=Wanted(heartbeat_interval_seconds=credential.heartbeat_interval_seconds))
