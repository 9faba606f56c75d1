"""Looks at containers through the engine, outside of transactions."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from lumetry_core.containers.engine import Engine, EngineEvent, Inspected, LogLine, RefusedError
from lumetry_core.containers.snippets import SNIPPET_LINES, make_snippet

log = structlog.get_logger(__name__)

AT_ONCE = 8
SNIPPET_SECONDS = 5.0
LOOKED_AFTER = frozenset({"start", "die", "rename", "update"})


class Sights:
    """What was seen through one connection."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._digests: dict[str, Sequence[str]] = {}
        self._known: dict[str, datetime] = {}
        """By the engine's clock: what is recorded of a container already tells of everything before."""
        self._out_of_memory: set[str] = set()

    async def look_at_all(self) -> list[Inspected]:
        """Every container that there is.

        Raises:
            EngineError: The runtime cannot be reached.
            RefusedError: It answers with a failure; then nothing is known of any container.
        """
        listed = await self._engine.list_containers()
        gate = asyncio.Semaphore(AT_ONCE)

        async def look(external_id: str) -> Inspected | None:
            async with gate:
                return await self.look_at(external_id)

        found = await asyncio.gather(*(look(each.external_id) for each in listed))
        seen = [each for each in found if each is not None]
        self._known = {}
        for each in seen:
            moment = max((time for time in (each.start_time, each.finish_time) if time), default=None)
            if moment is not None:
                self._known[each.external_id] = moment
        self._out_of_memory &= {each.external_id for each in seen}
        return seen

    async def look_at(self, external_id: str) -> Inspected | None:
        """One container with the digests of its image; None when it is gone."""
        seen = await self._engine.inspect(external_id)
        if seen is None:
            return None
        if seen.image_id not in self._digests:
            image = await self._engine.inspect_image(seen.image_id)
            self._digests[seen.image_id] = () if image is None else image.digests
        return replace(seen, image_digests=self._digests[seen.image_id])

    async def look_after(self, event: EngineEvent) -> tuple[Inspected | None, bool, str | None]:
        """What an event leaves to look at: the container, whether memory ran out, and the end of the log of one that ended."""
        if event.action not in LOOKED_AFTER:
            return None, False, None
        seen = await self.look_at(event.external_id)
        if event.action != "die" and not event.has_ended:
            return seen, False, None
        runs = seen is not None and seen.state == "running"
        oom_killed = event.external_id in self._out_of_memory if seen is None or runs else seen.oom_killed
        return seen, oom_killed, None if seen is None else await self._read_snippet(event.external_id, previous=runs)

    def is_old(self, event: EngineEvent) -> bool:
        """Whether what is recorded of the container already tells of the time after the event."""
        if event.action == "update":  # tells of now, whenever it happened
            return False
        return event.external_id in self._known and event.time < self._known[event.external_id]

    def remember(self, event: EngineEvent) -> None:
        """Takes note of an event that is over."""
        if event.action == "oom":
            self._out_of_memory.add(event.external_id)
        elif event.action == "start":
            self._out_of_memory.discard(event.external_id)
        elif event.action == "destroy":
            self._out_of_memory.discard(event.external_id)
            self._known.pop(event.external_id, None)

    async def _read_snippet(self, external_id: str, *, previous: bool) -> str | None:
        """The end of a log, of the run before if it runs again; None where the runtime keeps none, or takes too long."""
        lines: list[LogLine] = []
        try:
            async with asyncio.timeout(SNIPPET_SECONDS):
                async with self._engine.logs(external_id, lines=SNIPPET_LINES, previous=previous) as found:
                    async for line in found:
                        lines.append(line)
                        del lines[:-SNIPPET_LINES]
        except (RefusedError, TimeoutError) as failure:
            log.info("the end of a container's log cannot be read", container=external_id, reason=str(failure))
        return make_snippet(lines)
