from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy.exc import IntegrityError

from lumetry_core.alerts.decisions import Transition
from lumetry_core.alerts.model import (
    Alert,
    AlertState,
    CloseCause,
    Closing,
    Eligibility,
    Escalation,
    Opening,
    SourceKind,
    Trigger,
)
from lumetry_core.alerts.service import handling, membership, reading, transitions
from lumetry_core.alerts.store.decisions import read_explanation
from lumetry_core.rules.model import RuleStatus, Severity
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.events import read_after
from lumetry_core.runtime.queue import claim

Build = Callable[..., Opening]
Open = Callable[..., Awaitable[list[Alert]]]
CALLER = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin")


async def work_of(database: Database) -> list[tuple[str, dict[str, int]]]:
    async with database.write() as tx:
        return [(item.kind, item.payload) for item in await claim(tx, "correlation")]


async def events_of(database: Database) -> list[tuple[str, Alert]]:
    async with database.read() as tx:
        found = await read_after(tx, 7, 0, ["alerts"], 100)
    return [(event.kind, msgspec.msgpack.decode(event.subject, type=Alert)) for event in found]


def closing(alert: Alert, minutes: float) -> Closing:
    end_time = alert.start_time + timedelta(minutes=minutes)
    return Closing(alert.id, 17, "Database health", end_time, alert.start_time, 5)


