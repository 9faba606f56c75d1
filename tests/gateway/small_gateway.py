"""A gateway that speaks just the families of a test, in front of a fake core."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from gateway.transcode.channel import open_core
from gateway.transcode.credentials import Network
from gateway.transcode.families import Families, Family
from gateway.transcode.handling import Figures, Handler
from tests.gateway.fake_core import FakeCore


@asynccontextmanager
async def speaking(
    families: Iterable[Family], core: FakeCore, *, services: Any = None, trusted: Sequence[Network] = ()
) -> AsyncIterator[aiohttp.ClientSession]:
    """Serves while the context lasts; the value is a client of it."""
    channel = open_core(core.address)
    handler = Handler(Families(families), channel, services, Figures(), trusted)
    runner = web.ServerRunner(web.Server(handler, auto_decompress=False, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
            yield client
    finally:
        await runner.cleanup()
        await channel.channel.close()
