"""The parts of the process that the configuration starts and stops: the relay for agents and the workers."""

import asyncio
from typing import TYPE_CHECKING

import structlog

from lumetry_core.collectors.agent.link import KeepsPoints, Link
from lumetry_core.collectors.agent.wanted import Relay as WantedRelay
from lumetry_core.collectors.agent.wanted import Wanted

if TYPE_CHECKING:
    from lumetry_core.collectors.agent.relay import Relay
    from lumetry_core.collectors.agent.working import Workers

log = structlog.get_logger(__name__)


class Parts:
    """What runs at the moment. Each part's code is loaded when it is first wanted."""

    def __init__(self, link: Link, keep: KeepsPoints, tasks: asyncio.TaskGroup) -> None:
        self._link = link
        self._keep = keep
        self._tasks = tasks
        self._relay: Relay | None = None
        self._workers: Workers | None = None
        self._is_duplicate = False

    async def apply(self, wanted: Wanted) -> None:
        """Starts and stops what is wanted.

        Raises:
            ConfigError: The relay cannot start; then nothing has changed.
        """
        await self._apply_relay(wanted.relay)
        if self._workers is None and (wanted.polling.enabled or wanted.notifications.enabled):
            from lumetry_core.collectors.agent.working import Workers  # noqa: PLC0415 -- see the docstring of the class

            self._workers = Workers(self._link, self._keep)
            self._workers.withhold(is_duplicate=self._is_duplicate)
            self._tasks.create_task(self._workers.run())
        if self._workers is not None:
            self._workers.apply(wanted.polling, wanted.notifications)

    def note_status(self, status: str) -> None:
        """Takes what the server thinks of this collector."""
        is_duplicate = status == "duplicate_suspected"
        if is_duplicate == self._is_duplicate:
            return
        self._is_duplicate = is_duplicate
        if is_duplicate:
            log.warning(
                "the server suspects that two processes run under this collector's identity, as after copying a state directory; "
                "it gives no work until one of them is gone"
            )
        else:
            log.info("the server does not suspect a duplicate of this collector any more")
        if self._workers is not None:
            self._workers.withhold(is_duplicate=is_duplicate)

    async def close(self) -> None:
        """Stops the relay; the workers end with their tasks."""
        if self._relay is not None:
            await self._relay.close()
            self._relay = None

    async def _apply_relay(self, wanted: WantedRelay) -> None:
        if self._relay is not None and wanted.enabled and wanted.port == self._relay.port:
            return
        started: Relay | None = None
        if wanted.enabled:
            from lumetry_core.collectors.agent import relay  # noqa: PLC0415 -- see the docstring of the class

            started = relay.Relay(self._link, wanted.port)
            await started.start()
        before, self._relay = self._relay, started
        if before is not None:
            await before.close()
