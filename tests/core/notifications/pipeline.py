"""A small deployment for tests of routing and delivery: integrations, profiles, alerts that are correlated, routed and sent."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

from lumetry_core.access.vault import Vault
from lumetry_core.alerts.decisions import Explanation, Transition
from lumetry_core.alerts.model import Alert, Closing, Escalation, Opening, Trigger
from lumetry_core.alerts.service.decisions import read_explanations
from lumetry_core.alerts.service.transitions import close_by_recovery, escalate, open_alerts
from lumetry_core.notifications.delivering import Deliverer
from lumetry_core.notifications.delivery import Delivery
from lumetry_core.notifications.drafts import IntegrationDraft, ProfileDraft
from lumetry_core.notifications.messages import Message
from lumetry_core.notifications.model import Integration, SendResult
from lumetry_core.notifications.service.deliveries import DeliveryQuery, search_deliveries
from lumetry_core.notifications.service.integrations import Rules, create_integration
from lumetry_core.notifications.service.profiles import create_profile
from lumetry_core.notifications.worker import Router
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.addresses import PRIVATE_TOO
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.incidents.building import ORGANIZATION, an_opening, correlate_all

CALLER = Caller(
    organization_id=ORGANIZATION,
    kind=CredentialKind.INTERACTIVE,
    user_id=3,
    user_name="anna",
    permissions=frozenset(Permission),
    request_id="request-1",
)
VAULT = Vault(bytes(32))
OK = SendResult(ok=True, status_code=200)
UNREACHABLE = SendResult(ok=False, error="connection refused", reached=False)
BROKEN = SendResult(ok=False, status_code=500, error="answered 500")
REFUSED = SendResult(ok=False, status_code=410, error="answered 410", is_final=True)


@dataclass
class FakeSender:
    """A sender that notes what it is given and answers as told."""

    answer: Callable[[Integration, Message], SendResult | Awaitable[SendResult]] = lambda _integration, _message: OK
    tried: list[tuple[int, str]] = field(default_factory=list)
    arrived: list[tuple[int, str]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, integration: Integration, message: Message) -> SendResult:
        """See `Sender.send`."""
        self.tried.append((integration.id, message.key))
        self.was_asked.set()
        answer = self.answer(integration, message)
        result = answer if isinstance(answer, SendResult) else await answer
        if result.ok:
            self.arrived.append((integration.id, message.key))
            self.messages.append(message)
        return result


class Pipeline:
    """One process: a router and a deliverer on a database."""

    def __init__(self, database: Database, clock: FakeClock, owner: str = "core-1", fallback: Integration | None = None) -> None:
        self.database = database
        self.clock = clock
        self.sender = FakeSender()
        self.deliverer = Deliverer(database, clock, owner, self.sender, fallback)
        self.router = Router(database, owner, fallback, self.deliverer)
        self._runner: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._runner = asyncio.create_task(self.deliverer.run())
        return self

    async def __aexit__(self, *_exception: object) -> None:
        assert self._runner is not None
        self._runner.cancel()
        with suppress(asyncio.CancelledError):
            await self._runner

    async def add_integration(self, name: str = "Ops", **changes: Any) -> int:
        """A webhook; its number."""
        draft = IntegrationDraft(name=name, type="Webhook", endpoint_url="http://127.0.0.1:9/hook", **changes)
        async with self.database.write() as tx:
            return (await create_integration(tx, CALLER, draft, Rules(VAULT, PRIVATE_TOO), self.clock.now())).id

    async def add_profile(self, *integration_ids: int, name: str = "Everyone", is_default: bool = True, **changes: Any) -> int:
        """A profile; its number."""
        draft = ProfileDraft(name=name, is_default=is_default, integration_ids=integration_ids, **changes)
        async with self.database.write() as tx:
            return (await create_profile(tx, CALLER, draft, self.clock.now())).id

    async def open(self, *openings: Opening) -> list[Alert]:
        """Opens alerts and correlates them."""
        async with self.database.write() as tx:
            opened = await open_alerts(tx, ORGANIZATION, openings or (an_opening(),), self.clock.now())
        await correlate_all(self.database, self.clock.now())
        return opened

    async def escalate(self, *alerts: Alert) -> None:
        """Makes alerts critical."""
        escalations = [Escalation(alert.id, alert.rule_id or 0, "Rule", Severity.CRITICAL, 4, Trigger(3, 3, 5)) for alert in alerts]
        async with self.database.write() as tx:
            await escalate(tx, ORGANIZATION, escalations, self.clock.now())
        await correlate_all(self.database, self.clock.now())

    async def close(self, *alerts: Alert) -> None:
        """Closes alerts."""
        now = self.clock.now()
        closings = [Closing(alert.id, alert.rule_id or 0, "Rule", now, now - timedelta(minutes=5), 5) for alert in alerts]
        async with self.database.write() as tx:
            await close_by_recovery(tx, ORGANIZATION, closings, now)
        await correlate_all(self.database, self.clock.now())

    async def route(self) -> None:
        """Routes what waits, and what is due."""
        await self.router.tick_due(self.clock.now())
        while await self.router.tick(self.clock.now()):
            pass

    async def deliver(self) -> None:
        """Sends until nothing is due now."""
        await self.finish()
        while True:
            before = len(self.sender.tried)
            await self.deliverer.tick(self.clock.now())
            await self.finish()
            if len(self.sender.tried) == before:
                return

    async def finish(self) -> None:
        """Waits until nothing is at hand."""
        async with asyncio.timeout(20):
            await self.deliverer.wait_idle()

    async def settle(self) -> None:
        """Routes and sends until nothing is due now."""
        await self.route()
        await self.deliver()

    async def deliveries(self, **query: Any) -> list[Delivery]:
        """What the outbox holds, oldest first."""
        async with self.database.read() as tx:
            found = await search_deliveries(tx, CALLER, DeliveryQuery(limit=5000, **query))
        return sorted(found, key=lambda delivery: delivery.id)

    async def rows(self, **query: Any) -> list[tuple[int, str, int, str, str | None]]:
        """Alert, transition, integration, status and reason of each delivery, oldest first."""
        return [
            (row.alert_id, row.transition.value, row.integration_id, row.status.value, row.reason and row.reason.value)
            for row in await self.deliveries(**query)
        ]

    async def explain(self, alert: Alert, transition: Transition = Transition.OPEN) -> Explanation:
        """The trace of a transition."""
        async with self.database.read() as tx:
            return (await read_explanations(tx, ORGANIZATION, [(alert.id, transition)]))[alert.id, transition]


async def start(stack: AsyncExitStack, database: Database, clock: FakeClock, owners: Sequence[str]) -> list[Pipeline]:
    """Processes on one database."""
    return [await stack.enter_async_context(Pipeline(database, clock, owner)) for owner in owners]
