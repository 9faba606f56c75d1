import asyncio
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import select

from lumetry_core.activity.store.items import activity_items
from lumetry_core.alerts.monitors import Entity, EntityType
from lumetry_core.alerts.service.handling import acknowledge
from lumetry_core.alerts.service.silence_rules import SilenceRuleDraft, cancel_rule, create_rule
from lumetry_core.alerts.service.system_alerts import list_system_alerts
from lumetry_core.feed.service import tell
from lumetry_core.notifications.destination_drafts import ChannelDraft, WebhookDraft
from lumetry_core.notifications.destinations import Target
from lumetry_core.notifications.dispatch import Dispatch
from lumetry_core.notifications.drafts import IntegrationDraft, ProfileDraft
from lumetry_core.notifications.model import SendResult
from lumetry_core.notifications.service import channels, webhooks
from lumetry_core.notifications.service.integrations import create_integration
from lumetry_core.notifications.service.profiles import create_profile
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock
from tests.core.notices.people import add_person, read_inbox, read_told
from tests.core.notifications.integrating import LAB_RULES
from tests.core.notifications.pipeline import CALLER, OK
from tests.core.notifications.posting import FAILED, ORGANIZATION, Post

GONE = SendResult(ok=False, status_code=410, error="answered 410 Gone", is_final=True)
FIRED, RESOLVED = "alert.fired", "alert.resolved"


async def silence(post: Post, **fields: object) -> int:
    """A rule of this family that starts now; its number."""
    draft = SilenceRuleDraft(**{"duration_seconds": 600} | fields)  # type: ignore[arg-type]
    async with post.database.write() as tx:
        return (await create_rule(tx, CALLER, draft, post.clock.now())).id


async def cancel(post: Post, number: int) -> None:
    """Ends a rule."""
    async with post.database.write() as tx:
        await cancel_rule(tx, CALLER, number, post.clock.now())


async def test_alert_is_told_from_beginning_to_end(database: Database, clock: FakeClock) -> None:
    """Fired, risen and resolved, with the alert as the contract spells it; a disabled channel hears nothing."""
    async with Post(database, clock) as post:
        ops = await post.add_channel()
        await post.add_channel("Off", is_enabled=False)
        alert = await post.fire(Severity.WARNING)
        await post.settle()
        clock.advance(seconds=60)
        await post.fire(Severity.CRITICAL)
        await post.settle()
        clock.advance(seconds=60)
        await post.recover()
        await post.settle()
        assert post.sender.told == [("Ops", FIRED), ("Ops", FIRED), ("Ops", RESOLVED)]
        assert await post.rows(ops) == [(FIRED, "delivered", 1), (FIRED, "delivered", 1), (RESOLVED, "delivered", 1)]
        fired, risen, resolved = post.sender.bodies
        told = [(body["event"], body["alert"]["id"], body["alert"]["severity"], body["alert"]["status"]) for body in post.sender.bodies]
        assert told == [
            (FIRED, alert.id, "warning", "active"),
            (FIRED, alert.id, "critical", "active"),
            (RESOLVED, alert.id, "critical", "resolved"),
        ]
        assert fired["alert"]["details"] == {"target": "http://shop/", "failures": 3, "threshold": 3, "last_error": "refused"}
        assert (fired["alert"]["escalated_at"], risen["alert"]["escalated_at"]) == (None, "2026-06-01T08:01:00Z")
        assert resolved["timestamp"] == "2026-06-01T08:02:00Z"


async def test_info_is_told_to_channels_and_to_no_integration(database: Database, clock: FakeClock) -> None:
    """Until it rises: from then on integrations know it, as one that opens."""
    async with Post(database, clock) as post:
        await post.add_channel()
        async with database.write() as tx:
            draft = IntegrationDraft(name="I", type="Webhook", endpoint_url="http://127.0.0.1:9/i")
            made = await create_integration(tx, CALLER, draft, LAB_RULES, clock.now())
            await create_profile(tx, CALLER, ProfileDraft(name="P", is_default=True, integration_ids=[made.id]), clock.now())
        alert = await post.fire(Severity.INFO)
        await post.settle()
        assert (post.sender.told, post.integrations.tried) == ([("Ops", FIRED)], [])
        await post.fire(Severity.WARNING)
        await post.settle()
        await post.finish()
        assert post.integrations.arrived == [(made.id, f"{alert.id}:open")]
        assert post.integrations.messages[0].severity == "Warning"
        await post.recover()
        await post.settle()
        await post.finish()
        assert post.integrations.arrived == [(made.id, f"{alert.id}:open"), (made.id, f"{alert.id}:close")]
        assert post.sender.told == [("Ops", FIRED), ("Ops", FIRED), ("Ops", RESOLVED)]


