"""Finds the container runtime and remembers for a moment what was found."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from lumetry_core.containers.model import (
    Candidate,
    Engine,
    EngineError,
    RuntimeFault,
    RuntimeSettings,
    RuntimeStatus,
    list_candidates,
    most_telling,
)

REMEMBERED = timedelta(seconds=5)

Ask = Callable[[Candidate], Awaitable[Engine]]
"""Asks a candidate who it is; raises `EngineError`."""


class RuntimeDetector:
    """Answers what the runtime is. Whoever asks while it is being looked for waits for the same answer."""

    def __init__(self, settings: RuntimeSettings, ask: Ask) -> None:
        self._settings = settings
        self._ask = ask
        self._looking = asyncio.Lock()
        self._found: RuntimeStatus | None = None
        self._look_time: datetime | None = None
        self._detect_time: datetime | None = None

    async def status(self, now: datetime) -> RuntimeStatus:
        """What is known of the runtime, at most five seconds old."""
        async with self._looking:
            if self._found is None or self._look_time is None or not self._look_time <= now < self._look_time + REMEMBERED:
                self._found = await self._look(now)
                self._look_time = now
            return self._found

    async def _look(self, now: datetime) -> RuntimeStatus:
        if self._settings.runtime == "none":
            return RuntimeStatus(None, "", None, RuntimeFault.DISABLED, "LUMETRY_RUNTIME is none.")
        failures: list[tuple[str, EngineError]] = []
        try:
            candidates = list_candidates(self._settings)
        except EngineError as failure:
            return RuntimeStatus(None, "", self._detect_time, failure.fault, failure.message)
        for candidate in candidates:
            try:
                engine = await self._ask(candidate)
            except EngineError as failure:
                failures.append((candidate.address, failure))
                continue
            self._detect_time = self._detect_time or now
            return RuntimeStatus(engine, candidate.address, self._detect_time)
        address, cause = most_telling(failures)
        return RuntimeStatus(None, address, self._detect_time, cause.fault, cause.message)
