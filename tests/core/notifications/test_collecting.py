import asyncio
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from lumetry_core.access.vault import Vault
from lumetry_core.alerts.model import SystemAlertState
from lumetry_core.alerts.service.system_alerts import list_system_alerts
from lumetry_core.collectors.config import Config
from lumetry_core.collectors.model import Collector, Status
from lumetry_core.collectors.service import working
from lumetry_core.collectors.store import collectors as collector_store
from lumetry_core.collectors.work import ClaimedWork, NotificationPayload, Outcome, WorkKind
from lumetry_core.collectors.work_worker import WorkKeeper
from lumetry_core.notifications.collecting import NotificationHandler, read_result
from lumetry_core.notifications.drafts import IntegrationDraft
from lumetry_core.notifications.model import SendResult
from lumetry_core.notifications.service.integrations import Rules, create_integration, delete_integration, update_integration
from lumetry_core.notifications.service.profiles import delete_profile
from lumetry_core.runtime.addresses import GLOBAL_ONLY
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError
from tests.conftest import FakeClock
from tests.core.collectors.labour import CALLER as COLLECTOR_CALLER
from tests.core.collectors.labour import CAPABILITIES, COLLECTOR, add_collector
from tests.core.incidents.building import ORGANIZATION, an_opening
from tests.core.notifications.pipeline import CALLER, VAULT, Pipeline

INSIDE = "http://10.0.0.8/hook"
ARRIVED = Outcome(succeeded=True, status_code=200, duration_ms=12)
BUSY = Outcome(succeeded=False, status_code=503, error="answered 503")
SILENT = Outcome(succeeded=False, error="connection refused")
STRICT = Rules(VAULT, GLOBAL_ONLY)
"""What a deployment says that sends nothing into private networks by itself."""


class Collecting:
    """A process whose integration is delivered by a collector, and that collector."""

    def __init__(self, database: Database, clock: FakeClock, pipeline: Pipeline, vault: Vault = VAULT) -> None:
        self.database = database
        self.clock = clock
        self.pipeline = pipeline
        self.handlers = {WorkKind.NOTIFICATION: NotificationHandler(vault)}
        self.keeper = WorkKeeper(database, self.handlers)
        self.arrived: list[str] = []

    async def see(self, **changes: Any) -> Collector:
        """A heartbeat of the collector, and whatever else changes of it."""
        async with self.database.write() as tx:
            collector = await collector_store.find(tx, ORGANIZATION, COLLECTOR)
            assert collector is not None
            seen = replace(collector, **{"last_seen_time": self.clock.now()} | changes)
            await collector_store.save(tx, seen)
        return seen

    async def claim(self) -> list[ClaimedWork]:
        """Everything that waits for the collector."""
        await self.see()
        async with self.database.write() as tx:
            return await working.claim(tx, COLLECTOR_CALLER, CAPABILITIES, 20, self.handlers, self.clock.now())

    async def complete(self, claimed: ClaimedWork, outcome: Outcome = ARRIVED) -> None:
        """The collector reports."""
        assert isinstance(claimed.payload, NotificationPayload)
        if outcome.succeeded:
            self.arrived.append(claimed.payload.delivery_id)
        claim_id, token = claimed.item.claim_id, claimed.token
        async with self.database.write() as tx:
            await working.complete(tx, COLLECTOR_CALLER, claim_id, token, outcome, self.handlers, self.clock.now())

    async def work(self, answer: Callable[[str], Outcome] = lambda _delivery_id: ARRIVED) -> None:
        """The collector delivers until nothing waits."""
        while True:
            await self.pipeline.settle()
            given = await self.claim()
            if not given:
                return
            for claimed in given:
                assert isinstance(claimed.payload, NotificationPayload)
                await self.complete(claimed, answer(claimed.payload.delivery_id))

    async def pass_time(self, **span: float) -> None:
        """Time goes by without the collector."""
        end = self.clock.now() + timedelta(**span)
        while self.clock.now() < end:
            self.clock.advance(seconds=5)
            await self.keeper.tick(self.clock.now())
            await self.pipeline.settle()


