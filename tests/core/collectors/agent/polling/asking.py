"""How tests ask sources."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import web

from lumetry_core.collectors.agent.polling.fetching import make_client
from lumetry_core.collectors.agent.polling.model import Item, ItemResult, Sample, Source, Target
from lumetry_core.collectors.agent.polling.polling import poll_source
from lumetry_core.runtime.addresses import PRIVATE_TOO, Policy
from lumetry_core.runtime.outbound import OutboundAnswer, OutboundRequest
from tests.polled_servers import PolledServer

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


@dataclass
class ScriptedFetch:
    """Answers with what a test has laid down; remembers what was asked."""

    answers: list[OutboundAnswer | Exception] = field(default_factory=list)
    policy: Policy = PRIVATE_TOO
    requests: list[OutboundRequest] = field(default_factory=list)

    async def send(self, request: OutboundRequest) -> OutboundAnswer:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def poll(source: Source, policy: Policy = PRIVATE_TOO, budget_seconds: float = 55.0) -> list[ItemResult]:
    """Polls with the client that the product uses."""
    client = make_client(policy)
    try:
        return await poll_source(source, client, NOW, budget_seconds)
    finally:
        await client.close()


def make_source(
    kind: str, server: PolledServer, *items: Item, tls: bool = False, secret: str | None = None, seconds: float = 5.0
) -> Source:
    """A source at a throw-away server."""
    scheme = "https" if tls else "http"
    host = "localhost" if tls else "127.0.0.1"
    target = Target(f"{scheme}://{host}:{server.port}", server.username, host, server.port, server.database, tls)
    return Source(kind, target, items, server.password if secret is None else secret, seconds)


def sample(metric_key: str, value: float, **labels: str) -> Sample:
    """A sample of the poll."""
    return Sample(metric_key, value, labels, NOW)


@asynccontextmanager
async def serving(handler: web.RequestHandler | object) -> AsyncIterator[str]:
    """The address of a web server that hands every request to a handler."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)  # type: ignore[arg-type]
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
