"""Against real receivers on loopback that fail, hang, reset and answer late."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from aiohttp import web

from lumetry_core.notifications.delivering import Deliverer
from lumetry_core.notifications.drafts import IntegrationDraft
from lumetry_core.notifications.sender import Sender
from lumetry_core.notifications.service.integrations import Rules, create_integration
from lumetry_core.notifications.worker import Router
from lumetry_core.runtime.addresses import PRIVATE_TOO
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.outbound import OutboundClient
from tests.conftest import FakeClock
from tests.core.incidents.building import an_opening
from tests.core.notifications.pipeline import CALLER, VAULT, Pipeline

Answer = Callable[[web.Request], Awaitable[web.Response]]


async def accept(_request: web.Request) -> web.Response:
    return web.Response(status=204)


@dataclass
class Receiver:
    """A receiver that notes keys and answers as told."""

    answer: Answer = accept
    port: int = 0
    keys: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    runner: web.AppRunner | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.keys.append(request.headers["Idempotency-Key"])
        self.changed.set()
        return await self.answer(request)

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/hook", self.handle)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self.runner.addresses[0][1]

    async def stop(self) -> None:
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None


@asynccontextmanager
async def receiving(answer: Answer = accept) -> AsyncIterator[Receiver]:
    receiver = Receiver(answer)
    await receiver.start()
    try:
        yield receiver
    finally:
        await receiver.stop()


class NetworkPipeline(Pipeline):
    """A pipeline whose sender is the product's."""

    def __init__(self, database: Database, clock: FakeClock, client: OutboundClient) -> None:
        super().__init__(database, clock)
        self.deliverer = Deliverer(database, clock, "core-1", Sender(client, VAULT))
        self.router = Router(database, "core-1", None, self.deliverer)

    async def add_receiver(self, name: str, receiver: Receiver) -> int:
        """An integration for a receiver; its number."""
        draft = IntegrationDraft(name=name, type="Webhook", endpoint_url=f"http://127.0.0.1:{receiver.port}/hook")
        async with self.database.write() as tx:
            return (await create_integration(tx, CALLER, draft, Rules(VAULT, PRIVATE_TOO), self.clock.now())).id

    async def deliver(self) -> None:
        """Sends until nothing is due now."""
        for _ in range(8):
            await self.finish()
            await self.deliverer.tick(self.clock.now())
        await self.finish()


@pytest.fixture
async def client() -> AsyncIterator[OutboundClient]:
    opened = OutboundClient(PRIVATE_TOO, total_seconds=2.0)
    yield opened
    await opened.close()


async def test_deliver_to_a_receiver_that_comes_back(database: Database, clock: FakeClock, client: OutboundClient) -> None:
    """While nothing listens everything waits; then it arrives once and in order."""
    async with receiving() as receiver, NetworkPipeline(database, clock, client) as pipeline:
        await pipeline.add_profile(await pipeline.add_receiver("Ops", receiver))
        await receiver.stop()
        expected = []
        for number in range(1, 6):
            [alert] = await pipeline.open(an_opening(number, metric_key=f"metric.{number}"))
            await pipeline.settle()
            await pipeline.close(alert)
            await pipeline.settle()
            expected += [f"{alert.id}:open", f"{alert.id}:close"]
            clock.advance(minutes=12)
        assert receiver.keys == []
        await receiver.start()
        await pipeline.settle()
        assert receiver.keys == expected
        assert {row.status for row in await pipeline.deliveries()} == {"Success"}


async def test_deliver_to_receivers_in_trouble(database: Database, clock: FakeClock, client: OutboundClient) -> None:
    """One fails, one resets the connection, one hangs, one is late: the good one is told at once, each outcome is noted."""

    async def fail(_request: web.Request) -> web.Response:
        return web.Response(status=503, headers={"Retry-After": "120"})

    async def reset(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    release, is_late = asyncio.Event(), asyncio.Event()

    async def hang(_request: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    async def be_late(_request: web.Request) -> web.Response:
        await is_late.wait()
        return web.Response()

    async with (
        receiving(fail) as failing,
        receiving(reset) as resetting,
        receiving(hang) as hanging,
        receiving(be_late) as late,
        receiving() as good,
        NetworkPipeline(database, clock, client) as pipeline,
    ):
        receivers = {"failing": failing, "resetting": resetting, "hanging": hanging, "late": late, "good": good}
        ids = {name: await pipeline.add_receiver(name, receiver) for name, receiver in receivers.items()}
        await pipeline.add_profile(*ids.values())
        [alert] = await pipeline.open()
        begun = time.monotonic()
        await pipeline.route()
        async with asyncio.timeout(10):
            await good.changed.wait()
        assert time.monotonic() - begun < 1.5
        is_late.set()
        await pipeline.deliver()
        release.set()
        rows = {row.integration_id: row for row in await pipeline.deliveries()}
        statuses = {name: rows[number].status.value for name, number in ids.items()}
        assert statuses == {"failing": "Pending", "resetting": "Pending", "hanging": "Pending", "late": "Success", "good": "Success"}
        assert rows[ids["failing"]].next_attempt_time == datetime(2026, 6, 1, 8, 2, tzinfo=UTC)
        assert [receiver.keys for receiver in receivers.values()] == [[f"{alert.id}:open"]] * 5