async def add_integration(database: Database, clock: FakeClock, pipeline: Pipeline, **changes: Any) -> int:
    """An integration in the collector's network, told of everything."""
    await add_collector(database, clock.now())
    fields = {"endpoint_url": INSIDE, "collector_id": COLLECTOR, "secret": "key", "headers": {"X-Key": "v"}} | changes
    draft = IntegrationDraft(**{"name": "Inside", "type": "Webhook"} | fields)
    async with database.write() as tx:
        number = (await create_integration(tx, CALLER, draft, STRICT, clock.now())).id
    await pipeline.add_profile(number)
    return number


async def open_system_alerts(database: Database) -> list[tuple[str, str]]:
    async with database.read() as tx:
        found = await list_system_alerts(tx, ORGANIZATION, SystemAlertState.OPEN, 50)
    return [(alert.code, alert.message) for alert in found]


async def test_delivery_goes_by_way_of_the_collector(database: Database, clock: FakeClock) -> None:
    """The collector gets the whole request with its signature; the outbox and the integration show what came of it."""
    async with Pipeline(database, clock) as pipeline:
        inside = await add_integration(database, clock, pipeline)
        hand = Collecting(database, clock, pipeline)
        [alert] = await pipeline.open()
        await pipeline.settle()
        assert pipeline.sender.tried == []
        [claimed] = await hand.claim()
        payload = claimed.payload
        assert isinstance(payload, NotificationPayload)
        body = msgspec.json.decode(payload.body)
        assert (body["event"], body["alert"]["id"]) == ("alert.opened", alert.id)
        assert payload == NotificationPayload(
            delivery_id=f"{alert.id}:open",
            url=INSIDE,
            headers={
                "Content-Type": "application/json",
                "X-Key": "v",
                "Idempotency-Key": f"{alert.id}:open",
                "X-Lumetry-Signature": f"sha256={hmac.new(b'key', payload.body, hashlib.sha256).hexdigest()}",
            },
            body=payload.body,
        )
        assert (claimed.item.budget_ms, claimed.item.capability) == (10_000, "notification")
        assert [row[3] for row in await pipeline.rows()] == ["Pending"]
        await hand.complete(claimed)
        [row] = await pipeline.deliveries()
        assert (row.status, row.attempts, row.status_code, row.deliver_time, row.lease_owner) == ("Success", 1, 200, clock.now(), None)
        assert row.integration_id == inside


async def test_delivery_follows_the_rule_of_attempts(database: Database, clock: FakeClock) -> None:
    """A receiver that fails is asked five times by way of the collector; then the delivery has failed."""
    async with Pipeline(database, clock) as pipeline:
        await add_integration(database, clock, pipeline)
        hand = Collecting(database, clock, pipeline)
        await pipeline.open()
        waits = []
        for _ in range(5):
            await hand.work(lambda _delivery_id: BUSY)
            [row] = await pipeline.deliveries()
            if row.next_attempt_time is not None:
                waits.append(round((row.next_attempt_time - clock.now()).total_seconds()))
                clock.moment = row.next_attempt_time
        assert [10 <= waits[0] <= 11, 60 <= waits[1] <= 66, 300 <= waits[2] <= 330, 1800 <= waits[3] <= 1980] == [True] * 4
        assert (row.status, row.attempts, row.status_code, row.last_error) == ("Failed", 5, 503, "answered 503 Service Unavailable")
        assert [code for code, _ in await open_system_alerts(database)] == ["DeliveryFailing"]


async def test_delivery_refused_by_the_receiver_is_final(database: Database, clock: FakeClock) -> None:
    """4xx ends it, whatever the collector thinks of it."""
    async with Pipeline(database, clock) as pipeline:
        await add_integration(database, clock, pipeline)
        hand = Collecting(database, clock, pipeline)
        await pipeline.open()
        await hand.work(lambda _delivery_id: Outcome(succeeded=False, status_code=404))
        [row] = await pipeline.deliveries()
        assert (row.status, row.attempts, row.last_error) == ("Failed", 1, "answered 404 Not Found")


