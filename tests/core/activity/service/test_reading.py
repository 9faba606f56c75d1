import itertools
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from lumetry_core.activity.model import ACTIONS, BLOCK_ITEMS, SYSTEM, Draft, Item, ItemFilter, Sight
from lumetry_core.activity.service import list_activity, reading
from lumetry_core.activity.worker import ActivityKeeper
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.core.activity.building import (
    AGENTS,
    MACHINES,
    ORGANIZATION,
    PROJECTS,
    make_drafts,
    pack_all,
    read_all,
    write,
)

COUNT = 2 * BLOCK_ITEMS + 100
SEARCHES = ["", "shop", "STRASSE", "strasse 1", "inc-000012", "anna", "größe", "0 %", "7", "zebra", "a_b", "full\x7fbert"]


def is_wanted(draft: Draft, wanted: ItemFilter) -> bool:
    """What the contract says of the filters, in its simplest form."""
    texts = [draft.title, draft.summary or "", draft.machine or "", draft.actor.name]
    return (
        (not wanted.kinds or draft.kind in wanted.kinds)
        and wanted.agent_id in (None, draft.agent_id)
        and (wanted.project_id is None or wanted.project_id in draft.project_ids)
        and (wanted.machine is None or (draft.machine or "").casefold() == wanted.machine.casefold())
        and (not wanted.search or any(wanted.search.casefold() in text.casefold() for text in texts))
    )


async def test_list_activity_with_every_filter(database: Database, clock: Clock) -> None:
    """Alone and combined, filters keep what they should, newest first, whether blocks are packed or not."""
    drafts = make_drafts(COUNT)
    await write(database, clock, drafts[:700])
    await write(database, clock, drafts[700:])
    chance = random.Random(5)
    kinds = [frozenset[str](), frozenset({"alert"}), frozenset({"project", "billing"})]
    filters = [
        ItemFilter(kinds=of, agent_id=agent, project_id=project, machine=machine, search=search)
        for of, agent, project, machine, search in itertools.product(
            kinds, [None, AGENTS[1], "nobody"], [None, PROJECTS[2]], [None, "HOST-a", "GRÖSSE-1"], SEARCHES
        )
    ]
    expected = [Item(number, draft, clock.now()) for number, draft in reversed(list(enumerate(drafts, 1)))]
    for is_packed in (False, True):
        if is_packed:
            await pack_all(database, clock)
        for wanted in [ItemFilter(), *chance.sample(filters, 60)]:
            found = await read_all(database, wanted, limit=chance.choice([1, 50, 200]) if wanted.search else 200)
            assert found == [item for item in expected if is_wanted(item.draft, wanted)], wanted


async def test_list_activity_hides_private_projects_and_logs(database: Database, clock: Clock) -> None:
    """What belongs to hidden projects alone is hidden, unless its kind is open; hidden projects are not named; logs need a right."""
    of = {"title": "x", "actor": SYSTEM}
    drafts = [
        Draft(kind="session", action="created", project_ids=("a",), **of),
        Draft(kind="session", action="created", project_ids=("a", "b"), **of),
        Draft(kind="alert", action="fired", project_ids=("a",), **of),
        Draft(kind="log_group", action="new", project_ids=("b",), **of),
    ]
    await write(database, clock, drafts)
    seen = await read_all(database, ItemFilter(), Sight(frozenset({"a"}), has_logs=False))
    assert [item.draft for item in seen] == [replace(drafts[2], project_ids=()), replace(drafts[1], project_ids=("b",))]
    assert await read_all(database, ItemFilter(project_id="a"), Sight(frozenset({"a"}))) == []
    assert await read_all(database, ItemFilter(kinds=frozenset({"log_group"})), Sight(has_logs=False)) == []


async def test_list_activity_of_another_organization(database: Database, clock: Clock) -> None:
    """Every organization counts from 1 and sees its own items only."""
    (draft,) = make_drafts(1)
    await write(database, clock, [draft])
    await write(database, clock, [draft, draft], organization_id=8)
    assert [item.id for item in await read_all(database, ItemFilter())] == [1]
    assert [item.id for item in await read_all(database, ItemFilter(), organization_id=8)] == [2, 1]
    assert await read_all(database, ItemFilter(), organization_id=9) == []


