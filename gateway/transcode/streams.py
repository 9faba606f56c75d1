"""Server-sent events."""

import asyncio
import contextlib
from dataclasses import dataclass

from aiohttp import web

KEEP_ALIVE_SECONDS = 15.0
WRITE_SECONDS = 60.0
"""A client that takes nothing for so long is gone."""
RETRY_MS = 2000


@dataclass(slots=True)
class EventStream:
    """One client's stream. Nothing waits here: a slow client slows the reading from the core, which ends the stream at its own bound."""

    response: web.StreamResponse

    async def send(self, event: str, data: str, *, event_id: int | None = None) -> None:
        """Sends an event; line ends in its fields turn into spaces, so that no field can forge another."""
        lines = [f"event: {one_line(event)}", f"data: {one_line(data)}"]
        if event_id is not None:
            lines.insert(0, f"id: {event_id}")
        await self._write("\n".join(lines) + "\n\n")

    async def keep_alive(self) -> None:
        """Sends a comment."""
        await self._write(": keep-alive\n\n")

    async def _write(self, text: str) -> None:
        async with asyncio.timeout(WRITE_SECONDS):
            await self.response.write(text.encode())


def one_line(text: str) -> str:
    """A text without line ends."""
    return text.replace("\r", " ").replace("\n", " ")


async def open_stream(request: web.BaseRequest, request_id: str) -> EventStream:
    """Starts the answer and tells the client how long to wait before it comes again."""
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Request-Id": request_id}
    )
    await response.prepare(request)
    stream = EventStream(response)
    await response.write(f"retry: {RETRY_MS}\n\n".encode())
    return stream


async def close_stream(stream: EventStream) -> None:
    """Ends the answer; a client that left needs none."""
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(1.0):
            await stream.response.write_eof()
