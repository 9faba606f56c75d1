"""A small deployment for tests of channels and webhooks: monitors that fail, and receivers that answer as a test says."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self

import msgspec

from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.monitors import Entity, EntityType, MonitorRecovery, MonitorReport, MonitorSource
from lumetry_core.alerts.service.monitors import report_firing, report_recovery
from lumetry_core.alerts.worker import OperationsKeeper
from lumetry_core.notifications.delivering import Deliverer
from lumetry_core.notifications.destination_drafts import ChannelDraft, WebhookDraft
from lumetry_core.notifications.destinations import Channel, Target, Webhook
from lumetry_core.notifications.dispatch import Dispatch
from lumetry_core.notifications.dispatching import Dispatcher
from lumetry_core.notifications.model import SendResult
from lumetry_core.notifications.service import channels, webhooks
from lumetry_core.notifications.worker import Announcer, Router
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.incidents.building import correlate_all
from tests.core.notifications.integrating import LAB_RULES
from tests.core.notifications.pipeline import CALLER, OK, FakeSender

ORGANIZATION = CALLER.organization_id
SHOP = Entity(EntityType.ENDPOINT, 12, "shop")
FAILED = SendResult(ok=False, status_code=500, error="answered 500")


@dataclass
class FakeDestinations:
    """A sender that notes what it is given and answers as told."""

    answer: Callable[[Target, Dispatch], SendResult | Awaitable[SendResult]] = lambda _target, _dispatch: OK
    tried: list[tuple[str, str, str]] = field(default_factory=list)
    """Name of the target, event and identity."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, target: Target, dispatch: Dispatch, now: datetime) -> SendResult:
        """See `DestinationSender.send`."""
        self.tried.append((target.name, dispatch.event, dispatch.key))
        self.was_asked.set()
        answer = self.answer(target, dispatch)
        result = answer if isinstance(answer, SendResult) else await answer
        if result.ok:
            self.bodies.append(msgspec.json.decode(dispatch.body or b""))
        return result

    @property
    def told(self) -> list[tuple[str, str]]:
        """Name of the target and event of all that was tried, in order."""
        return [(name, event) for name, event, _ in self.tried]


class Post:
    """One process with all that tells channels and webhooks."""

    def __init__(self, database: Database, clock: FakeClock, owner: str = "core-1") -> None:
        self.database = database
        self.clock = clock
        self.sender = FakeDestinations()
        self.integrations = FakeSender()
        self.dispatcher = Dispatcher(database, clock, owner, self.sender)
        self.deliverer = Deliverer(database, clock, owner, self.integrations)
        self.router = Router(database, owner, None, self.deliverer)
        self.announcer = Announcer(database)
        self._runners: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._runners = [asyncio.create_task(agent.run()) for agent in (self.dispatcher, self.deliverer)]
        return self

    async def __aexit__(self, *_exception: object) -> None:
        for runner in self._runners:
            runner.cancel()
            with suppress(asyncio.CancelledError):
                await runner

    async def add_channel(self, name: str = "Ops", **changes: Any) -> Channel:
        """A channel."""
        draft = ChannelDraft(**{"name": name, "url": "http://127.0.0.1:9/hook"} | changes)
        async with self.database.write() as tx:
            return await channels.create_channel(tx, CALLER, draft, LAB_RULES, self.clock.now())

    async def add_rule(self, channel: Channel, sources: str = "", severities: str = "") -> None:
        """A rule of a channel."""
        async with self.database.write() as tx:
            await channels.add_rule(tx, CALLER, channel.id, sources, severities, self.clock.now())

    async def add_webhook(self, *event_types: str, name: str = "Hook", **changes: Any) -> Webhook:
        """A webhook."""
        draft = WebhookDraft(**{"name": name, "url": "http://127.0.0.1:9/hook", "event_types": event_types or None} | changes)
        async with self.database.write() as tx:
            return (await webhooks.create_webhook(tx, CALLER, draft, LAB_RULES, self.clock.now())).webhook

    async def fire(self, severity: Severity = Severity.CRITICAL, **changes: Any) -> Alert:
        """An endpoint fails, or fails on."""
        report = MonitorReport(
            source=MonitorSource.ENDPOINT,
            alert_type="consecutive_failure",
            entity=SHOP,
            severity=severity,
            alert_name="Endpoint down: shop",
            message="3 checks in a row failed",
            details={"target": "http://shop/", "failures": 3, "threshold": 3, "last_error": "refused"},
            start_time=self.clock.now() - timedelta(seconds=30),
        )
        async with self.database.write() as tx:
            (alert,) = await report_firing(tx, ORGANIZATION, [replace(report, **changes)], self.clock.now())
        return alert

    async def recover(self, entity: Entity = SHOP) -> None:
        """It is well again."""
        recovery = MonitorRecovery(
            source=MonitorSource.ENDPOINT,
            alert_type="consecutive_failure",
            entity_type=entity.type,
            entity_id=entity.id,
            end_time=self.clock.now(),
        )
        async with self.database.write() as tx:
            await report_recovery(tx, ORGANIZATION, [recovery], self.clock.now())

    async def route(self) -> None:
        """Everything up to the outbox."""
        await OperationsKeeper(self.database).tick(self.clock.now())
        await correlate_all(self.database, self.clock.now())
        await self.router.tick_due(self.clock.now())
        while await self.router.tick(self.clock.now()):
            pass
        while await self.announcer.tick(self.clock.now()):
            pass

    async def settle(self) -> None:
        """Everything that is due now."""
        await self.route()
        await self.deliver()

    async def deliver(self) -> None:
        """Sends until nothing is due now."""
        while True:
            before = len(self.sender.tried)
            await self.dispatcher.tick(self.clock.now())
            await self.finish()
            if len(self.sender.tried) == before:
                return

    async def finish(self) -> None:
        """Waits until nothing is at hand."""
        async with asyncio.timeout(20):
            await self.dispatcher.wait_idle()
            await self.deliverer.wait_idle()

    async def rows(self, target: Channel | Webhook) -> list[tuple[str, str, int]]:
        """Event, status and attempts of what a target was told, oldest first."""
        async with self.database.read() as tx:
            if isinstance(target, Channel):
                page = await channels.list_deliveries(tx, ORGANIZATION, target.id, None, 200)
            else:
                page = await webhooks.list_deliveries(tx, ORGANIZATION, target.id, None, 200)
        return [(row.event, row.status.value, row.attempts) for row in reversed(page.dispatches)]

    async def channel(self, channel: Channel) -> Channel:
        """A channel as it is now."""
        async with self.database.read() as tx:
            return await channels.get_channel(tx, ORGANIZATION, channel.id)

    async def webhook(self, webhook: Webhook) -> Webhook:
        """A webhook as it is now."""
        async with self.database.read() as tx:
            return await webhooks.get_webhook(tx, ORGANIZATION, webhook.id)
