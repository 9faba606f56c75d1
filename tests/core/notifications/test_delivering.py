import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from lumetry_core.alerts.decisions import Outcome, Transition
from lumetry_core.alerts.model import SystemAlertState
from lumetry_core.alerts.service.system_alerts import list_system_alerts
from lumetry_core.incidents.service.reading import list_incident_timeline
from lumetry_core.notifications import delivering, engine
from lumetry_core.notifications.drafts import IntegrationDraft
from lumetry_core.notifications.messages import Message
from lumetry_core.notifications.model import Integration, LastStatus, SendResult
from lumetry_core.notifications.service.integrations import Rules, delete_integration, update_integration
from lumetry_core.notifications.service.profiles import delete_profile, find_integrations
from lumetry_core.notifications.service.recording import CHANNEL
from lumetry_core.notifications.store import lanes as lane_store
from lumetry_core.runtime.addresses import PRIVATE_TOO
from lumetry_core.runtime.database import Database, Transaction, unavailable
from lumetry_core.runtime.queue import Wakeups
from tests.conftest import FakeClock
from tests.core.incidents.building import ORGANIZATION, an_opening
from tests.core.notifications.pipeline import BROKEN, CALLER, OK, REFUSED, UNREACHABLE, VAULT, Pipeline, start


async def open_system_alerts(database: Database) -> list[tuple[str, str, str]]:
    """Code and subject of each open system alert."""
    async with database.read() as tx:
        found = await list_system_alerts(tx, ORGANIZATION, SystemAlertState.OPEN, 50)
    return [(alert.code, alert.subject_type, alert.subject_id) for alert in found]


async def test_deliver_records_what_became_of_it(database: Database, clock: FakeClock) -> None:
    """A success stands in the outbox, the integration and the incident's timeline."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        [alert] = await pipeline.open()
        await pipeline.settle()
        [row] = await pipeline.deliveries()
        assert (row.status, row.attempts, row.status_code, row.deliver_time, row.lease_owner) == ("Success", 1, 200, clock.now(), None)
        async with database.read() as tx:
            integration = (await find_integrations(tx, ORGANIZATION, [ops]))[ops]
            timeline = await list_incident_timeline(tx, CALLER, row.incident_id or 0)
        assert integration.last_delivery_status is LastStatus.SUCCESS
        assert timeline[-1].entry.message == f"Opening of alert {alert.id} delivered to Ops"


async def test_deliver_tries_again_five_times(database: Database, clock: FakeClock) -> None:
    """Attempts follow after 10 s, 60 s, 5 min and 30 min; then it has failed, and its close is skipped."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        pipeline.sender.answer = lambda _integration, _message: BROKEN
        [alert] = await pipeline.open()
        await pipeline.settle()
        await pipeline.close(alert)
        await pipeline.settle()
        waits = []
        for _ in range(4):
            [opened, _close] = await pipeline.deliveries()
            assert opened.next_attempt_time is not None
            waits.append(round((opened.next_attempt_time - clock.now()).total_seconds()))
            clock.moment = opened.next_attempt_time - timedelta(milliseconds=1)
            await pipeline.settle()
            clock.advance(milliseconds=1)
            await pipeline.settle()
        assert [10 <= waits[0] <= 11, 60 <= waits[1] <= 66, 300 <= waits[2] <= 330, 1800 <= waits[3] <= 1980] == [True] * 4
        assert pipeline.sender.tried == [(ops, f"{alert.id}:open")] * 5
        assert await pipeline.rows() == [
            (alert.id, "open", ops, "Failed", None),
            (alert.id, "close", ops, "Skipped", "openingNotDelivered"),
        ]
        trace = await pipeline.explain(alert)
        assert (trace.outcome, trace.summary) == (Outcome.NOT_PAGED, "Could not be delivered to Ops: answered 500")
        assert (await pipeline.explain(alert, Transition.CLOSE)).outcome is Outcome.NOT_PAGED