async def test_info_that_comes_and_goes_reaches_channels_only(database: Database, clock: FakeClock) -> None:
    """Opened and closed in one round: told both, in order."""
    async with Post(database, clock) as post:
        ops = await post.add_channel()
        await post.fire(Severity.INFO)
        await post.recover()
        await post.settle()
        assert await post.rows(ops) == [(FIRED, "delivered", 1), (RESOLVED, "delivered", 1)]
        assert [body["alert"]["status"] for body in post.sender.bodies] == ["active", "resolved"]


@pytest.mark.parametrize("severity", [Severity.INFO, Severity.CRITICAL])
async def test_silenced_alert_that_recovers_is_never_told(database: Database, clock: FakeClock, severity: Severity) -> None:
    """Neither that it fired nor that it is over."""
    async with Post(database, clock) as post:
        await post.add_channel()
        await silence(post)
        await post.fire(severity)
        await post.settle()
        await post.recover()
        await post.settle()
        clock.advance(seconds=700)
        await post.settle()
        assert post.sender.tried == []


@pytest.mark.parametrize("severity", [Severity.INFO, Severity.CRITICAL])
@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_silenced_alert_is_told_when_the_silence_ends(
    database: Database, clock: FakeClock, severity: Severity, is_cancelled: bool
) -> None:
    """Cancelled or over: the alert that still lasts is told once, as active; so is its end."""
    async with Post(database, clock) as post:
        await post.add_channel()
        number = await silence(post)
        await post.fire(severity)
        await post.settle()
        assert post.sender.tried == []
        clock.advance(seconds=10 if is_cancelled else 601)
        if is_cancelled:
            await cancel(post, number)
        await post.settle()
        clock.advance(seconds=1)
        await post.settle()
        assert post.sender.told == [("Ops", FIRED)]
        assert post.sender.bodies[0]["alert"]["status"] == "active"
        await post.recover()
        await post.settle()
        assert post.sender.told == [("Ops", FIRED), ("Ops", RESOLVED)]


async def test_alert_under_two_silences_is_told_when_the_last_ends(database: Database, clock: FakeClock) -> None:
    """The end of one changes nothing."""
    async with Post(database, clock) as post:
        await post.add_channel()
        first, second = await silence(post), await silence(post, source="endpoint")
        await post.fire()
        await post.settle()
        for number, told in ((second, 0), (first, 1)):
            await cancel(post, number)
            await post.settle()
            assert len(post.sender.tried) == told


async def test_rise_under_a_silence_is_not_told_and_its_end_is(database: Database, clock: FakeClock) -> None:
    """A silence does not touch what was active before it; that it rises is recorded but told to nobody, also not when the silence ends."""
    async with Post(database, clock) as post:
        await post.add_channel()
        await post.fire(Severity.WARNING)
        await post.settle()
        number = await silence(post)
        await post.fire(Severity.CRITICAL)
        await post.settle()
        await cancel(post, number)
        await post.settle()
        assert post.sender.told == [("Ops", FIRED)]
        await silence(post)
        await post.recover()
        await post.settle()
        assert post.sender.told == [("Ops", FIRED), ("Ops", RESOLVED)]


async def test_renewal_is_told_again(database: Database, clock: FakeClock) -> None:
    """Another renewal of the same severity; the same one is not."""
    async with Post(database, clock) as post:
        await post.add_channel()
        for renewal in ("30", "30", "7"):
            await post.fire(renewal=renewal)
            await post.settle()
        assert post.sender.told == [("Ops", FIRED), ("Ops", FIRED)]


