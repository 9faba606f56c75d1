"""The one connection to the container runtime, shared by all who read it."""

import asyncio
from collections.abc import Callable

from lumetry_core.containers.engine import Engine
from lumetry_core.containers.places import RuntimeStatus


class RuntimeLink:
    """Holds the engine while it is connected. Whoever watches containers keeps it up to date; everybody else only reads.

    An engine that is taken from here may be gone at the next call, which then raises `EngineError`; nobody has to give it back.
    """

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._is_watching = False
        self._status: RuntimeStatus | None = None
        self._changed = asyncio.Event()

    @property
    def engine(self) -> Engine | None:
        """None while no runtime is connected."""
        return self._engine

    @property
    def is_watching(self) -> bool:
        """Whether this core is the one that records what happens to containers; of several cores one is. Who samples or scans asks this."""
        return self._is_watching

    @property
    def status(self) -> RuntimeStatus | None:
        """What is known of the runtime; None before the first attempt to connect is over."""
        return self._status

    def connect(self, engine: Engine, status: RuntimeStatus) -> None:
        """The runtime can be used from now on."""
        self._engine, self._status = engine, status
        self._tell()

    def watch(self, *, is_watching: bool) -> None:
        """This core begins to watch, or another one does."""
        self._is_watching = is_watching
        self._tell()

    def disconnect(self, status: RuntimeStatus) -> None:
        """The runtime cannot be used, for the reason in the status."""
        self._engine, self._is_watching, self._status = None, False, status
        self._tell()

    async def until(self, holds: Callable[["RuntimeLink"], bool]) -> None:
        """Waits until something holds of the link."""
        while not holds(self):
            await self._changed.wait()

    async def settled_status(self) -> RuntimeStatus:
        """What is known of the runtime; waits for the end of the first attempt to connect."""
        await self.until(lambda link: link.status is not None)
        assert self._status is not None  # noqa: S101 -- what was waited for
        return self._status

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