async def test_deliver_gives_up_at_once_when_told_to(database: Database, clock: FakeClock) -> None:
    """What a receiver refuses is not tried again."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        pipeline.sender.answer = lambda _integration, _message: REFUSED
        [alert] = await pipeline.open()
        await pipeline.settle()
        assert await pipeline.rows() == [(alert.id, "open", ops, "Failed", None)]
        assert len(pipeline.sender.tried) == 1


async def test_deliver_after_an_outage_everything_once_and_in_order(database: Database, clock: FakeClock) -> None:
    """While a receiver is down for an hour one delivery probes it; then all arrive in order, each once."""
    async with Pipeline(database, clock) as pipeline:
        ops, other = await pipeline.add_integration("Ops"), await pipeline.add_integration("Other")
        await pipeline.add_profile(ops, other)

        def answer(integration: Integration, _message: Message) -> SendResult:
            return UNREACHABLE if integration.id == ops else OK

        pipeline.sender.answer = answer
        expected = []
        for minute in range(60):
            [alert] = await pipeline.open(an_opening(rule_id=minute + 1, metric_key=f"metric.{minute}"))
            await pipeline.settle()
            await pipeline.close(alert)
            await pipeline.settle()
            expected += [(ops, f"{alert.id}:open"), (ops, f"{alert.id}:close")]
            clock.advance(minutes=1)
        assert [pair for pair in pipeline.sender.arrived if pair[0] == other] == [(other, key) for _, key in expected]
        assert {pair for pair in pipeline.sender.tried if pair[0] == ops} == {expected[0]}
        assert len([pair for pair in pipeline.sender.tried if pair[0] == ops]) <= 70
        assert await open_system_alerts(database) == [("DeliveryFailing", "AlertingIntegration", str(ops))]

        pipeline.sender.answer = lambda _integration, _message: OK
        clock.advance(seconds=30)
        await pipeline.settle()
        assert [pair for pair in pipeline.sender.arrived if pair[0] == ops] == expected
        assert await open_system_alerts(database) == []
        assert {row.status for row in await pipeline.deliveries()} == {"Success"}


async def test_deliver_gives_up_after_a_day_out_of_reach(database: Database, clock: FakeClock) -> None:
    """After 24 hours what waited so long has failed, and what came later still waits."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        pipeline.sender.answer = lambda _integration, _message: UNREACHABLE
        first = await pipeline.open(an_opening(1, metric_key="a"), an_opening(2, metric_key="b"))
        await pipeline.settle()
        clock.advance(hours=12)
        [later] = await pipeline.open(an_opening(3, metric_key="c"))
        await pipeline.settle()
        clock.advance(hours=12, seconds=1)
        await pipeline.settle()
        assert await pipeline.rows() == [
            (first[0].id, "open", ops, "Failed", None),
            (first[1].id, "open", ops, "Failed", None),
            (later.id, "open", ops, "Pending", None),
        ]


async def test_give_up_an_opening_and_the_close_that_waits_for_it(database: Database, clock: FakeClock) -> None:
    """A receiver that comes back is not told of the end of what it never heard of, however young the close is."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        pipeline.sender.answer = lambda _integration, _message: UNREACHABLE
        gone, probed = await pipeline.open(an_opening(1, metric_key="a"), an_opening(2, metric_key="b"))
        await pipeline.settle()
        clock.advance(hours=12)
        await pipeline.close(gone, probed)
        await pipeline.settle()
        clock.advance(hours=12, seconds=1)
        await pipeline.settle()
        pipeline.sender.answer = lambda _integration, _message: OK
        clock.advance(seconds=31)
        await pipeline.settle()
        assert await pipeline.rows() == [
            (gone.id, "open", ops, "Failed", None),
            (probed.id, "open", ops, "Failed", None),
            (gone.id, "close", ops, "Skipped", "openingNotDelivered"),
            (probed.id, "close", ops, "Skipped", "openingNotDelivered"),
        ]
        assert pipeline.sender.arrived == []


async def test_tell_an_escalation_as_an_opening_where_that_finally_failed(database: Database, clock: FakeClock) -> None:
    """An escalation that waits for an opening which fails for good is told in its place, so that the close follows."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        pipeline.sender.answer = lambda _integration, _message: BROKEN
        [alert] = await pipeline.open()
        await pipeline.settle()
        await pipeline.escalate(alert)
        await pipeline.settle()
        pipeline.sender.answer = lambda _integration, _message: REFUSED
        clock.advance(seconds=11)
        await pipeline.route()
        await pipeline.deliverer.tick(clock.now())
        await pipeline.finish()
        pipeline.sender.answer = lambda _integration, _message: OK
        await pipeline.deliver()
        await pipeline.close(alert)
        await pipeline.settle()
        assert pipeline.sender.arrived == [(ops, f"{alert.id}:open"), (ops, f"{alert.id}:close")]
        assert pipeline.sender.messages[0].severity == "Critical"
        assert await pipeline.rows() == [
            (alert.id, "open", ops, "Success", None),
            (alert.id, "escalate", ops, "Skipped", "openingNotDelivered"),
            (alert.id, "close", ops, "Success", None),
        ]
        assert (await pipeline.explain(alert, Transition.ESCALATE)).outcome is Outcome.PAGED


