"""The agent's line to the product: one link for each way, and the choice between them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import structlog

from lumetry.hostagents.v1 import host_agent_channel_service_pb2 as agents_pb
from lumetry_core.collectors.agent.failures import AgentDisabledError, CallError, RelayRequiredError, UnreachableError
from lumetry_core.collectors.agent.hostagent.route import Route, RouteChoice
from lumetry_core.collectors.agent.link import Link

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")


class Line:
    """Calls the product the best way that works. Every call raises CallError."""

    def __init__(self, links: Mapping[Route, Link], choice: RouteChoice) -> None:
        self._links = links
        self._choice = choice
        self._enabled = asyncio.Event()
        """Whether the product takes anything but heartbeats."""
        self.on_disabled: Callable[[], None] = lambda: None
        """Told when the product refuses points because the agent is disabled."""

    def enable(self, *, enabled: bool) -> None:
        """Takes what the product says of it."""
        if enabled:
            self._enabled.set()
        else:
            self._enabled.clear()

    async def send_heartbeat(self, request: agents_pb.SendHostAgentHeartbeatRequest) -> agents_pb.SendHostAgentHeartbeatResponse:
        """Sends it the first way that works, and thereby finds out whether the collector is back."""
        failure: CallError = UnreachableError("there is no way")
        for route in self._choice.list_routes(read_elapsed()):
            request.transport = route.value
            try:
                return await self._call(route, lambda link: link.send_agent_heartbeat(request))
            except UnreachableError as error:
                failure = error
        raise failure

    async def upload(self, payload: bytes) -> None:
        """Hands a batch over, when the agent is enabled; until then it waits."""
        while True:
            await self._enabled.wait()
            try:
                return await self._call(self._choice.current, lambda link: link.upload(payload))
            except AgentDisabledError:
                self._pause()

    async def report_processes(self, request: agents_pb.ReportHostProcessesRequest) -> None:
        """Reports processes, unless the agent is disabled."""
        try:
            await self._call(self._choice.current, lambda link: link.report_processes(request))
        except AgentDisabledError:
            self._pause()

    def _pause(self) -> None:
        self.enable(enabled=False)
        self.on_disabled()

    async def _call(self, route: Route, send: Callable[[Link], Awaitable[Answer]]) -> Answer:
        try:
            answer = await send(self._links[route])
        except RelayRequiredError as error:
            raise note_relay_required(self._choice, route, error) from error
        except UnreachableError as error:
            if self._choice.note_failure(route, read_elapsed()):
                log.warning("the product cannot be reached this way", left=route.value, taken=self._choice.current.value, error=str(error))
            raise
        except CallError:
            self._note_answer(route)
            raise
        self._note_answer(route)
        return answer

    def _note_answer(self, route: Route) -> None:
        self._choice.complaint = ""
        if self._choice.note_answer(route):
            log.info("the collector is back, the way through it is taken again")


def note_relay_required(choice: RouteChoice, route: Route, error: RelayRequiredError) -> UnreachableError:
    """Says what to do about an agent that must use a relay; as a failure that passes when that is done."""
    if route is Route.COLLECTOR:
        text = "the agent must use the relay of another collector: correct its collector URL"
    elif choice.has_collector:
        text = "the agent must use a collector's relay and may not connect directly, it waits for that collector"
    else:
        text = "the agent must use a collector's relay and knows none: give it the collector's URL"
    if choice.complaint != text:
        choice.complaint = text
        log.error(text, required_collector_id=error.collector_id or None)
    if route is Route.DIRECT:
        choice.forbid_direct(read_elapsed())
    return UnreachableError(f"{text} ({error})")


def read_elapsed() -> float:
    """A clock that never jumps."""
    return asyncio.get_running_loop().time()
