"""The agent's life: learn what is wanted, collect it, deliver it, and stay in touch when nothing is wanted."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from typing import Any, NoReturn

import msgspec
import structlog

from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as agents_pb
from lumetry_core import __version__
from lumetry_core.collectors.agent.buffer import DiskBuffer
from lumetry_core.collectors.agent.connecting import open_transport
from lumetry_core.collectors.agent.delivering import Delivery
from lumetry_core.collectors.agent.failures import CallError, CredentialError, RevokedError, UnreachableError
from lumetry_core.collectors.agent.host import Host, host_labels
from lumetry_core.collectors.agent.hostagent.collection import Collection
from lumetry_core.collectors.agent.hostagent.enrolling import enroll, find_credential
from lumetry_core.collectors.agent.hostagent.line import Line
from lumetry_core.collectors.agent.hostagent.processes import Processes
from lumetry_core.collectors.agent.hostagent.reporting import build_enrollment, build_heartbeat, build_report
from lumetry_core.collectors.agent.hostagent.route import Route, RouteChoice
from lumetry_core.collectors.agent.hostagent.settings import AgentSettings, Surroundings
from lumetry_core.collectors.agent.hostagent.usage import Usage
from lumetry_core.collectors.agent.hostagent.wanted import Wanted, read_wanted
from lumetry_core.collectors.agent.keyring import Keyring
from lumetry_core.collectors.agent.link import Link
from lumetry_core.collectors.agent.pacing import Backoff
from lumetry_core.collectors.agent.reading import Sample
from lumetry_core.collectors.agent.records import build_points
from lumetry_core.collectors.agent.state import Credential, State, read_json, write_private
from lumetry_core.collectors.agent.timing import ServerClock
from lumetry_core.collectors.agent.transport import Transport

log = structlog.get_logger(__name__)

WANTED_FILE = "wanted.json"
SOURCE = "agent"


async def run_agent(settings: AgentSettings, stop: asyncio.Event, surroundings: Surroundings | None = None) -> None:
    """Runs an agent until `stop` is set, then delivers what it still can.

    Raises:
        StateError: The state directory cannot be used.
        EnrollmentError: There is no credential and no token that gives one.
        RevokedError: The product voided the credential.
    """
    async with AsyncExitStack() as stack:
        state = State(settings.state_folder)
        stack.callback(state.close)
        buffer = DiskBuffer(state.folder / "buffer", settings.buffer_bytes)
        stack.callback(buffer.close)
        targets = {Route.DIRECT: settings.target} | ({Route.COLLECTOR: settings.collector} if settings.collector else {})
        transports: dict[Route, Transport] = {}
        for route, target in targets.items():
            transports[route] = open_transport(target)
            stack.push_async_callback(transports[route].close)
        await HostAgent(settings, state, buffer, transports, surroundings or Surroundings()).run(stop)


class HostAgent:
    """One running agent."""

    def __init__(
        self, settings: AgentSettings, state: State, buffer: DiskBuffer, transports: Mapping[Route, Transport], surroundings: Surroundings
    ) -> None:
        self._settings = settings
        self._state = state
        self._buffer = buffer
        self._transports = transports
        self._share = surroundings.share
        self._machine_clock = surroundings.clock
        self._labels = host_labels(state.folder, settings.host_id, settings.hostname)
        self._choice = RouteChoice(has_collector=Route.COLLECTOR in transports)
        self._clock = ServerClock(surroundings.clock, state.load_anchor(), state.save_anchor, surroundings.steady)
        self._delivery = Delivery(buffer, self._clock, settings.pace, surroundings.share)
        self._collection = Collection(
            surroundings.host or Host(surroundings.clock),
            surroundings.processes or Processes(surroundings.clock),
            self._keep_samples,
            self._keep_inventory,
            settings.pace.first_sample,
        )
        self._wanted = Wanted(enabled=False)
        self._line: Line | None = None
        self._told_depth = 0
        """Of the newest heartbeat, answered or not."""
        self._beat_now = asyncio.Event()
        """Set when the next heartbeat is due at once."""
        self._delivery.on_caught_up = self._note_empty_buffer
        self._report: agents_pb.ReportHostProcessesRequest | None = None
        self._reported = asyncio.Event()
        """Set when there is a report to send."""
        self._revoked: asyncio.Future[CredentialError] = asyncio.get_running_loop().create_future()

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until told to stop, or revoked."""
        known = find_credential(self._state, self._settings.enrollment_token)
        if known is not None:
            self._take(read_json(self._state.folder / WANTED_FILE, Wanted) or self._wanted)
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(self._collection.run()), asyncio.create_task(self._stay_connected(known))]
        stopped = asyncio.create_task(stop.wait())
        try:
            waiting: set[asyncio.Future[Any]] = {*tasks, stopped, self._revoked}
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task in done:
                    task.result()
            if self._revoked in done:
                raise RevokedError(
                    "The product revoked this agent: it stops sending. To enroll the host again, start the agent with a new "
                    f"enrollment token. ({self._revoked.result()})"
                )
            tasks[0].cancel()
            if self._wanted.enabled:
                await self._delivery.drain()
            log.info("stopped", waiting_points=self._buffer.pending_points)
        finally:
            for task in (*tasks, stopped):
                task.cancel()
            await asyncio.gather(*tasks, stopped, return_exceptions=True)

    async def _stay_connected(self, known: Credential | None) -> None:
        credential = known or await self._enroll()
        keyring = Keyring(credential, self._state.save_credential)
        links = {route: Link(transport, keyring, self._clock) for route, transport in self._transports.items()}
        for link in links.values():
            link.on_revoked = self._note_revoked
        self._line = line = Line(links, self._choice)
        line.on_disabled = self._note_disabled
        line.enable(enabled=self._wanted.enabled)
        self._collection.look()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send_heartbeats(line, credential))
            tasks.create_task(self._delivery.run(line))
            tasks.create_task(self._send_reports(line))

    async def _enroll(self) -> Credential:
        settings = self._settings
        request = build_enrollment(self._state.installation_id, dict(self._labels), __version__, settings.cluster, settings.cluster_id)
        credential = await enroll(
            settings.enrollment_token or "", request, self._transports, self._choice, Backoff(settings.pace, self._share)
        )
        self._state.save_credential(credential)
        return credential

    async def _send_heartbeats(self, line: Line, credential: Credential) -> NoReturn:
        backoff = Backoff(self._settings.pace, self._share)
        while True:
            self._beat_now.clear()
            pause = float(credential.heartbeat_interval_seconds)
            try:
                answer = await line.send_heartbeat(self._build_heartbeat())
            except CallError as error:
                log.debug("a heartbeat failed", error=str(error))  # delivery tells people what is wrong
                if isinstance(error, UnreachableError):
                    self._delivery.note_absence()
                    pause = min(pause, backoff.pause(error.retry_after))
            else:
                backoff.reset()
                self._delivery.note_presence()
                self._take(read_wanted(answer))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._beat_now.wait()

    async def _send_reports(self, line: Line) -> NoReturn:
        while True:
            await self._reported.wait()
            self._reported.clear()
            if self._report is not None:
                try:
                    await line.report_processes(self._report)
                except CallError as error:
                    log.debug("a report of processes failed, the next one takes its place", error=str(error))

    def _build_heartbeat(self) -> agents_pb.SendHostAgentHeartbeatRequest:
        collection = self._collection
        self._told_depth = self._buffer.pending_points
        return build_heartbeat(
            __version__,
            self._wanted.active,
            collection.software,
            (self._told_depth, self._buffer.dropped_points),
            (collection.series_count, collection.series_dropped),
            self._machine_clock.now(),
        )

    def _take(self, wanted: Wanted) -> None:
        """Does what is wanted from now on, and keeps it for a start without the product."""
        if self._line is not None:
            self._line.enable(enabled=wanted.enabled)
        if not wanted.enabled:
            self._delivery.note_absence()
        if wanted == self._wanted:
            return
        if wanted.enabled != self._wanted.enabled:
            log.info("enabled" if wanted.enabled else "disabled: nothing is collected or sent until the product enables this agent again")
        self._wanted = wanted
        self._collection.want(wanted)
        try:
            write_private(self._state.folder / WANTED_FILE, msgspec.json.encode(wanted))
        except OSError as error:
            log.warning("what is wanted could not be saved, a restart without the product collects as before", error=str(error))

    def _note_empty_buffer(self) -> None:
        if self._told_depth:
            self._beat_now.set()

    def _note_disabled(self) -> None:
        self._take(msgspec.structs.replace(self._wanted, enabled=False))

    def _note_revoked(self, error: CredentialError) -> None:
        if not self._revoked.done():
            self._revoked.set_result(error)

    def _keep_samples(self, samples: Sequence[Sample], time: datetime) -> None:
        moment = self._clock.stamp(time)
        points = build_points(samples, {**self._labels, **self._wanted.labels}, moment.time)
        for point in points:
            point.source = SOURCE
        self._delivery.keep(points, moment.note)

    def _keep_inventory(self, usages: Sequence[Usage], time: datetime) -> None:
        self._report = build_report(usages, self._clock.stamp(time).time)
        self._reported.set()