async def test_list_activity_while_items_are_added(database: Database, clock: Clock) -> None:
    """Pages repeat nothing and skip nothing although items are added and blocks packed between them."""
    drafts = make_drafts(BLOCK_ITEMS - 10)
    await write(database, clock, drafts)
    cursor, found = "", []
    for _ in range(6):
        async with database.read() as tx:
            page = await list_activity(tx, ORGANIZATION, ItemFilter(search="a"), Sight(), limit=20, cursor=cursor)
        found += [item.id for item in page.items]
        cursor = page.next_cursor
        await write(database, clock, make_drafts(20, seed=2))
        await pack_all(database, clock)
    wanted = [number for number, draft in enumerate(drafts, 1) if is_wanted(draft, ItemFilter(search="a"))]
    assert found == sorted(wanted, reverse=True)[:120]


async def test_list_activity_of_what_is_rare(database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that would take too long ends with a page that has few items, or none, and goes on with the next one."""
    monkeypatch.setattr(reading, "MAX_OPENED", 1)
    monkeypatch.setattr(reading, "MAX_FILTERS", 2)
    monkeypatch.setattr(reading, "MAX_ROWS", 16)
    monkeypatch.setattr(reading, "ROWS_AT_ONCE", 16)
    drafts = make_drafts(3 * BLOCK_ITEMS + 40)
    await write(database, clock, drafts)
    await pack_all(database, clock)
    async with database.read() as tx:
        page = await list_activity(tx, ORGANIZATION, ItemFilter(search="zebra"), Sight())
    assert (page.items, bool(page.next_cursor)) == ((), True)
    for wanted in (ItemFilter(search="zebra"), ItemFilter(machine=MACHINES[0], search="shop"), ItemFilter(search="7")):
        found = await read_all(database, wanted, limit=200)
        assert [item.id for item in found] == [number for number in range(len(drafts), 0, -1) if is_wanted(drafts[number - 1], wanted)]


@pytest.mark.parametrize("cursor", ["x", "ä", "WyJhIiwxXQ", "e30"])
async def test_list_activity_with_a_bad_cursor(database: Database, cursor: str) -> None:
    """A malformed cursor is a fault."""
    with pytest.raises(LumetryError) as failure:
        async with database.read() as tx:
            await list_activity(tx, ORGANIZATION, ItemFilter(), Sight(), cursor=cursor)
    assert failure.value.reason is Reason.VALIDATION_FAILED
    assert failure.value.faults == (Fault("cursor", "must be the cursor of a page with the same filters"),)


async def test_list_activity_with_the_cursor_of_other_filters(database: Database, clock: Clock) -> None:
    """A cursor belongs to its filters."""
    await write(database, clock, make_drafts(3))
    async with database.read() as tx:
        page = await list_activity(tx, ORGANIZATION, ItemFilter(), Sight(), limit=1)
        with pytest.raises(LumetryError):
            await list_activity(tx, ORGANIZATION, ItemFilter(kinds=frozenset(ACTIONS)), Sight(), cursor=page.next_cursor)


async def test_list_activity_after_old_items_are_gone(database: Database, clock: Clock) -> None:
    """Blocks that lost items to retention, before or after they were packed, give what is left."""
    drafts = make_drafts(BLOCK_ITEMS + 20)
    await write(database, clock, drafts[:100])
    clock.advance(days=10)  # type: ignore[attr-defined]
    await write(database, clock, drafts[100:])
    await pack_all(database, clock)
    keeper = ActivityKeeper(database)
    while await keeper.tick(clock.now() + timedelta(days=395)):
        pass
    assert [item.id for item in await read_all(database, ItemFilter())] == list(range(BLOCK_ITEMS + 20, 100, -1))
    found = await read_all(database, ItemFilter(search="shop"))
    assert [item.id for item in found] == [
        number for number in range(BLOCK_ITEMS + 20, 100, -1) if is_wanted(drafts[number - 1], ItemFilter(search="shop"))
    ]
