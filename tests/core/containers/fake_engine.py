"""A container runtime that answers as a test says."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

DOCKER_VERSION = {
    "Platform": {"Name": "Docker Engine - Community"},
    "Components": [{"Name": "Engine", "Version": "27.3.1", "Details": {}}],
    "Version": "27.3.1",
    "ApiVersion": "1.47",
    "MinAPIVersion": "1.24",
}
PODMAN_VERSION = {"Components": [{"Name": "Podman Engine", "Version": "5.2.2"}], "Version": "5.2.2", "ApiVersion": "1.41"}


@dataclass
class FakeEngine:
    """What it answers, and what it was asked."""

    answer: object = None
    text: str | None = None
    status: int = 200
    asked: int = 0
    port: int = 0

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        assert (request.method, request.path) == ("GET", "/version")
        self.asked += 1
        if self.text is not None:
            return web.Response(status=self.status, text=self.text)
        return web.json_response(DOCKER_VERSION if self.answer is None else self.answer, status=self.status)


@asynccontextmanager
async def serving(engine: FakeEngine, socket: Path | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeEngine]:
    """Serves on a socket, or on a free port of this host."""
    runner = web.ServerRunner(web.Server(engine))
    await runner.setup()
    site = web.UnixSite(runner, socket) if socket else web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    if socket is None:
        engine.port = runner.addresses[0][1]
    try:
        yield engine
    finally:
        await runner.cleanup()
