"""Server-sent events."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

KEEP_ALIVE_SECONDS = 15.0
WRITE_SECONDS = 60.0
"""A client that takes nothing for so long is gone."""
RETRY_MS = 2000


@dataclass(slots=True)
class EventStream:
    """One client's stream. Nothing waits here: a slow client slows the reading from the core, which ends the stream at its own bound."""

    response: web.StreamResponse
    comment: str = "keep-alive"

    async def send(self, event: str, data: str, *, event_id: int | str | None = None) -> None:
        """Sends an event; line ends in its fields turn into spaces, so that no field can forge another."""
        lines = [f"event: {one_line(event)}", f"data: {one_line(data)}"]
        if event_id is not None:
            lines.insert(0, f"id: {event_id}")
        await self._write("\n".join(lines) + "\n\n")

    async def keep_alive(self) -> None:
        """Sends a comment."""
        await self._write(f": {self.comment}\n\n")

    async def _write(self, text: str) -> None:
        async with asyncio.timeout(WRITE_SECONDS):
            await self.response.write(text.encode())


def one_line(text: str) -> str:
    """A text without line ends."""
    return text.replace("\r", " ").replace("\n", " ")


@dataclass(frozen=True, slots=True)
class Framing:
    """What a family's contract says of the frame around events."""

    content_type: str = "text/event-stream"
    cache_control: str = "no-store"
    retry_ms: int = RETRY_MS
    greeting: str = ""
    """A comment that is sent at once; empty: none."""
    comment: str = "keep-alive"
    headers: Mapping[str, str] = field(default_factory=dict)


DEFAULT_FRAMING = Framing()


async def open_stream(request: web.BaseRequest, request_id: str, framing: Framing = DEFAULT_FRAMING) -> EventStream:
    """Starts the answer and tells the client how long to wait before it comes again."""
    response = web.StreamResponse(
        headers={
            "Content-Type": framing.content_type,
            "Cache-Control": framing.cache_control,
            "X-Accel-Buffering": "no",
            "X-Request-Id": request_id,
            **framing.headers,
        }
    )
    await response.prepare(request)
    stream = EventStream(response, framing.comment)
    greeting = f": {framing.greeting}\n\n" if framing.greeting else "\n"
    await response.write(f"retry: {framing.retry_ms}\n{greeting}".encode())
    return stream


async def close_stream(stream: EventStream) -> None:
    """Ends the answer; a client that left needs none."""
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(1.0):
            await stream.response.write_eof()
