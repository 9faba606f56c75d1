from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.monitors import Entity, EntityType
from lumetry_core.alerts.service.membership import release, suppress
from lumetry_core.alerts.service.monitors import report_firing, report_recovery
from lumetry_core.alerts.service.reading import get_alert
from lumetry_core.alerts.service.silence_rules import SilenceRuleDraft, cancel_rule, create_rule, list_rules
from lumetry_core.alerts.service.silences import MatchersDraft, SilenceDraft, create_silence, list_silences
from lumetry_core.alerts.service.upkeep import organizations_due
from lumetry_core.alerts.spelling import status_of
from lumetry_core.alerts.store.alerts import update_alerts
from lumetry_core.alerts.worker import OperationsKeeper
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.events import read_after
from lumetry_core.runtime.queue import claim
from tests.conftest import FakeClock
from tests.core.alerts.service.test_monitors import recovery, report

CALLER = system_caller(7)


async def fire(database: Database, clock: FakeClock, **changes: object) -> Alert:
    """Reports a condition."""
    async with database.write() as tx:
        (alert,) = await report_firing(tx, 7, [report(clock, **changes)], clock.now())  # type: ignore[arg-type]
    return alert


async def silence(database: Database, clock: FakeClock, seconds: int = 60, **filters: object) -> int:
    """Makes a rule; its number."""
    async with database.write() as tx:
        draft = SilenceRuleDraft(duration_seconds=seconds, **filters)  # type: ignore[arg-type]
        return (await create_rule(tx, CALLER, draft, clock.now())).id


async def status(database: Database, alert: Alert) -> str:
    """How an alert stands."""
    async with database.read() as tx:
        return status_of(await get_alert(tx, 7, alert.id))


async def kinds(database: Database) -> list[str]:
    """What the feed told of alerts and rules."""
    async with database.read() as tx:
        return [event.kind for event in await read_after(tx, 7, 0, ["monitoring"], 1000)]


@pytest.mark.parametrize(
    ("filters", "is_silenced"),
    [
        ({}, True),
        ({"source": "endpoint"}, True),
        ({"source": "heartbeat"}, False),
        ({"entity_type": "endpoint", "entity_id": 12}, True),
        ({"entity_type": "endpoint", "entity_id": 13}, False),
        ({"entity_type": "endpoint", "source": "container"}, False),
    ],
)
async def test_rule_mutes_what_it_matches(database: Database, clock: FakeClock, filters: dict[str, object], is_silenced: bool) -> None:
    """All filters that are set must be equal; none matches every alert."""
    await silence(database, clock, **filters)
    alert = await fire(database, clock)
    assert await status(database, alert) == ("silenced" if is_silenced else "active")
    assert await kinds(database) == ["silence.created", "alert.silenced" if is_silenced else "alert.fired"]


async def test_rule_does_not_touch_what_was_active_before(database: Database, clock: FakeClock) -> None:
    """Such an alert stays active, also when it rises."""
    alert = await fire(database, clock)
    await silence(database, clock)
    raised = await fire(database, clock, severity=Severity.CRITICAL)
    assert (raised.id, await status(database, alert)) == (alert.id, "active")


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_end_of_the_last_rule_lets_go(database: Database, clock: FakeClock, is_cancelled: bool) -> None:
    """What still holds is fired then, and routing looks again; as long as another rule matches it stays silenced."""
    first, second = await silence(database, clock, 60), await silence(database, clock, 120)
    alert = await fire(database, clock)
    keeper = OperationsKeeper(database)
    for number, expected in ((first, "silenced"), (second, "active")):
        if is_cancelled:
            async with database.write() as tx:
                await cancel_rule(tx, CALLER, number, clock.now())
        else:
            clock.advance(seconds=60)
            await keeper.tick(clock.now())
        assert await status(database, alert) == expected
    assert (await kinds(database))[-1] == "alert.fired"
    async with database.write() as tx:
        items = await claim(tx, "routing")
    assert {item.payload["silence_id"] for item in items if item.kind == "silence_ended"} == {first, second}


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_alert_that_is_stored_after_its_rule_ended_is_let_go(database: Database, clock: FakeClock, is_cancelled: bool) -> None:
    """Its transaction may have begun before that; it is looked for once more a little later."""
    number = await silence(database, clock)
    if not is_cancelled:
        clock.advance(seconds=60)
    keeper = OperationsKeeper(database)
    early = FakeClock(clock.now() - timedelta(seconds=1))
    if is_cancelled:
        async with database.write() as tx:
            await cancel_rule(tx, CALLER, number, clock.now())
    else:
        await keeper.tick(clock.now())
    alert = await fire(database, early)
    async with database.write() as tx:
        await update_alerts(tx, 7, {alert.id: {"silence_id": number}})
    clock.advance(seconds=9)
    await keeper.tick(clock.now())
    assert await status(database, alert) == "silenced"
    clock.advance(seconds=1)
    await keeper.tick(clock.now())
    assert await status(database, alert) == "active"
    async with database.read() as tx:
        assert await organizations_due(tx, clock.now()) == []


