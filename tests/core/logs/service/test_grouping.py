from datetime import timedelta

from sqlalchemy import select

from lumetry_core.activity.store.items import activity_items
from lumetry_core.logs.grouping import read_sightings
from lumetry_core.logs.groups import GroupStatus
from lumetry_core.logs.service.grouping import Grouped, record_sightings
from lumetry_core.logs.service.groups import GroupQuery, get_group, list_groups
from lumetry_core.logs.service.handling import ignore_group, resolve_group
from lumetry_core.projects.model import Project
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from tests.conftest import FakeClock
from tests.core.logs.building import Find, Send, make_entry, make_error, read_all, seal_all


async def test_first_entries_make_a_group(database: Database, send: Send, project: Project, clock: FakeClock) -> None:
    """A group tells all that its entries have in common; counts, levels, environments and traces add up over reads."""
    error = make_error(type="PaymentError", message="Order 17 failed", stack_trace=["    at pay (/srv/shop/pay.js:4:2)"])
    await send(
        make_entry("Order 17 failed", -60, 4, error=error, environment="eu", traces=("t-1", None, None)),
        make_entry("fine"),
        make_entry("Order 18 failed", 0.5, 5, {"traceId": "t-2"}, error=error, environment="us"),
    )
    grouped = await read_all(database, project.organization_id)
    ((key, group_id),) = grouped.ids.items()
    assert (key[0], grouped) == (project.id, Grouped(grouped.ids, frozenset({group_id})))
    await send(make_entry(level=4, error=error, traces=("t-1", None, None)))
    assert await read_all(database, project.organization_id) == Grouped(grouped.ids)
    async with database.read() as tx:
        figures = await get_group(tx, project.organization_id, group_id, clock.now())
    group = figures.group
    assert (group.title, group.error_type, group.error_message) == ("PaymentError: Order 17 failed", "PaymentError", "Order 17 failed")
    assert (group.culprit, group.level, dict(group.levels), group.count) == ("shop/pay.js:pay", 5, {4: 2, 5: 1}, 3)
    assert (group.environments, group.trace_ids) == (("eu", "us"), ("t-2", "t-1"))
    assert (group.first_time, group.last_time) == (clock.now() - timedelta(seconds=60), clock.now() + timedelta(seconds=0.5))
    assert (group.status, group.is_regressed, figures.day_count) == (GroupStatus.OPEN, False, 3)
    assert [count for _, count in figures.hours[-3:]] == [0, 1, 2]
    assert figures.hours[-1][0] == clock.now()


async def test_entries_of_a_resolved_group(database: Database, send: Send, caller: Caller, project: Project, clock: FakeClock) -> None:
    """Older ones are counted only; a later one brings the group back, which is told once."""
    await send(make_entry("down", level=4))
    (group_id,) = (await read_all(database, project.organization_id)).created
    async with database.write() as tx:
        await resolve_group(tx, caller, group_id, "fixed", clock.now())
    await send(make_entry("down", -1, 4), make_entry("down", 0, 4))
    assert (await read_all(database, project.organization_id)).reopened == frozenset()
    await send(make_entry("down", 1, 4), make_entry("down", -2, 4))
    assert (await read_all(database, project.organization_id)).reopened == {group_id}
    await send(make_entry("down", 2, 4))
    assert (await read_all(database, project.organization_id)).reopened == frozenset()
    async with database.read() as tx:
        group = (await get_group(tx, project.organization_id, group_id, clock.now())).group
        rows = (await tx.execute(select(activity_items.c.action, activity_items.c.title).order_by(activity_items.c.id))).all()
    assert (group.status, group.is_regressed, group.count, group.note, group.resolve_time) == (GroupStatus.OPEN, True, 6, "fixed", None)
    told = [tuple(row) for row in rows if row.action in ("new", "regressed")]
    assert told == [("new", "New error: down"), ("regressed", "Error is back: down")]


async def test_entries_of_an_ignored_group(database: Database, send: Send, caller: Caller, project: Project, clock: FakeClock) -> None:
    """They are counted; so many of them, or the time, open the group, which then has not regressed."""
    await send(make_entry("down", level=4))
    (group_id,) = (await read_all(database, project.organization_id)).created
    for hours, until_count in ((None, 2), (1, None)):
        until = None if hours is None else clock.now() + timedelta(hours=hours)
        async with database.write() as tx:
            await ignore_group(tx, caller, group_id, None, until, until_count, clock.now(), Faults())
        await send(make_entry("down", 1, 4))
        ignored = await read_all(database, project.organization_id)
        assert (ignored.ignored, ignored.reopened) == (frozenset({group_id}), frozenset())
        async with database.read() as tx:
            assert (await list_groups(tx, project.organization_id, GroupQuery(), clock.now())).groups == []
        await send(make_entry("down", 2, 4))
        clock.advance(hours=1)
        opened = await read_all(database, project.organization_id, clock.now())
        assert (opened.ignored, opened.reopened) == (frozenset(), frozenset())
        async with database.read() as tx:
            group = (await get_group(tx, project.organization_id, group_id, clock.now())).group
        assert (group.status, group.is_regressed, group.ignore_until, group.ignore_count) == (GroupStatus.OPEN, False, None, None)
    assert group.count == 5


async def test_the_last_ten_traces_are_kept(database: Database, send: Send, project: Project, clock: FakeClock) -> None:
    """Each once, by its last entry."""
    for numbers in (range(8), range(4, 14)):
        await send(*[make_entry("down", number, 4, traces=(f"t-{number}", None, None)) for number in numbers])
        await read_all(database, project.organization_id)
    async with database.read() as tx:
        (shown,) = (await list_groups(tx, project.organization_id, GroupQuery(), clock.now())).groups
    assert shown.group.trace_ids == tuple(f"t-{number}" for number in range(4, 14))


async def test_entries_name_their_group(database: Database, send: Send, find: Find, project: Project) -> None:
    """In searches of new, fresh and sealed blocks, by the filter and by the term; a group that does not exist has none."""
    await send(make_entry("down", level=4), make_entry("up", 1, 4), make_entry("fine", 2))
    assert [(entry.message, entry.group_id) for entry in await find(order="asc")] == [("down", None), ("up", None), ("fine", None)]
    grouped = await read_all(database, project.organization_id)
    assert len(grouped.created) == 2
    for _ in range(3):
        ids = {entry.message: entry.group_id for entry in await find()}
        assert ids.pop("fine", 0) is None
        assert set(ids.values()) == grouped.created
        assert [entry.message for entry in await find(group_id=ids["down"])] == ["down"]
        assert [entry.message for entry in await find(f"group_id:{ids['up']}", min_level="error")] == ["up"]
        assert await find(group_id=ids["up"], levels=("info",)) == []
        assert sorted(entry.message for entry in await find(f"-group_id:{ids['up']}")) == ["down", "fine"]
        assert await find(group_id=999) == await find("group_id:99999999999999999999") == []
        await seal_all(database, project.organization_id)


async def test_sightings_of_no_entries(database: Database, send: Send, organization_id: int, clock: FakeClock) -> None:
    """Blocks without errors tell of no groups."""
    await send(make_entry())
    assert await read_all(database, organization_id) == Grouped()
    async with database.write() as tx:
        assert await record_sightings(tx, organization_id, read_sightings([]), clock.now()) == Grouped()