async def test_delivery_survives_hours_without_the_collector(database: Database, clock: FakeClock) -> None:
    """A collector that is gone for three hours makes the integration failing; back again it delivers everything once and in order."""
    async with Pipeline(database, clock) as pipeline:
        inside = await add_integration(database, clock, pipeline)
        hand = Collecting(database, clock, pipeline)
        expected = []
        for number in range(4):
            [alert] = await pipeline.open(an_opening(rule_id=number + 1, metric_key=f"metric.{number}"))
            await hand.pass_time(minutes=40)
            await pipeline.close(alert)
            await hand.pass_time(minutes=5)
            expected += [f"{alert.id}:open", f"{alert.id}:close"]
        [(code, message)] = await open_system_alerts(database)
        assert code == "DeliveryFailing"
        assert message.startswith(f"Integration {inside} does not get its notifications: ")
        assert message.endswith("the last with: Collector Collector 1 is offline.")
        rows = await pipeline.deliveries()
        assert {row.status for row in rows} == {"Pending"}
        await hand.pass_time(seconds=60)
        for _ in range(40):
            await hand.work()
            clock.advance(seconds=5)
        assert hand.arrived == expected
        assert {row.status for row in await pipeline.deliveries()} == {"Success"}
        assert await open_system_alerts(database) == []


async def test_delivery_taken_and_never_reported_is_given_out_again(database: Database, clock: FakeClock) -> None:
    """A collector that dies with a notification in its hands gets it again under the same id."""
    async with Pipeline(database, clock) as pipeline:
        await add_integration(database, clock, pipeline)
        hand = Collecting(database, clock, pipeline)
        [alert] = await pipeline.open()
        await pipeline.settle()
        [lost] = await hand.claim()
        await hand.pass_time(seconds=60)
        [again] = await hand.claim()
        assert [each.payload.delivery_id for each in (lost, again) if isinstance(each.payload, NotificationPayload)] == [
            f"{alert.id}:open"
        ] * 2
        with pytest.raises(LumetryError):
            await hand.complete(lost, SILENT)
        await hand.complete(again)
        [row] = await pipeline.deliveries()
        assert (row.status, row.attempts) == ("Success", 1)


async def test_delivery_of_a_revoked_collector_says_so(database: Database, clock: FakeClock) -> None:
    """Nobody has to guess why an integration is silent."""
    async with Pipeline(database, clock) as pipeline:
        await add_integration(database, clock, pipeline)
        hand = Collecting(database, clock, pipeline)
        await pipeline.open()
        await pipeline.settle()
        await hand.see(status=Status.REVOKED)
        async with database.write() as tx:
            await working.give_up(tx, ORGANIZATION, COLLECTOR, clock.now())
        await hand.keeper.tick(clock.now())
        [row] = await pipeline.deliveries()
        assert (row.status, row.attempts, row.last_error) == ("Pending", 1, "Collector Collector 1 is revoked.")


async def test_delivery_of_a_collector_that_may_not_says_so(database: Database, clock: FakeClock) -> None:
    """Whoever forgot to enable notifications learns it from the delivery."""
    async with Pipeline(database, clock) as pipeline:
        await add_integration(database, clock, pipeline)
        hand = Collecting(database, clock, pipeline)
        await hand.see(config=Config(), last_seen_time=clock.now() + timedelta(minutes=5))
        await pipeline.open()
        await pipeline.settle()
        await hand.pass_time(seconds=60)
        [row] = await pipeline.deliveries()
        assert row.last_error == "Notifications are switched off in the configuration of collector Collector 1."


async def test_delivery_goes_another_way_when_the_collector_is_taken_off(database: Database, clock: FakeClock) -> None:
    """What a collector has not delivered is sent by this process once the integration names no collector."""
    async with Pipeline(database, clock) as pipeline:
        inside = await add_integration(database, clock, pipeline)
        hand = Collecting(database, clock, pipeline)
        [alert] = await pipeline.open()
        await pipeline.settle()
        draft = IntegrationDraft(name="Inside", type="Webhook", endpoint_url="https://hooks.example.com/in")
        async with database.write() as tx:
            await update_integration(tx, CALLER, inside, draft, STRICT, clock.now())
        assert await hand.claim() == []
        await pipeline.settle()
        assert pipeline.sender.arrived == [(inside, f"{alert.id}:open")]