async def test_open_alerts_stores_publishes_and_hands_over(database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """An alert starts at its trigger, and everyone who waits for it hears of it."""
    first = opening(dimension_key=None, trigger=Trigger(1, 1, 1))
    opened = await open_all(first, opening(rule_id=18))
    assert opened[0] == Alert(
        id=opened[0].id,
        organization_id=7,
        rule_id=17,
        rule_epoch=2,
        metric_key="db.latency",
        metric_display_name="Latency",
        dimension_key=None,
        alert_name="Database is slow",
        source_kind=SourceKind.METRIC_RULE,
        state=AlertState.OPEN,
        severity=Severity.WARNING,
        alert_level_id=3,
        trigger_reason="1 violation within 1 minute",
        violation_count=1,
        start_time=first.start_time,
        end_time=None,
        acknowledge_time=None,
        incident_id=None,
        incident_eligibility=None,
        watch_start_time=None,
        last_resolved_incident_id=None,
        first_violation_time=first.first_violation_time,
        last_not_clear_time=first.last_not_clear_time,
        close_cause=None,
        create_time=clock.now(),
        update_time=clock.now(),
    )
    async with database.read() as tx:
        assert await reading.find_alerts(tx, 7, [alert.id for alert in opened]) == opened
        assert await transitions.active_rule_alerts(tx, 7) == opened
        assert await read_explanation(tx, 7, opened[1].id, Transition.OPEN) is not None
    assert await work_of(database) == [("alert_opened", {"alert_id": alert.id}) for alert in opened]
    assert await events_of(database) == [("alert.opened", alert) for alert in opened]


async def test_open_alerts_numbers_many_in_order(database: Database, opening: Build, open_all: Open) -> None:
    """Numbers rise in the order of the openings and are never given twice."""
    first = await open_all(*(opening(dimension_key=f"host.id={position}") for position in range(3000)))
    second = await open_all(*(opening(rule_id=18, dimension_key=f"host.id={position}") for position in range(10)))
    ids = [alert.id for alert in (*first, *second)]
    assert ids == sorted(set(ids))
    async with database.read() as tx:
        stored = await transitions.active_rule_alerts(tx, 7)
    assert stored == [*first, *second]


async def test_open_alerts_refuses_a_second_active_one(opening: Build, open_all: Open) -> None:
    """One rule and member have at most one active alert; another organization's do not count."""
    await open_all(opening())
    await open_all(opening(), organization_id=8)
    with pytest.raises(IntegrityError):
        await open_all(opening())


async def test_escalate_raises_severity_and_keeps_the_start(database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """Level and reason change with the severity; a closed alert stays as it is."""
    opened, over = await open_all(opening(), opening(rule_id=18))
    clock.advance(minutes=1)  # type: ignore[attr-defined]
    async with database.write() as tx:
        await transitions.close_by_recovery(tx, 7, [closing(over, 5)], clock.now())
        escalations = [Escalation(alert.id, 17, "Database health", Severity.CRITICAL, 4, Trigger(2, 1, 5)) for alert in (over, opened)]
        escalated = await transitions.escalate(tx, 7, escalations, clock.now())
    expected = replace(
        opened,
        severity=Severity.CRITICAL,
        alert_level_id=4,
        trigger_reason="2 violations within 5 minutes",
        escalate_time=clock.now(),
        update_time=clock.now(),
    )
    assert escalated == [expected]
    async with database.read() as tx:
        assert await reading.get_alert(tx, 7, opened.id) == expected
        assert (await reading.explain(tx, CALLER, opened.id, "escalate")).gates[2].reason == "The open alert rises from Warning to Critical"
    assert (await work_of(database))[-1] == ("alert_escalated", {"alert_id": opened.id})
    assert (await events_of(database))[-1] == ("alert.updated", expected)


async def test_add_violations_counts_on_closed_alerts_too(database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """Late violations may join an alert that is over; correlation follows with its own counters."""
    first, second = await open_all(opening(), opening(rule_id=18))
    async with database.write() as tx:
        await transitions.close_by_recovery(tx, 7, [closing(first, 5)], clock.now())
        await transitions.add_violations(tx, 7, {second.id: 3, first.id: 1}, clock.now())
        await transitions.add_violations(tx, 7, {}, clock.now())
        await transitions.add_violations(tx, 8, {second.id: 100}, clock.now())
    async with database.read() as tx:
        found = await reading.find_alerts(tx, 7, [first.id, second.id])
    assert [alert.violation_count for alert in found] == [12, 14]
    assert [item for item in await work_of(database) if item[0] == "violations_added"] == [
        ("violations_added", {"alert_id": first.id, "count": 1}),
        ("violations_added", {"alert_id": second.id, "count": 3}),
    ]


async def test_close_by_recovery_ends_at_the_clear_point(database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """The end is the point's time; the watch ends, its incident stays known; closing twice changes nothing."""
    (opened,) = await open_all(opening())
    async with database.write() as tx:
        await membership.set_incidents(tx, 7, {opened.id: 5}, clock.now())
        await membership.start_watch(tx, 7, 5, clock.now())
        closed = await transitions.close_by_recovery(tx, 7, [closing(opened, 6)], clock.now())
        assert await transitions.close_by_recovery(tx, 7, [closing(opened, 9)], clock.now()) == []
    expected = replace(
        opened,
        state=AlertState.CLOSED,
        end_time=opened.start_time + timedelta(minutes=6),
        close_cause=CloseCause.RECOVERY,
        incident_id=5,
        last_resolved_incident_id=5,
        update_time=clock.now(),
    )
    assert closed == [expected]
    async with database.read() as tx:
        assert await reading.get_alert(tx, 7, opened.id) == expected
        assert await transitions.active_rule_alerts(tx, 7) == []
        assert (await reading.explain(tx, CALLER, opened.id, "close")).gates[2].reason == "Clear for 6 min, 5 min needed"
    assert [item for item in await work_of(database) if item[0] == "alert_closed"] == [("alert_closed", {"alert_id": opened.id})]
    assert (await events_of(database))[-1] == ("alert.closed", expected)
    assert (await open_all(opening()))[0].id > opened.id


async def test_close_for_rule_closes_all_its_alerts(database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """Acknowledged ones too; alerts of other rules and organizations stay."""
    mine = await open_all(opening(), opening(dimension_key="host.id=b"), opening(rule_id=18))
    await open_all(opening(), organization_id=8)
    async with database.write() as tx:
        await handling.acknowledge(tx, CALLER, mine[0].id, "", clock.now())
        closed = await transitions.close_for_rule(tx, 7, 17, "Database health", RuleStatus.DRAFT, clock.now())
    assert [(alert.id, alert.end_time, alert.close_cause) for alert in closed] == [
        (mine[0].id, clock.now(), CloseCause.RULE_LEFT_ACTIVE),
        (mine[1].id, clock.now(), CloseCause.RULE_LEFT_ACTIVE),
    ]
    async with database.read() as tx:
        assert await transitions.active_rule_alerts(tx, 7) == [mine[2]]
        assert len(await transitions.active_rule_alerts(tx, 8)) == 1


async def test_set_last_not_clear_is_read_back(database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """Evaluation finds what it remembered after a restart."""
    first, second = await open_all(opening(), opening(rule_id=18))
    async with database.write() as tx:
        await transitions.set_last_not_clear(tx, 7, {first.id: clock.now()})
        await transitions.set_last_not_clear(tx, 7, {})
        await transitions.set_last_not_clear(tx, 8, {second.id: clock.now()})
    async with database.read() as tx:
        assert await transitions.active_rule_alerts(tx, 7) == [replace(first, last_not_clear_time=clock.now()), second]


async def test_set_first_violation_widens_what_an_alert_covers(database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """An alert may take in an older violation than those that opened it."""
    (opened,) = await open_all(opening())
    older = clock.now() - timedelta(hours=1)
    async with database.write() as tx:
        assert await transitions.find_covering(tx, 7, [(17, "host.id=a", older)]) == [None]
        await transitions.set_first_violation(tx, 7, {opened.id: older})
        await transitions.set_first_violation(tx, 7, {})
        assert await transitions.find_covering(tx, 7, [(17, "host.id=a", older)]) == [opened.id]
        assert await reading.get_alert(tx, 7, opened.id) == replace(opened, first_violation_time=older)


async def test_find_covering_finds_the_alert_of_a_late_violation(database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """From the first violation to the end, both included; while open there is no end."""
    (closed,) = await open_all(opening(30))
    async with database.write() as tx:
        await transitions.close_by_recovery(tx, 7, [closing(closed, 6)], clock.now())
    (current,) = await open_all(opening(1))
    await open_all(opening(dimension_key=None))
    first_time, end_time = closed.first_violation_time, closed.start_time + timedelta(minutes=6)
    assert first_time is not None
    second = timedelta(seconds=1)
    probes = [
        (17, "host.id=a", first_time - second),
        (17, "host.id=a", first_time),
        (17, "host.id=a", end_time),
        (17, "host.id=a", end_time + second),
        (17, "host.id=a", clock.now() + timedelta(hours=1)),
        (17, "host.id=b", first_time),
        (18, "host.id=a", first_time),
    ]
    async with database.read() as tx:
        found = await transitions.find_covering(tx, 7, probes)
        assert await transitions.find_covering(tx, 8, probes[1:2] * 300) == [None] * 300
        assert await transitions.find_covering(tx, 7, []) == []
    assert found == [None, closed.id, closed.id, None, current.id, None, None]


async def test_manual_closings_tells_when_people_closed(database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """Only closes by people count, the newest of each rule and member, since the given time."""
    for minutes in (0, 10):
        clock.advance(minutes=minutes)  # type: ignore[attr-defined]
        (alert,) = await open_all(opening())
        async with database.write() as tx:
            await handling.close(tx, CALLER, alert.id, "", clock.now())
    (recovered,) = await open_all(opening(rule_id=18, dimension_key=None))
    async with database.write() as tx:
        await transitions.close_by_recovery(tx, 7, [closing(recovered, 6)], clock.now())
    async with database.read() as tx:
        found = await transitions.manual_closings(tx, 7, clock.now() - timedelta(hours=1))
        assert await transitions.manual_closings(tx, 7, clock.now() + timedelta(seconds=1)) == {}
    assert found == {(17, "host.id=a"): clock.now()}


async def test_watch_follows_active_members(database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """A resolution starts the watch of active members; reopening ends it."""
    first, second, third = await open_all(opening(), opening(rule_id=18), opening(rule_id=19))
    async with database.write() as tx:
        await membership.set_incidents(tx, 7, {first.id: 5, second.id: 5, third.id: 6}, clock.now())
        await transitions.close_by_recovery(tx, 7, [closing(second, 6)], clock.now())
        watched = await membership.start_watch(tx, 7, 5, clock.now())
    expected = replace(
        first,
        incident_id=5,
        incident_eligibility=Eligibility.POST_RESOLUTION_WATCH,
        watch_start_time=clock.now(),
        last_resolved_incident_id=5,
        update_time=clock.now(),
    )
    assert watched == [expected]
    async with database.write() as tx:
        assert await membership.watched_alerts(tx, 7) == watched
        ended = await membership.end_watch(tx, 7, [first.id], clock.now())
        assert ended == [replace(expected, incident_eligibility=None, watch_start_time=None)]
        assert await membership.watched_alerts(tx, 7) == []
        assert await reading.find_alerts(tx, 7, [first.id]) == ended
    assert (await events_of(database))[-1] == ("alert.updated", ended[0])