async def test_acknowledgement_is_told_to_pagerduty_alone(database: Database, clock: FakeClock) -> None:
    """Which heard of the alert."""
    async with Post(database, clock) as post:
        await post.add_channel()
        await post.add_channel("Pager", type="pagerduty", url=None, secret="key")
        alert = await post.fire()
        await post.settle()
        async with database.write() as tx:
            await acknowledge(tx, CALLER, alert.id, "", clock.now())
        await post.settle()
        assert sorted(post.sender.told) == [("Ops", FIRED), ("Pager", "alert.acknowledged"), ("Pager", FIRED)]


async def test_container_narrows_its_alerts(database: Database, clock: FakeClock) -> None:
    """To the channels that it names."""
    async with Post(database, clock) as post:
        await post.add_channel("One")
        await post.add_channel("Two")
        await post.fire(channels=("two", "unknown"))
        await post.settle()
        assert post.sender.told == [("Two", FIRED)]


async def test_end_never_overtakes_the_beginning(database: Database, clock: FakeClock) -> None:
    """As long as the first fails the second waits, with the same identity in every attempt; what another alert tells does not wait."""
    async with Post(database, clock) as post:
        ops = await post.add_channel()
        first = await post.fire()
        post.sender.answer = lambda _target, dispatch: FAILED if dispatch.alert_id == first.id else OK
        await post.settle()
        await post.recover()
        await post.fire(entity=Entity(EntityType.ENDPOINT, 13, "blog"))
        await post.settle()
        assert post.sender.told == [("Ops", FIRED), ("Ops", FIRED)]
        assert await post.rows(ops) == [(FIRED, "pending", 1), (RESOLVED, "pending", 0), (FIRED, "delivered", 1)]
        clock.advance(seconds=1)
        await post.deliver()
        post.sender.answer = lambda _target, _dispatch: OK
        clock.advance(seconds=5)
        await post.deliver()
        assert [row[1] for row in await post.rows(ops)] == ["delivered"] * 3
        of_first = [key for _, event, key in post.sender.tried if event == FIRED]
        assert len(set(of_first)) == 2
        assert post.sender.told[-1] == ("Ops", RESOLVED)


async def test_channel_is_failing_while_it_is_retried_for_long(database: Database, clock: FakeClock) -> None:
    """After the quick attempts, until something arrives."""
    async with Post(database, clock) as post:
        ops = await post.add_channel()
        post.sender.answer = lambda _target, _dispatch: FAILED
        await post.fire()
        await post.settle()
        assert (await post.channel(ops)).is_failing is False
        for seconds in (1, 5):
            clock.advance(seconds=seconds)
            await post.deliver()
        failing = await post.channel(ops)
        assert (failing.is_failing, failing.last_error, failing.last_delivery_time) == (True, "answered 500", clock.now())
        post.sender.answer = lambda _target, _dispatch: OK
        clock.advance(seconds=33)
        await post.deliver()
        well = await post.channel(ops)
        assert (well.is_failing, well.last_error) == (False, None)


async def test_channel_in_trouble_is_told_once(database: Database, clock: FakeClock) -> None:
    """Those who manage integrations find it in their inboxes; the activity feed tells of the recovery as well."""
    manager = await add_person(database, ORGANIZATION, "manager", "Admin", clock.now())
    viewer = await add_person(database, ORGANIZATION, "viewer", "Viewer", clock.now())
    async with Post(database, clock) as post:
        ops = await post.add_channel()
        post.sender.answer = lambda _target, _dispatch: FAILED
        await post.fire()
        await post.settle()
        for seconds in (1, 5, 33):
            clock.advance(seconds=seconds)
            await post.deliver()
        post.sender.answer = lambda _target, _dispatch: OK
        clock.advance(minutes=5)
        await post.deliver()
        assert (await post.channel(ops)).is_failing is False
    assert await read_told(database, ORGANIZATION, manager) == [
        ("incident_opened", "critical", "Incident INC-000001 opened"),
        ("channel_failing", "warning", "Channel Ops does not get its messages"),
    ]
    [_, notice] = await read_inbox(database, ORGANIZATION, manager)
    assert (notice.draft.body, notice.draft.resource_type, notice.draft.resource_id) == (
        "The last attempt failed with: answered 500",
        "channel",
        str(ops.id),
    )
    assert [kind for kind, _, _ in await read_told(database, ORGANIZATION, viewer)] == ["incident_opened"]
    async with database.read() as tx:
        rows = await tx.execute(select(activity_items.c.action).where(activity_items.c.kind == "delivery").order_by(activity_items.c.id))
        assert list(rows.scalars()) == ["channel_failing", "channel_recovered"]


