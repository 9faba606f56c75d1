"""Which certificates are worth a look: those that checks saw for the first time or changed, and the others now and then."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from lumetry_core.endpoints.checking import TlsSight
from lumetry_core.endpoints.model import Endpoint

AGAIN_SECONDS = 3600.0
"""What does not change is looked at so often: days go by, and chains may break behind an unchanged certificate."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A host and port whose chain is wanted for an endpoint."""

    endpoint: Endpoint
    hostname: str
    port: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look was caused by, and when the next is due by the monotonic clock."""

    sight: TlsSight
    again: float


class Sightings:
    """Sightings that wait for a look, each endpoint's at most once."""

    def __init__(self, time: Callable[[], float]) -> None:
        """Builds it.

        Args:
            time: The monotonic clock.
        """
        self._time = time
        self._seen: dict[int, Seen] = {}
        self._waiting: dict[int, Sighting] = {}
        self._has_some = asyncio.Event()

    def note(self, endpoint: Endpoint, sight: TlsSight) -> None:
        """Takes what a check saw."""
        key, now = endpoint.id, self._time()
        before = self._seen.get(key)
        if before is not None and before.sight == sight and now < before.again:
            return
        self._seen[key] = Seen(sight, now + AGAIN_SECONDS)
        self._waiting[key] = Sighting(endpoint, sight.hostname, sight.port)
        self._has_some.set()

    def forget(self, sighting: Sighting) -> None:
        """Wants it looked at again at its next check, as the look came to nothing."""
        self._seen.pop(sighting.endpoint.id, None)

    async def take(self, limit: int) -> list[Sighting]:
        """The sightings that wait longest; waits for one."""
        await self._has_some.wait()
        keys = list(self._waiting)[:limit]
        taken = [self._waiting.pop(key) for key in keys]
        if not self._waiting:
            self._has_some.clear()
        return taken
