"""What rules make of entries, from the push to the alert."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from lumetry_core.alerts.model import AlertState, CloseCause
from lumetry_core.incidents.keys import correlation_key_of
from lumetry_core.logrules.worker import LogReader
from lumetry_core.logs.service import handling
from lumetry_core.logs.store.blocks import NEW, log_blocks
from lumetry_core.projects.links import LinkType
from lumetry_core.projects.service.links import replace_links
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.errors import Faults
from tests.core.logrules.world import World


async def test_tick_opens_one_alert_at_the_threshold(world: World) -> None:
    """Two matches are not enough, the third opens the alert, which says why and names what matched."""
    rule = await world.create(error_type="PaymentError", severity="critical", count_threshold=3, time_window_minutes=5)
    await world.tell(world.failure(traces=("t1", None, None)), world.failure())
    assert await world.alerts() == []
    await world.tell(world.failure(traces=("t2", None, None)), world.failure("unrelated", kind="Timeout"))
    [alert] = await world.alerts()
    details = dict(alert.details or {})
    samples = details.pop("sample_entry_ids")
    assert details == {
        "rule_id": rule.id,
        "rule_name": "Payments",
        "error_type": "PaymentError",
        "count": 3,
        "count_threshold": 3,
        "time_window_minutes": 5,
        "group_ids": details["group_ids"],
        "project_id": None,
        "environment": None,
        "trace_ids": ["t1", "t2"],
    }
    assert (len(samples), len(details["group_ids"])) == (3, 1)
    assert (alert.severity, alert.start_time, alert.trigger_reason, alert.title) == (
        Severity.CRITICAL,
        world.clock.now(),
        "3 PaymentError entries within 5 minutes",
        "Payments",
    )
    assert (alert.monitor_source, alert.alert_type, alert.entity_type, alert.entity_id) == ("log", "log_rule", "log_rule", rule.id)
    assert correlation_key_of(alert) == f"monitor:log_rule:{rule.id}"
    await world.tell(world.failure(), world.failure())
    [again] = await world.alerts()
    assert (again.id, (again.details or {})["count"], again.trigger_reason) == (alert.id, 5, alert.trigger_reason)


async def test_tick_names_the_last_ten(world: World) -> None:
    """Of many matches an alert names the last ten entries and traces."""
    await world.create()
    await world.tell(*(world.failure(traces=(f"t{number}", None, None)) for number in range(60)))
    [alert] = await world.alerts()
    details = alert.details or {}
    assert (details["count"], len(details["sample_entry_ids"]), details["trace_ids"]) == (
        60,
        10,
        [f"t{number}" for number in range(50, 60)],
    )
    assert details["sample_entry_ids"] == sorted(details["sample_entry_ids"])


async def test_alert_ends_when_quiet(world: World) -> None:
    """An alert ends once nothing matched for the quiet time by the server's clock, and another match opens another one."""
    await world.create(quiet_minutes=10)
    await world.tell(world.failure())
    await world.pass_time(minutes=9)
    await world.tell(world.failure(seconds=0))
    await world.pass_time(minutes=9, seconds=59)
    assert [alert.state for alert in await world.alerts()] == [AlertState.OPEN]
    await world.pass_time(seconds=1)
    [ended] = await world.alerts()
    assert (ended.state, ended.close_cause, ended.end_time) == (AlertState.CLOSED, CloseCause.RECOVERY, world.clock.now())
    await world.tell(world.failure())
    assert [alert.state for alert in await world.alerts()] == [AlertState.CLOSED, AlertState.OPEN]


async def test_alert_that_a_person_closed_comes_back_with_the_next_match(world: World) -> None:
    """After a close the next match opens another alert while the threshold is still reached, and not otherwise."""
    await world.create(count_threshold=3, time_window_minutes=5)
    await world.tell(*(world.failure() for _ in range(3)))
    [first] = await world.alerts()
    await world.close(first.id)
    await world.read()
    assert len(await world.alerts()) == 1
    world.clock.advance(minutes=1)
    await world.tell(world.failure())
    [_, second] = await world.alerts()
    assert (second.is_active, second.trigger_reason) == (True, "4 log entries of level error or above within 5 minutes")
    await world.close(second.id)
    world.clock.advance(minutes=5)
    await world.tell(world.failure())
    assert len(await world.alerts()) == 2


async def test_disabled_and_deleted_rules_end_their_alerts(world: World) -> None:
    """A rule that no longer watches has no open alert, and matches nothing."""
    disabled, deleted = await world.create("a"), await world.create("b")
    await world.tell(world.failure())
    await world.update(disabled.id, enabled=False)
    await world.delete(deleted.id)
    assert [(alert.state, alert.close_cause) for alert in await world.alerts()] == [(AlertState.CLOSED, CloseCause.MONITOR_ENDED)] * 2
    await world.tell(world.failure())
    assert len(await world.alerts()) == 2
    await world.update(disabled.id, enabled=True)
    await world.tell(world.failure())
    assert [alert.is_active for alert in await world.alerts()] == [False, False, True]