async def test_deliver_beside_a_receiver_that_hangs(database: Database, clock: FakeClock) -> None:
    """A receiver that does not answer delays no other, and no more than eight at once wait for it."""
    async with Pipeline(database, clock) as pipeline:
        hanging, other = await pipeline.add_integration("Hanging"), await pipeline.add_integration("Other")
        await pipeline.add_profile(hanging, other)
        release = asyncio.Event()

        async def hang() -> SendResult:
            await release.wait()
            return OK

        pipeline.sender.answer = lambda integration, _message: hang() if integration.id == hanging else OK
        alerts = await pipeline.open(*(an_opening(number, metric_key=f"metric.{number}") for number in range(1, 31)))
        await pipeline.route()
        async with asyncio.timeout(20):
            while len(pipeline.sender.arrived) < len(alerts):
                await pipeline.deliverer.tick(clock.now())
                await asyncio.sleep(0)
        assert sorted(pipeline.sender.arrived) == sorted((other, f"{alert.id}:open") for alert in alerts)
        assert len([pair for pair in pipeline.sender.tried if pair[0] == hanging]) == 8
        release.set()
        await pipeline.deliver()
        assert len(pipeline.sender.arrived) == 2 * len(alerts)


async def test_deliver_beside_a_receiver_that_hangs_for_many_rounds(
    database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much is routed to a receiver that does not answer, what is due elsewhere is claimed and sent."""
    monkeypatch.setattr(delivering, "MAX_AT_HAND", 40)
    async with Pipeline(database, clock) as pipeline:
        hanging, other = await pipeline.add_integration("Hanging"), await pipeline.add_integration("Other")
        await pipeline.add_profile(hanging, other)
        release = asyncio.Event()

        async def hang() -> SendResult:
            await release.wait()
            return OK

        pipeline.sender.answer = lambda integration, _message: hang() if integration.id == hanging else BROKEN
        alerts = []
        for number in range(1, 61):
            alerts += await pipeline.open(an_opening(number, metric_key=f"metric.{number}"))
            await pipeline.route()
            clock.advance(seconds=0.01)
        async with asyncio.timeout(20):
            while len([pair for pair in pipeline.sender.tried if pair[0] == other]) < len(alerts):
                await pipeline.deliverer.tick(clock.now())
                await asyncio.sleep(0)
        pipeline.sender.answer = lambda integration, _message: hang() if integration.id == hanging else OK
        clock.advance(seconds=12)
        async with asyncio.timeout(20):
            while len(pipeline.sender.arrived) < len(alerts):
                await pipeline.deliverer.tick(clock.now())
                await asyncio.sleep(0)
        assert len([pair for pair in pipeline.sender.tried if pair[0] == hanging]) == 8
        release.set()
        await pipeline.deliver()
        assert sorted(pipeline.sender.arrived) == sorted((each, f"{alert.id}:open") for alert in alerts for each in (hanging, other))


async def test_deliver_takes_over_from_a_process_that_died(database: Database, clock: FakeClock) -> None:
    """When a lease is over another process sends the same delivery, under the same key."""
    async with AsyncExitStack() as stack:
        [dead, alive] = await start(stack, database, clock, ["core-1", "core-2"])
        ops = await dead.add_integration()
        await dead.add_profile(ops)
        never = asyncio.Event()

        async def hang() -> SendResult:
            await never.wait()
            return OK

        dead.sender.answer = lambda _integration, _message: hang()
        [alert] = await dead.open()
        await dead.route()
        await dead.sender.was_asked.wait()
        await alive.deliver()
        assert alive.sender.tried == []
        clock.advance(seconds=15)
        await alive.deliver()
        assert alive.sender.arrived == [(ops, f"{alert.id}:open")]
        never.set()


async def test_deliver_with_two_processes(database: Database, clock: FakeClock) -> None:
    """Two processes that route and send at once send nothing twice and leave nothing out."""
    async with AsyncExitStack() as stack:
        pipelines = await start(stack, database, clock, ["core-1", "core-2"])
        ops = await pipelines[0].add_integration()
        await pipelines[0].add_profile(ops)
        alerts = await pipelines[0].open(*(an_opening(number, metric_key=f"metric.{number}") for number in range(1, 61)))
        await pipelines[0].close(*alerts[::2])
        await asyncio.gather(*(pipeline.settle() for pipeline in pipelines))
        await asyncio.gather(*(pipeline.settle() for pipeline in pipelines))
        tried = sorted(pair for pipeline in pipelines for pair in pipeline.sender.tried)
        wanted = [(ops, f"{alert.id}:open") for alert in alerts] + [(ops, f"{alert.id}:close") for alert in alerts[::2]]
        assert tried == sorted(wanted)


async def test_deliver_skips_an_integration_that_was_switched_off(database: Database, clock: FakeClock) -> None:
    """What waits for an integration that is gone is not sent."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        pipeline.sender.answer = lambda _integration, _message: BROKEN
        [alert] = await pipeline.open()
        await pipeline.settle()
        async with database.write() as tx:
            await tx.execute(text("UPDATE alerting_integrations SET is_enabled = false"))
        clock.advance(seconds=20)
        await pipeline.settle()
        assert await pipeline.rows() == [(alert.id, "open", ops, "Skipped", "disabledIntegration")]


async def test_skip_all_that_waits_for_an_integration_that_was_switched_off(database: Database, clock: FakeClock, wakeups: Wakeups) -> None:
    """As long as something was skipped the next round starts at once, in an outage too, where one is claimed in a round."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        pipeline.sender.answer = lambda _integration, _message: UNREACHABLE
        alerts = await pipeline.open(*(an_opening(number, metric_key=f"metric.{number}") for number in range(1, 31)))
        await pipeline.settle()
        async with database.write() as tx:
            await tx.execute(text("UPDATE alerting_integrations SET is_enabled = false"))
        clock.advance(seconds=20)
        with wakeups.subscribe(CHANNEL) as subscription:
            rounds = 0
            subscription.wake()
            while subscription.is_woken and rounds < 100:
                await subscription.wait(0)
                await pipeline.deliverer.tick(clock.now())
                rounds += 1
        assert {status for _, _, _, status, _ in await pipeline.rows()} == {"Skipped"}
        assert len(alerts) <= rounds < 40


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_end_the_system_alert_of_an_integration_that_is_used_no_more(
    database: Database, clock: FakeClock, *, is_deleted: bool
) -> None:
    """Switching off or deleting a failing integration closes its system alert; an attempt that was under way opens none again."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        profile = await pipeline.add_profile(ops)
        pipeline.sender.answer = lambda _integration, _message: REFUSED
        await pipeline.open(*(an_opening(number, metric_key=f"metric.{number}") for number in range(1, 6)))
        await pipeline.settle()
        assert await open_system_alerts(database) == [("DeliveryFailing", "AlertingIntegration", str(ops))]
        release = asyncio.Event()

        async def hang() -> SendResult:
            await release.wait()
            return REFUSED

        pipeline.sender.answer = lambda _integration, _message: hang()
        await pipeline.open(an_opening(6, metric_key="metric.6"))
        await pipeline.route()
        async with database.write() as tx:
            if is_deleted:
                await delete_profile(tx, CALLER, profile, clock.now())
                await delete_integration(tx, CALLER, ops, clock.now())
            else:
                draft = IntegrationDraft(name="Ops", type="Webhook", endpoint_url="http://127.0.0.1:9/hook", is_enabled=False)
                await update_integration(tx, CALLER, ops, draft, Rules(VAULT, PRIVATE_TOO), clock.now())
        assert await open_system_alerts(database) == []
        release.set()
        await pipeline.finish()
        assert len(pipeline.sender.tried) == 6
        assert await open_system_alerts(database) == []


async def test_claim_keeps_order_after_an_outage(database: Database, clock: FakeClock) -> None:
    """While what waited for a receiver is worked off, another process claims nothing there."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        pipeline.sender.answer = lambda _integration, _message: UNREACHABLE
        await pipeline.open(an_opening(1, metric_key="a"), an_opening(2, metric_key="b"), an_opening(3, metric_key="c"))
        await pipeline.settle()
        async with database.write() as tx:
            lane = (await lane_store.read_lanes(tx, ORGANIZATION, [ops]))[ops]
            await lane_store.update_lanes(tx, [replace(lane, outage_time=None, probe_time=None, strict_through=3)])
        later = clock.now() + timedelta(seconds=15)
        async with database.write() as tx:
            first = await lane_store.claim_due(tx, "core-2", clock.now(), later, lambda _organization, _integration: 8, ())
        async with database.write() as tx:
            second = await lane_store.claim_due(tx, "core-3", clock.now(), later, lambda _organization, _integration: 8, ())
        assert [(delivery.id, is_strict) for delivery, is_strict in first] == [(1, True), (2, True), (3, True)]
        assert second == []


async def test_record_after_the_store_was_away(database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent while the store could not be written is recorded when it can be, and sent once."""
    async with Pipeline(database, clock) as pipeline:
        ops = await pipeline.add_integration()
        await pipeline.add_profile(ops)
        [alert] = await pipeline.open()
        refusals = iter([True, True])
        write = database.write

        def refuse_twice() -> AbstractAsyncContextManager[Transaction]:
            if bool(pipeline.sender.tried) and next(refusals, False):
                raise unavailable()
            return write()

        monkeypatch.setattr(engine, "PAUSE_SECONDS", 0)
        monkeypatch.setattr(database, "write", refuse_twice)
        await pipeline.settle()
        assert pipeline.sender.tried == [(ops, f"{alert.id}:open")]
        assert await pipeline.rows() == [(alert.id, "open", ops, "Success", None)]
