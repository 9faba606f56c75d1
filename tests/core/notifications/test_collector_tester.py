import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lumetry_core.collectors.config import Config
from lumetry_core.collectors.model import Status
from lumetry_core.collectors.service import working
from lumetry_core.collectors.work import NotificationPayload, Outcome, WorkKind, work_channel
from lumetry_core.notifications.collecting import NotificationHandler
from lumetry_core.notifications.collector_tester import CollectorTester
from lumetry_core.notifications.model import Integration, IntegrationType, SendResult
from lumetry_core.notifications.service.integrations import create_integration, delete_integration
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError
from lumetry_core.runtime.queue import Wakeups
from tests.conftest import FakeClock
from tests.core.collectors.labour import CALLER as COLLECTOR_CALLER
from tests.core.collectors.labour import CAPABILITIES, COLLECTOR, OTHER, add_collector
from tests.core.notifications.integrating import CALLER, RULES, VAULT, draft, make_integration

HANDLERS = {WorkKind.NOTIFICATION: NotificationHandler(VAULT)}


async def add_integration(database: Database, clock: FakeClock, **fields: Any) -> Integration:
    """A webhook inside the collector's network."""
    sent = draft(**{"endpoint_url": "http://10.0.0.8/hook", "collector_id": COLLECTOR, "secret": "key"} | fields)
    async with database.write() as tx:
        return await create_integration(tx, CALLER, sent, RULES, clock.now())


@asynccontextmanager
async def collecting(
    database: Database, clock: FakeClock, wakeups: Wakeups, outcome: Outcome | None
) -> AsyncIterator[Sequence[NotificationPayload]]:
    """A collector that takes what comes and reports an outcome, or nothing; what it was given."""
    seen: list[NotificationPayload] = []

    async def work() -> None:
        with wakeups.subscribe(work_channel(COLLECTOR)) as subscription:
            while True:
                async with database.write() as tx:
                    given = await working.claim(tx, COLLECTOR_CALLER, CAPABILITIES, 1, HANDLERS, clock.now())
                for claimed in given:
                    assert isinstance(claimed.payload, NotificationPayload)
                    seen.append(claimed.payload)
                    if outcome is not None:
                        claim_id = claimed.item.claim_id
                        async with database.write() as tx:
                            await working.complete(tx, COLLECTOR_CALLER, claim_id, claimed.token, outcome, HANDLERS, clock.now())
                        wakeups.wake(work_channel(COLLECTOR))
                await subscription.wait(0.05)

    task = asyncio.create_task(work())
    try:
        yield seen
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_send_test_answers_what_the_collector_reports(database: Database, clock: FakeClock, wakeups: Wakeups) -> None:
    """The message is marked as a test and signed; the receiver's answer is the test's."""
    await add_collector(database, clock.now())
    integration = await add_integration(database, clock)
    tester = CollectorTester(database, clock, wakeups)
    async with collecting(database, clock, wakeups, Outcome(succeeded=True, status_code=204)) as seen:
        assert await tester.send_test(integration) == SendResult(ok=True, status_code=204)
    [payload] = seen
    assert (payload.url, b'"test":true' in payload.body, "X-Lumetry-Signature" in payload.headers) == ("http://10.0.0.8/hook", True, True)
    async with collecting(database, clock, wakeups, Outcome(succeeded=False, error="connection refused")):
        assert await tester.send_test(integration) == SendResult(ok=False, error="connection refused", reached=False)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"status": Status.REVOKED}, "Collector Collector 1 is revoked."),
        ({"last_seen_time": None}, "Collector Collector 1 is offline."),
        ({"status": Status.PENDING}, "Collector Collector 1 has not enrolled yet."),
        ({"status": Status.DUPLICATE_SUSPECTED}, "Collector Collector 1 gets no work: two instances seem to run on its credential."),
        ({"config": Config()}, "Notifications are switched off in the configuration of collector Collector 1."),
        ({"capabilities": ("relay",)}, "Collector Collector 1 cannot deliver notifications."),
    ],
)
async def test_send_test_says_at_once_why_it_cannot(
    database: Database, clock: FakeClock, wakeups: Wakeups, changes: dict[str, Any], error: str
) -> None:
    """Nothing is enqueued for a collector that would not take it."""
    await add_collector(database, clock.now(), **changes)
    integration = replace(make_integration(IntegrationType.WEBHOOK, "http://10.0.0.8/hook"), collector_id=COLLECTOR)
    assert await CollectorTester(database, clock, wakeups).send_test(integration) == SendResult(ok=False, error=error, reached=False)


@pytest.mark.parametrize(("outcome", "error"), [(False, "did not take it in time"), (True, "took it and did not report what came of it")])
async def test_send_test_does_not_wait_forever(database: Database, clock: FakeClock, wakeups: Wakeups, outcome: bool, error: str) -> None:
    """A collector that takes nothing, or keeps silent, is named; what it was asked is withdrawn."""
    await add_collector(database, clock.now())
    integration = await add_integration(database, clock)
    tester = CollectorTester(database, clock, wakeups, patience_seconds=0.5)
    if outcome:
        async with collecting(database, clock, wakeups, None) as seen:
            result = await tester.send_test(integration)
        assert len(seen) == 1
    else:
        result = await tester.send_test(integration)
    assert result == SendResult(ok=False, error=f"Collector Collector 1 {error}.", reached=False)
    clock.advance(minutes=2)
    async with database.write() as tx:
        assert await working.claim(tx, COLLECTOR_CALLER, CAPABILITIES, 1, HANDLERS, clock.now()) == []


async def test_send_test_of_an_integration_that_goes_away(database: Database, clock: FakeClock, wakeups: Wakeups) -> None:
    """Work for what is gone is dropped, and the test says so."""
    await add_collector(database, clock.now())
    integration = await add_integration(database, clock)
    async with database.write() as tx:
        await delete_integration(tx, CALLER, integration.id, clock.now())
    tester = CollectorTester(database, clock, wakeups)
    async with collecting(database, clock, wakeups, Outcome(succeeded=True)) as seen:
        result = await tester.send_test(integration)
    assert (result.error, seen) == ("The integration was changed while it was tested.", [])


@pytest.mark.parametrize(
    ("collector_id", "message"),
    [
        (OTHER, "names no collector"),
        ("edge", "names no collector"),
        ("\0", "names no collector"),
        (COLLECTOR, "names collector Collector 1, which is revoked"),
    ],
)
async def test_create_integration_refuses_collectors_that_deliver_nothing(
    database: Database, clock: FakeClock, collector_id: str, message: str
) -> None:
    """Only a collector of the organization that is not revoked can be named."""
    await add_collector(database, clock.now(), status=Status.REVOKED)
    with pytest.raises(LumetryError) as caught:
        await add_integration(database, clock, collector_id=collector_id)
    assert [(fault.path, fault.message) for fault in caught.value.faults] == [("collectorId", message)]


async def test_create_integration_lets_collectors_reach_private_addresses(database: Database, clock: FakeClock) -> None:
    """Without a collector the same address is refused; where clouds tell credentials nobody is sent."""
    await add_collector(database, clock.now() - timedelta(hours=1))
    created = await add_integration(database, clock)
    assert (created.endpoint_url, created.collector_id) == ("http://10.0.0.8/hook", COLLECTOR)
    for fields in ({"collector_id": None}, {"endpoint_url": "http://169.254.169.254/latest"}):
        with pytest.raises(LumetryError) as caught:
            await add_integration(database, clock, **fields)
        assert [fault.path for fault in caught.value.faults] == ["endpointUrl"]