async def test_changed_filters_count_anew(world: World) -> None:
    """What matched under other filters counts no longer; another quiet time holds at once."""
    rule = await world.create(count_threshold=2, time_window_minutes=5)
    await world.tell(world.failure())
    await world.update(rule.id, error_type="PaymentError")
    await world.tell(world.failure())
    assert await world.alerts() == []
    await world.tell(world.failure())
    await world.update(rule.id, quiet_minutes=1)
    await world.pass_time(minutes=1)
    assert [alert.state for alert in await world.alerts()] == [AlertState.CLOSED]


async def test_triggers_count_entries_that_begin_or_reopen_a_group(world: World) -> None:
    """`new_group` counts the first entry of a group, `regression` the one that happens after it was resolved."""
    await world.create("new", trigger="new_group")
    await world.create("back", trigger="regression")
    await world.tell(world.failure(), world.failure())
    await world.tell(world.failure())
    [alert] = await world.alerts()
    details = alert.details or {}
    assert (alert.title, details["count"], alert.trigger_reason) == (
        "new",
        1,
        "1 log entry of level error or above of new error groups",
    )
    world.clock.advance(seconds=5)
    async with world.database.write() as tx:
        await handling.resolve_group(tx, world.caller, details["group_ids"][0], None, world.clock.now())
    await world.tell(world.failure(seconds=0))
    assert len(await world.alerts()) == 1
    world.clock.advance(seconds=5)
    await world.tell(world.failure(seconds=1), world.failure())
    assert [(alert.title, (alert.details or {})["count"]) for alert in await world.alerts()] == [("new", 1), ("back", 1)]


async def test_ignored_groups_do_not_count(world: World) -> None:
    """Entries of a group that people ignore open nothing; those of others do."""
    await world.tell(world.failure())
    async with world.database.write() as tx:
        await handling.ignore_group(tx, world.caller, 1, None, None, None, world.clock.now(), Faults())
    await world.create()
    await world.tell(world.failure())
    assert await world.alerts() == []
    await world.tell(world.failure(), world.failure("other", kind="Other"))
    [alert] = await world.alerts()
    assert (alert.details or {})["count"] == 1


async def test_alert_is_about_the_node_of_the_rule_or_project(world: World) -> None:
    """Without a node of its own a rule's alert is about the only node of the project that the entry belongs to."""
    async with world.database.write() as tx:
        await replace_links(tx, world.caller.organization_id, world.project.id, {LinkType.TOPOLOGY_NODE: ["5"]})
    first = await world.create("one")
    await world.tell(world.failure())
    await world.delete(first.id)
    async with world.database.write() as tx:
        await replace_links(tx, world.caller.organization_id, world.project.id, {LinkType.TOPOLOGY_NODE: ["5", "6"]})
    await world.create("two")
    await world.tell(world.failure())
    assert [alert.topology_node_id for alert in await world.alerts()] == [5, None]


async def test_late_entries_are_grouped_but_do_not_count(world: World) -> None:
    """A backlog of more than an hour ago does not page."""
    await world.create()
    await world.tell(world.failure(seconds=-3601))
    assert await world.alerts() == []


async def test_alert_begins_with_the_match_that_opened_it(world: World) -> None:
    """It is as old as that entry, but never later than now."""
    await world.create("past")
    await world.tell(world.failure(seconds=-60))
    await world.delete(1)
    await world.create("future")
    await world.tell(world.failure(seconds=3600))
    starts = [alert.start_time for alert in await world.alerts()]
    assert starts == [datetime(2026, 6, 1, 7, 59, tzinfo=UTC), datetime(2026, 6, 1, 8, 0, tzinfo=UTC)]


async def test_readers_side_by_side_count_each_entry_once(world: World) -> None:
    """Two processes that read at the same time have the effects of one."""
    await world.create(count_threshold=1000, time_window_minutes=60)
    await world.create("all")
    other = LogReader(world.database)

    async def read_all(reader: LogReader) -> None:
        while await reader.tick(world.clock.now()):
            pass

    for _ in range(10):
        await world.send(*(world.failure() for _ in range(20)))
        await asyncio.gather(read_all(world.reader), read_all(other))
    await world.read()
    [alert] = await world.alerts()
    assert (alert.details or {})["count"] == 200
    async with world.database.read() as tx:
        assert (await tx.execute(select(log_blocks.c.id).where(log_blocks.c.level == NEW))).all() == []


async def test_state_survives_a_restart(world: World) -> None:
    """Another process goes on counting where the first one was."""
    await world.create(count_threshold=3, time_window_minutes=5)
    await world.tell(world.failure(), world.failure())
    world.reader = LogReader(world.database)
    await world.tell(world.failure())
    assert len(await world.alerts()) == 1


@pytest.mark.parametrize("seconds", [0, 299])
async def test_window_spans_pushes(world: World, seconds: int) -> None:
    """Matches count together as long as the last one's window holds them."""
    await world.create(count_threshold=2, time_window_minutes=5)
    await world.tell(world.failure())
    world.clock.moment += timedelta(seconds=seconds)
    await world.tell(world.failure())
    assert len(await world.alerts()) == 1