async def test_alert_that_rises_out_of_its_silence_is_fired(database: Database, clock: FakeClock) -> None:
    """A silence of warnings mutes none that is critical; another that matches goes on muting it."""
    matchers = MatchersDraft(severity="Warning")
    async with database.write() as tx:
        draft = SilenceDraft(matchers=matchers, start_time=clock.now(), end_time=clock.now() + timedelta(hours=1), reason="work")
        await create_silence(tx, CALLER, draft, clock.now())
    alert = await fire(database, clock)
    assert await status(database, alert) == "silenced"
    raised = await fire(database, clock, severity=Severity.CRITICAL)
    assert (status_of(raised), await status(database, alert)) == ("active", "active")
    assert await kinds(database) == ["alert.silenced", "alert.fired"]


async def test_rule_judges_what_a_window_lets_go(database: Database, clock: FakeClock) -> None:
    """The alert fires then: one that a rule matches stays silenced until the rule ends."""
    alert = await fire(database, clock)
    async with database.write() as tx:
        await suppress(tx, 7, {alert.id: 3}, clock.now())
    number = await silence(database, clock)
    async with database.write() as tx:
        await release(tx, 7, [alert.id], clock.now())
    assert await status(database, alert) == "silenced"
    async with database.write() as tx:
        await cancel_rule(tx, CALLER, number, clock.now())
    assert await status(database, alert) == "active"
    assert await kinds(database) == ["alert.fired", "alert.silenced", "silence.created", "silence.cancelled", "alert.fired"]


async def test_recovery_of_a_silenced_alert_resolves_it(database: Database, clock: FakeClock) -> None:
    """The end of the rule then fires nothing."""
    await silence(database, clock)
    alert = await fire(database, clock)
    async with database.write() as tx:
        await report_recovery(tx, 7, [recovery(clock)], clock.now())
    clock.advance(seconds=60)
    await OperationsKeeper(database).tick(clock.now())
    assert await status(database, alert) == "resolved"
    assert await kinds(database) == ["silence.created", "alert.silenced", "alert.resolved"]


async def test_cancel_keeps_the_row_and_may_be_repeated(database: Database, clock: FakeClock) -> None:
    """Cancelled rules are listed as over; an unknown number, one of another organization or of the other family is not found."""
    number = await silence(database, clock)
    for _ in range(2):
        async with database.write() as tx:
            await cancel_rule(tx, CALLER, number, clock.now())
    async with database.write() as tx:
        assert await list_rules(tx, CALLER, True, clock.now()) == []
        (rule,) = await list_rules(tx, CALLER, False, clock.now())
        assert (rule.id, rule.delete_time) == (number, clock.now())
        assert await list_rules(tx, CALLER, None, clock.now()) == [rule]
        assert await list_silences(tx, CALLER, None, 0, clock.now()) == []
        for caller, wanted in ((CALLER, number + 1), (system_caller(8), number)):
            with pytest.raises(LumetryError) as caught:
                await cancel_rule(tx, caller, wanted, clock.now())
            assert caught.value.reason is Reason.NOT_FOUND
    assert await kinds(database) == ["silence.created", "silence.cancelled"]


async def test_create_names_every_fault(database: Database, clock: FakeClock) -> None:
    """And makes no rule."""
    draft = SilenceRuleDraft(duration_seconds=0, entity_type="pod", source="radio", reason="x" * 501)
    async with database.write() as tx:
        with pytest.raises(LumetryError) as caught:
            await create_rule(tx, CALLER, draft, clock.now())
        assert [fault.path for fault in caught.value.faults] == ["duration_seconds", "entity_type", "source", "reason"]
        with pytest.raises(LumetryError) as caught:
            await create_rule(tx, CALLER, replace(draft, duration_seconds=None, entity_type=None, entity_id=4), clock.now())
        assert [fault.path for fault in caught.value.faults] == ["duration_seconds", "entity_id", "source", "reason"]
        assert await list_rules(tx, CALLER, None, clock.now()) == []


async def test_rule_mutes_alerts_of_other_sources(database: Database, clock: FakeClock) -> None:
    """The event carries the alert with its status and details as an object."""
    await silence(database, clock, entity_type="container", entity_id=3)
    await fire(database, clock, entity=Entity(EntityType.CONTAINER, 3, "db"))
    async with database.read() as tx:
        event = (await read_after(tx, 7, 0, ["monitoring"], 10))[-1]
    alert = msgspec.msgpack.decode(event.subject)["alert"]
    assert (event.kind, alert["status"], alert["details"]["failures"]) == ("alert.silenced", "silenced", 3)