async def test_receiver_that_is_gone_switches_a_channel_off(database: Database, clock: FakeClock) -> None:
    """At once, with all that waits for it."""
    async with Post(database, clock) as post:
        ops = await post.add_channel()
        post.sender.answer = lambda _target, _dispatch: GONE
        await post.fire()
        await post.recover()
        await post.settle()
        assert (await post.channel(ops)).is_enabled is False
        assert await post.rows(ops) == [(FIRED, "failed", 1), (RESOLVED, "failed", 0)]


async def test_webhook_that_fails_ten_times_is_told_no_more(database: Database, clock: FakeClock) -> None:
    """With a system alert and notices, once; made active again it counts from nothing and hears what comes."""
    manager = await add_person(database, ORGANIZATION, "manager", "Admin", clock.now())
    async with Post(database, clock) as post:
        hook = await post.add_webhook("alert.fired")
        refused = SendResult(ok=False, status_code=404, error="answered 404", is_final=True)
        post.sender.answer = lambda _target, _dispatch: refused
        for number in range(20, 31):
            await post.fire(entity=Entity(EntityType.ENDPOINT, number, f"e{number}"))
            await post.settle()
            for seconds in (1, 5):
                clock.advance(seconds=seconds)
                await post.deliver()
        found = await post.webhook(hook)
        assert (found.is_active, found.failure_count, found.last_status) == (False, 10, "failed")
        assert await post.rows(hook) == [(FIRED, "failed", 3)] * 10
        async with database.read() as tx:
            [raised] = await list_system_alerts(tx, ORGANIZATION, None, 10)
        assert (raised.code, raised.subject_type, raised.subject_id) == ("DeliveryFailing", "Webhook", hook.id)
        told = await read_told(database, ORGANIZATION, manager)
        assert [each for each in told if each[0] != "incident_opened"] == [
            ("system", "critical", "Notifications do not arrive"),
            ("webhook_disabled", "warning", "Webhook Hook was disabled"),
        ]
        post.sender.answer = lambda _target, _dispatch: OK
        async with database.write() as tx:
            await webhooks.update_webhook(tx, CALLER, hook.id, WebhookDraft(is_active=True), LAB_RULES, clock.now())
        await post.fire(entity=Entity(EntityType.ENDPOINT, 40, "e40"))
        await post.settle()
        found = await post.webhook(hook)
        assert (found.is_active, found.failure_count, found.last_status) == (True, 0, "delivered")
        async with database.read() as tx:
            assert (await list_system_alerts(tx, ORGANIZATION, None, 10))[0].close_time == clock.now()


async def test_webhook_gets_what_it_wants_under_folded_names(database: Database, clock: FakeClock) -> None:
    """Alerts, incidents and monitors' events; what it did not ask for is not even kept for it."""
    async with Post(database, clock) as post:
        everything = await post.add_webhook(name="All")
        some = await post.add_webhook("endpoint.status_changed", name="Some")
        removed = {"endpoint_id": 12, "container_name": "", "reason": "deleted"}
        checked = {"endpoint_id": 12, "container_name": "", "target": "t", "success": True, "status": "up"}
        checked |= {"response_time_ms": 3, "http_status": 200, "error": None}
        async with database.write() as tx:
            await tell(tx, ORGANIZATION, [("endpoint.check_result", checked), ("endpoint.removed", removed)], clock.now())
        await post.fire()
        await post.settle()
        assert [event for event, _, _ in await post.rows(everything)] == ["endpoint.status_changed", "alert.fired", "incident.opened"]
        assert [event for event, _, _ in await post.rows(some)] == ["endpoint.status_changed"]
        bodies = {(body["type"], "event" in body["data"]): body for body in post.sender.bodies}
        assert bodies["endpoint.status_changed", True] == {
            "type": "endpoint.status_changed",
            "timestamp": "2026-06-01T08:00:00Z",
            "data": removed | {"event": "endpoint.removed"},
        }
        assert bodies["alert.fired", False]["data"]["alert"]["details"]["failures"] == 3
        assert bodies["incident.opened", False]["data"]["incident"]["incidentKey"] == "INC-000001"


