"""What the server wants of its own accord: a stream that brings it at once, and the rotation of the credential."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import NoReturn

import structlog

from lumetry_core.collectors.agent.failures import CallError, UnsupportedError
from lumetry_core.collectors.agent.link import Link
from lumetry_core.collectors.agent.pacing import Backoff

log = structlog.get_logger(__name__)

SOUND_SECONDS = 30.0
"""A stream that lasted so long was not the fault of the connection."""


async def listen(link: Link, backoff: Backoff) -> None:
    """Keeps a stream open while the workers have none. Ends when the transport or the server has no streams."""
    loop = asyncio.get_running_loop()
    while link.can_watch:
        await link.unwatched()
        await asyncio.sleep(backoff.pause())  # workers that lost their stream come first
        if link.is_watched:
            continue
        began = loop.time()
        try:
            async with aclosing(link.watch_work((), 1)) as items:
                async for _ in items:
                    log.debug("work came that was not asked for")
        except UnsupportedError:
            return
        except CallError as error:
            log.debug("the stream ended", error=str(error))
        if loop.time() - began >= SOUND_SECONDS:
            backoff.reset()


async def rotate(link: Link, wanted: asyncio.Event, on_rotated: Callable[[], None]) -> NoReturn:
    """Rotates the credential whenever that is wanted. A heartbeat reminds of what failed."""
    while True:
        await wanted.wait()
        wanted.clear()
        try:
            await link.rotate_credential()
        except (CallError, OSError) as error:
            log.warning("the credential could not be rotated, the old one stays in use", error=str(error))
        else:
            log.info("credential rotated")
            on_rotated()