async def test_delivery_is_skipped_when_the_integration_is_gone(database: Database, clock: FakeClock) -> None:
    """Work for a deleted integration is dropped, also when nobody takes it."""
    async with Pipeline(database, clock) as pipeline:
        inside = await add_integration(database, clock, pipeline)
        profile = await pipeline.add_profile(await pipeline.add_integration(), name="Other", is_default=False)
        hand = Collecting(database, clock, pipeline)
        [alert] = await pipeline.open()
        await pipeline.settle()
        async with database.write() as tx:
            await delete_profile(tx, CALLER, profile - 1, clock.now())
            await delete_integration(tx, CALLER, inside, clock.now())
        await hand.pass_time(seconds=60)
        assert await hand.claim() == []
        await pipeline.settle()
        assert await pipeline.rows() == [(alert.id, "open", inside, "Skipped", "disabledIntegration")]


async def test_delivery_that_cannot_be_signed_stays_unsent(database: Database, clock: FakeClock) -> None:
    """With another key nothing is given to the collector, and the delivery says why."""
    async with Pipeline(database, clock) as pipeline:
        await add_integration(database, clock, pipeline)
        hand = Collecting(database, clock, pipeline, Vault(b"x" * 32))
        await pipeline.open()
        await pipeline.settle()
        assert await hand.claim() == []
        [row] = await pipeline.deliveries()
        assert (row.status, row.attempts, "key" in (row.last_error or "")) == ("Pending", 1, True)


async def test_deliveries_of_a_burst_arrive_once_whoever_works_beside_whom(database: Database, clock: FakeClock) -> None:
    """Routing, handing over, claims and reports of several streams side by side stand in nobody's way."""
    async with Pipeline(database, clock) as pipeline:
        inside = await add_integration(database, clock, pipeline)
        direct = await pipeline.add_integration("Direct")
        await pipeline.add_profile(inside, direct, name="Both", is_default=True)
        hand = Collecting(database, clock, pipeline)
        alerts = await pipeline.open(*(an_opening(rule_id=number, metric_key=f"m.{number}") for number in range(1, 31)))

        async def stream() -> None:
            for _ in range(12):
                for claimed in await hand.claim():
                    await hand.complete(claimed)
                await hand.keeper.tick(clock.now())

        async def process() -> None:
            for _ in range(12):
                await pipeline.settle()

        await asyncio.gather(process(), stream(), stream(), stream())
        await hand.work()
        assert sorted(hand.arrived) == sorted(f"{alert.id}:open" for alert in alerts)
        assert {(row.integration_id, row.status.value, row.attempts) for row in await pipeline.deliveries()} == {
            (inside, "Success", 1),
            (direct, "Success", 1),
        }


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (ARRIVED, SendResult(ok=True, status_code=200)),
        (Outcome(succeeded=True), SendResult(ok=True)),
        (SILENT, SendResult(ok=False, error="connection refused", reached=False)),
        (Outcome(succeeded=False), SendResult(ok=False, error="the collector got no answer", reached=False)),
        (Outcome(succeeded=False, error="no answer within 10 s", reached=True), SendResult(ok=False, error="no answer within 10 s")),
        (BUSY, SendResult(ok=False, status_code=503, error="answered 503 Service Unavailable")),
        (Outcome(succeeded=True, status_code=410), SendResult(ok=False, status_code=410, error="answered 410 Gone", is_final=True)),
        (Outcome(succeeded=False, status_code=200, error="cut off"), SendResult(ok=False, status_code=200, error="cut off")),
    ],
)
def test_read_result_follows_the_receivers_status(outcome: Outcome, result: SendResult) -> None:
    """The rule of 2xx and 4xx is the product's, whatever the collector makes of it."""
    assert read_result(outcome) == result
