import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from lumetry_core.alerts.decisions import Transition, Verdict
from lumetry_core.alerts.model import Alert, AlertFilter, AlertState, CloseCause
from lumetry_core.alerts.monitors import Entity, EntityType, MonitorRecovery, MonitorReport, MonitorSource
from lumetry_core.alerts.service.handling import acknowledge, close
from lumetry_core.alerts.service.monitors import (
    end_for_entities,
    find_active_monitored,
    find_last_person_close,
    report_firing,
    report_recovery,
)
from lumetry_core.alerts.service.reading import explain, get_alert, list_alerts
from lumetry_core.alerts.service.transitions import CORRELATION
from lumetry_core.alerts.spelling import spell_monitored
from lumetry_core.feed.service import tell
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import system_caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.events import read_after
from lumetry_core.runtime.queue import claim
from tests.conftest import FakeClock

SHOP = Entity(EntityType.ENDPOINT, 12, "shop")


def report(clock: FakeClock, severity: Severity = Severity.WARNING, **changes: object) -> MonitorReport:
    """A condition of an endpoint."""
    found = MonitorReport(
        source=MonitorSource.ENDPOINT,
        alert_type="consecutive_failure",
        entity=SHOP,
        severity=severity,
        alert_name="Endpoint down: shop",
        message="3 checks in a row failed: connection refused",
        details={"target": "http://shop/", "failures": 3, "threshold": 3, "last_error": "connection refused"},
        start_time=clock.now() - timedelta(minutes=1),
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def recovery(clock: FakeClock, **changes: object) -> MonitorRecovery:
    """Its end."""
    found = MonitorRecovery(
        source=MonitorSource.ENDPOINT,
        alert_type="consecutive_failure",
        entity_type=EntityType.ENDPOINT,
        entity_id=12,
        end_time=clock.now(),
        details={"successes": 2},
    )
    return replace(found, **changes)  # type: ignore[arg-type]


async def fire(database: Database, clock: FakeClock, *reports: MonitorReport) -> list[Alert]:
    """Reports and commits."""
    async with database.write() as tx:
        return await report_firing(tx, 7, reports, clock.now())


async def told(database: Database) -> list[tuple[str, str]]:
    """Kind of each event of the feed, and the status of the alert in it."""
    async with database.read() as tx:
        events = await read_after(tx, 7, 0, ["monitoring"], 1000)
    return [(event.kind, msgspec.msgpack.decode(event.subject)["alert"]["status"]) for event in events]


async def work(database: Database) -> list[tuple[str, object]]:
    """What correlation is to do."""
    async with database.write() as tx:
        return [(item.kind, item.payload) for item in await claim(tx, CORRELATION)]


async def test_report_opens_an_alert_that_both_families_spell(database: Database, clock: FakeClock) -> None:
    """With its trace, its event and its work, and spelled as the contract writes it."""
    (opened,) = await fire(database, clock, report(clock))
    assert spell_monitored(opened) == {
        "id": opened.id,
        "source": "endpoint",
        "alert_type": "consecutive_failure",
        "severity": "warning",
        "status": "active",
        "message": "3 checks in a row failed: connection refused",
        "entity_type": "endpoint",
        "entity_id": 12,
        "entity_name": "shop",
        "details": {"target": "http://shop/", "failures": 3, "threshold": 3, "last_error": "connection refused"},
        "resolved_by_id": None,
        "fired_at": "2026-06-01T07:59:00Z",
        "created_at": "2026-06-01T08:00:00Z",
        "resolved_at": None,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "escalated_at": None,
        "incident_id": None,
        "source_kind": "Monitor",
    }
    assert (opened.dimension_key, opened.title) == ("monitor.id=12|monitor.type=endpoint", "Endpoint down: shop")
    async with database.read() as tx:
        assert await get_alert(tx, 7, opened.id) == opened
        trace = await explain(tx, system_caller(7), opened.id, Transition.OPEN)
    assert [gate.verdict for gate in trace.gates[:3]] == [Verdict.PASSED] * 3
    assert await told(database) == [("alert.fired", "active")]
    assert await work(database) == [("alert_opened", {"alert_id": opened.id})]


async def test_report_of_an_open_alert_changes_details_only(database: Database, clock: FakeClock) -> None:
    """As long as it is no worse nothing is told; what is lower does not lower it."""
    (opened,) = await fire(database, clock, report(clock, Severity.CRITICAL))
    clock.advance(minutes=1)
    (again,) = await fire(database, clock, report(clock, details={"failures": 4}))
    assert again == replace(opened, details={"failures": 4}, update_time=clock.now())
    async with database.read() as tx:
        assert await get_alert(tx, 7, opened.id) == again
    assert await told(database) == [("alert.fired", "active")]


async def test_report_of_a_higher_severity_raises_in_place(database: Database, clock: FakeClock) -> None:
    """It is fired again, and whoever tells people hears what it rose from."""
    (opened,) = await fire(database, clock, report(clock, Severity.INFO))
    clock.advance(minutes=1)
    (raised,) = await fire(database, clock, report(clock, Severity.CRITICAL, message="Worse"))
    assert (raised.id, raised.severity, raised.escalate_time, raised.trigger_reason) == (
        opened.id,
        Severity.CRITICAL,
        clock.now(),
        "Worse",
    )
    assert await told(database) == [("alert.fired", "active")] * 2
    assert (await work(database))[-1] == ("alert_escalated", {"alert_id": opened.id, "from": "Info"})


async def test_report_that_rises_twice_keeps_the_newest_trace(database: Database, clock: FakeClock) -> None:
    """From `info` to `warning` and then to `critical` in one alert."""
    for severity in Severity:
        (alert,) = await fire(database, clock, report(clock, severity))
    async with database.read() as tx:
        trace = await explain(tx, system_caller(7), alert.id, Transition.ESCALATE)
    assert trace.gates[2].reason == "The open alert rises from Warning to Critical"


async def test_info_is_unknown_to_lists_of_the_other_family_until_it_rises(database: Database, clock: FakeClock) -> None:
    """9.5: `/api/alerts` lists all but `info`; its streams begin with the rise."""
    await fire(database, clock, report(clock, Severity.INFO))
    async with database.read() as tx:
        assert await list_alerts(tx, 7, AlertFilter()) == []
        assert await read_after(tx, 7, 0, ["alerts"], 10) == []
    (raised,) = await fire(database, clock, report(clock))
    async with database.read() as tx:
        assert await list_alerts(tx, 7, AlertFilter()) == [raised]
        assert [event.kind for event in await read_after(tx, 7, 0, ["alerts"], 10)] == ["alert.opened"]


async def test_report_with_another_renewal_is_told_again(database: Database, clock: FakeClock) -> None:
    """A lower threshold of a certificate is, whether or not it is worse; its severity may fall."""
    await fire(database, clock, report(clock, Severity.WARNING, renewal="14", follows=True))
    for renewal, severity in (("7", Severity.WARNING), ("7", Severity.WARNING), ("3", Severity.INFO)):
        (alert,) = await fire(database, clock, report(clock, severity, renewal=renewal, follows=True))
    assert (alert.renewal, alert.severity) == ("3", Severity.INFO)
    assert [kind for kind, _ in await work(database)] == ["alert_opened", "alert_renewed", "alert_renewed"]


async def test_recovery_closes_with_further_details(database: Database, clock: FakeClock) -> None:
    """Once; without an open alert it does nothing."""
    (opened,) = await fire(database, clock, report(clock))
    clock.advance(minutes=5)
    async with database.write() as tx:
        (closed,) = await report_recovery(tx, 7, [recovery(clock)], clock.now())
        assert await report_recovery(tx, 7, [recovery(clock)], clock.now()) == []
        assert await report_recovery(tx, 7, [recovery(clock, entity_id=13)], clock.now()) == []
    assert closed == replace(
        opened,
        state=AlertState.CLOSED,
        end_time=clock.now(),
        close_cause=CloseCause.RECOVERY,
        update_time=clock.now(),
        details={**(opened.details or {}), "successes": 2},
    )
    async with database.read() as tx:
        assert await get_alert(tx, 7, opened.id) == closed
    assert await told(database) == [("alert.fired", "active"), ("alert.resolved", "resolved")]


async def test_alerts_of_one_monitor_are_apart_by_type_and_organization(database: Database, clock: FakeClock) -> None:
    """A second type opens its own; another organization's numbers are others."""
    first, second = await fire(database, clock, report(clock), report(clock, alert_type="other"))
    async with database.write() as tx:
        (foreign,) = await report_firing(tx, 8, [report(clock)], clock.now())
        assert await find_active_monitored(tx, 7, EntityType.ENDPOINT, [12]) == [first, second]
        ended = await end_for_entities(tx, 7, EntityType.ENDPOINT, [12], "The endpoint was deleted", clock.now())
    assert [alert.id for alert in ended] == [first.id, second.id]
    assert {alert.close_cause for alert in ended} == {CloseCause.MONITOR_ENDED}
    async with database.read() as tx:
        assert await find_active_monitored(tx, 8, EntityType.ENDPOINT, [12]) == [foreign]


async def test_report_after_a_person_closed_opens_another(database: Database, clock: FakeClock) -> None:
    """And when that was can be asked for."""
    (opened,) = await fire(database, clock, report(clock))
    clock.advance(minutes=5)
    async with database.write() as tx:
        await close(tx, system_caller(7), opened.id, "", clock.now())
    kinds = (MonitorSource.ENDPOINT, "consecutive_failure", EntityType.ENDPOINT)
    async with database.read() as tx:
        assert await find_last_person_close(tx, 7, *kinds, [12, 13]) == {12: clock.now()}
        assert await find_last_person_close(tx, 8, *kinds, [12, 13]) == {}
    (another,) = await fire(database, clock, report(clock))
    assert another.id > opened.id


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_several_reports_are_answered_in_their_order(database: Database, clock: FakeClock, order: Sequence[int]) -> None:
    """Whichever of them are new."""
    other = report(clock, entity=Entity(EntityType.ENDPOINT, 13, "blog"))
    await fire(database, clock, other)
    reports = [report(clock), other]
    found = await fire(database, clock, *(reports[position] for position in order))
    assert [alert.entity_id for alert in found] == [(12, 13)[position] for position in order]


async def test_simultaneous_reports_of_a_new_condition_open_one_alert(database: Database, clock: FakeClock) -> None:
    """Whoever comes second waits, finds it open and goes on; what else it does is kept, whether or not it told events before."""

    async def produce(entity_ids: Sequence[int], *, tells_first: bool) -> list[Alert]:
        async with database.write() as tx:
            if tells_first:
                await tell(tx, 7, [("heartbeat.deleted", {"heartbeat_id": 1})], clock.now())
            reports = [report(clock, entity=replace(SHOP, id=number)) for number in entity_ids]
            return await report_firing(tx, 7, reports, clock.now())

    orders = ([1, 2, 3], [3, 2, 1], [2, 3, 4], [4, 1])
    found = await asyncio.gather(*(produce(order, tells_first=number % 2 == 0) for number, order in enumerate(orders * 2)))
    async with database.read() as tx:
        active = await find_active_monitored(tx, 7, EntityType.ENDPOINT, [1, 2, 3, 4])
    number_of = {alert.entity_id: alert.id for alert in active}
    assert len(active) == 4
    assert [[alert.id for alert in alerts] for alerts in found] == [[number_of[one] for one in order] for order in orders * 2]
    assert [item for item in await work(database) if item[0] == "alert_opened"] == [
        ("alert_opened", {"alert_id": number}) for number in sorted(number_of.values())
    ]


async def test_report_that_lowers_the_severity_is_published(database: Database, clock: FakeClock) -> None:
    """A condition that follows may become less: lists that are open see it, people are not told again."""
    (opened,) = await fire(database, clock, report(clock, Severity.CRITICAL, follows=True))
    (lower,) = await fire(database, clock, report(clock, Severity.WARNING, follows=True))
    assert (lower.id, lower.severity, lower.escalate_time) == (opened.id, Severity.WARNING, None)
    async with database.read() as tx:
        assert [event.kind for event in await read_after(tx, 7, 0, ["alerts"], 10)] == ["alert.opened", "alert.updated"]
    assert await told(database) == [("alert.fired", "active")]


async def test_info_is_unknown_to_the_other_family_but_can_be_closed(database: Database, clock: FakeClock) -> None:
    """9.5: people who acknowledge it there are told that there is none; nobody else closes alerts, so that is done by number."""
    (opened,) = await fire(database, clock, report(clock, Severity.INFO))
    async with database.write() as tx:
        with pytest.raises(LumetryError) as caught:
            await acknowledge(tx, system_caller(7), opened.id, "", clock.now(), is_listed=True)
        assert caught.value.reason is Reason.NOT_FOUND
        await acknowledge(tx, system_caller(7), opened.id, "", clock.now())
        closed = await close(tx, system_caller(7), opened.id, "", clock.now())
    assert (closed.state, closed.severity) == (AlertState.CLOSED, Severity.INFO)