async def test_hanging_receivers_delay_nobody_and_are_asked_once(database: Database, clock: FakeClock) -> None:
    """One request at a time to each of nine that hang; the tenth place is enough for all others."""
    async with Post(database, clock) as post:
        release = asyncio.Event()
        under_way: list[str] = []

        async def hang(name: str) -> SendResult:
            under_way.append(name)
            await release.wait()
            return OK

        def answer(target: Target, _dispatch: Dispatch) -> object:
            return hang(target.name) if target.name.startswith("Hang") else OK

        post.sender.answer = answer  # type: ignore[assignment]
        for number in range(9):
            await post.add_channel(f"Hang {number}")
        for number in range(5):
            await post.add_channel(f"Quick {number}")
        for number in range(20, 24):
            await post.fire(entity=Entity(EntityType.ENDPOINT, number, f"e{number}"))
        await post.route()
        async with asyncio.timeout(20):
            while len([name for name, _ in post.sender.told if name.startswith("Quick")]) < 20:
                await post.dispatcher.tick(clock.now())
                await asyncio.sleep(0)
        assert sorted(under_way) == [f"Hang {number}" for number in range(9)]
        release.set()
        await post.deliver()
        assert len(post.sender.bodies) == 14 * 4


async def test_at_most_ten_requests_are_under_way(database: Database, clock: FakeClock) -> None:
    """However many receivers there are, and all of them get theirs in the end."""
    async with Post(database, clock) as post:
        most, now = 0, 0

        async def count() -> SendResult:
            nonlocal most, now
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            now -= 1
            return OK

        post.sender.answer = lambda _target, _dispatch: count()
        for number in range(25):
            await post.add_channel(f"C{number}")
        await post.fire()
        await post.settle()
        assert (most, len(post.sender.bodies)) == (10, 25)


async def test_two_processes_send_nothing_twice(database: Database, clock: FakeClock) -> None:
    """What one holds the other leaves alone; what a dead one held is sent again once its lease is over, under the same identity."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Post(database, clock, "core-1"))
        second = await stack.enter_async_context(Post(database, clock, "core-2"))
        ops = await first.add_channel()
        release = asyncio.Event()

        async def hang() -> SendResult:
            await release.wait()
            return FAILED

        first.sender.answer = lambda _target, _dispatch: hang()
        await first.fire()
        await first.route()
        await first.dispatcher.tick(clock.now())
        async with asyncio.timeout(20):
            await first.sender.was_asked.wait()
        await second.deliver()
        assert second.sender.tried == []
        clock.advance(seconds=16)
        await second.deliver()
        assert second.sender.tried == first.sender.tried
        release.set()
        await first.finish()
        assert await first.rows(ops) == [(FIRED, "delivered", 1)]


async def test_deleted_and_disabled_channels_get_nothing_that_waits(database: Database, clock: FakeClock) -> None:
    """Of the deleted one nothing is left, of the disabled one that it failed."""
    async with Post(database, clock) as post:
        gone, off = await post.add_channel("Gone"), await post.add_channel("Off")
        await post.fire()
        await post.route()
        async with database.write() as tx:
            await channels.delete_channel(tx, CALLER, gone.id, clock.now())
            await channels.update_channel(tx, CALLER, off.id, ChannelDraft(is_enabled=False), LAB_RULES, clock.now())
        await post.deliver()
        assert post.sender.tried == []
        assert await post.rows(off) == [(FIRED, "failed", 0)]
