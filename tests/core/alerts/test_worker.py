import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lumetry_core.alerts.model import Alert, Eligibility
from lumetry_core.alerts.service import membership, muting, reading, silences, transitions, windows
from lumetry_core.alerts.service.silences import MatchersDraft, SilenceDraft
from lumetry_core.alerts.service.windows import WindowDraft
from lumetry_core.alerts.store import alerts as alert_store
from lumetry_core.alerts.worker import OperationsKeeper
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.topology.service.editing import create_edge, delete_node
from tests.conftest import FakeClock
from tests.core.alerts.planning import CALLER, NOW, add_node, read_flags, take_items

HOUR = timedelta(hours=1)
Build = Callable[..., Any]
Open = Callable[..., Awaitable[list[Alert]]]


@pytest.fixture
def keeper(database: Database) -> OperationsKeeper:
    """The worker under test."""
    return OperationsKeeper(database)


async def plan(database: Database, clock: FakeClock, start: float, end: float, **changes: Any) -> int:
    """Plans a window between so many hours from the start of the test; gives its number."""
    draft = WindowDraft(scope_type="Global", start_time=NOW + start * HOUR, end_time=NOW + end * HOUR, reason="Move")
    async with database.write() as tx:
        return (await windows.create_window(tx, CALLER, replace(draft, **changes), clock.now())).window.id


async def silence(database: Database, clock: FakeClock, start: float, end: float) -> int:
    """Adds a silence between so many hours from the start of the test; gives its number."""
    draft = SilenceDraft(matchers=MatchersDraft(rule_id=17), start_time=NOW + start * HOUR, end_time=NOW + end * HOUR, reason="Known")
    async with database.write() as tx:
        return (await silences.create_silence(tx, CALLER, draft, clock.now())).id


async def test_window_starts_and_ends(
    database: Database, clock: FakeClock, keeper: OperationsKeeper, opening: Build, open_all: Open
) -> None:
    """Active alerts are marked at the start and released at the end, once each."""
    number = await plan(database, clock, 1, 2)
    (alert,) = await open_all(opening())
    await take_items(database)
    await keeper.tick(clock.now())
    assert await read_flags(database, [alert.id]) == [None]
    clock.advance(hours=1)
    assert not await keeper.tick(clock.now())
    assert await read_flags(database, [alert.id]) == [number]
    clock.advance(seconds=10)
    await keeper.tick(clock.now())
    assert await take_items(database) == []
    clock.advance(hours=1)
    for _ in range(3):
        await keeper.tick(clock.now())
        clock.advance(seconds=5)
    assert await read_flags(database, [alert.id]) == [None]
    assert await take_items(database) == [("alert_released", {"alert_id": alert.id})]


async def test_window_that_was_slept_through(
    database: Database, clock: FakeClock, keeper: OperationsKeeper, opening: Build, open_all: Open
) -> None:
    """After a pause over start and end nothing is marked; after one over the end what was marked is released."""
    await plan(database, clock, 1, 2)
    (first,) = await open_all(opening())
    clock.advance(hours=5)
    await keeper.tick(clock.now())
    assert await read_flags(database, [first.id]) == [None]
    await plan(database, clock, 5, 6)
    assert await read_flags(database, [first.id]) != [None]
    clock.advance(hours=5)
    await keeper.tick(clock.now())
    assert await read_flags(database, [first.id]) == [None]


async def test_recurring_window_comes_again(
    database: Database, clock: FakeClock, keeper: OperationsKeeper, opening: Build, open_all: Open
) -> None:
    """Each occurrence marks and releases; alerts that open in one after many were slept through are marked before anybody noticed."""
    number = await plan(database, clock, 1, 2, rrule="FREQ=DAILY", time_zone="Europe/Berlin")
    (alert,) = await open_all(opening())
    for hours, marked in ((1, number), (1, None), (23, number), (1, None)):
        clock.advance(hours=hours)
        await keeper.tick(clock.now())
        assert await read_flags(database, [alert.id]) == [marked]
    clock.advance(days=40, hours=-1)
    (late,) = await open_all(opening(dimension_key="host.id=b"))
    assert late.maintenance_window_id == number
    await keeper.tick(clock.now())
    assert await read_flags(database, [alert.id, late.id]) == [number, number]


async def test_other_window_goes_on(database: Database, clock: FakeClock, keeper: OperationsKeeper, opening: Build, open_all: Open) -> None:
    """The window that ends last marks; at the end of one an alert that another covers is not released."""
    (alert,) = await open_all(opening())
    first, second = await plan(database, clock, 1, 2), await plan(database, clock, 1.5, 4)
    await take_items(database)
    for hours, marked in ((1, first), (0.5, second), (0.5, second), (2, None)):
        clock.advance(hours=hours)
        await keeper.tick(clock.now())
        assert await read_flags(database, [alert.id]) == [marked]
    assert await take_items(database) == [("alert_released", {"alert_id": alert.id})]


async def test_node_window_covers_what_it_contains_and_carries(
    database: Database, clock: FakeClock, keeper: OperationsKeeper, opening: Build, open_all: Open
) -> None:
    """A host covers what runs on it, a service those in it; alerts of other nodes and of none are not covered."""
    host, app, other = [await add_node(database, *node) for node in (("Host", "h1"), ("Application", "app"), ("Host", "h2"))]
    bank, shop = [await add_node(database, "BusinessService", name) for name in ("bank", "shop")]
    async with database.write() as tx:
        await create_edge(tx, CALLER, app, host, "runs_on", None, NOW)
        await create_edge(tx, CALLER, bank, shop, "contains", None, NOW)
    alerts = await open_all(*(opening(dimension_key=f"host.id={name}") for name in "abcd"))
    related = ((app, None), (other, None), (None, shop), (None, bank))
    async with database.write() as tx:
        changes = {
            alert.id: {"related_ci_id": ci, "related_service_id": service} for alert, (ci, service) in zip(alerts, related, strict=True)
        }
        await alert_store.update_alerts(tx, 7, changes)
    on_host = await plan(database, clock, 1, 2, scope_type="Ci", scope_node_id=host)
    in_bank = await plan(database, clock, 1, 2, scope_type="Service", scope_node_id=bank)
    clock.advance(hours=1)
    await keeper.tick(clock.now())
    assert await read_flags(database, [alert.id for alert in alerts]) == [on_host, None, in_bank, in_bank]
    with pytest.raises(LumetryError) as failure:
        async with database.write() as tx:
            await delete_node(tx, CALLER, host, clock.now())
    assert failure.value.reason is Reason.CONFLICT
    clock.advance(hours=1)
    await keeper.tick(clock.now())
    assert await read_flags(database, [alert.id for alert in alerts]) == [None] * 4
    async with database.write() as tx:
        await delete_node(tx, CALLER, host, clock.now())


async def test_members_and_watches_stay(
    database: Database, clock: FakeClock, keeper: OperationsKeeper, opening: Build, open_all: Open
) -> None:
    """A member of an incident remains one; a watch is hidden by maintenance and goes on afterwards."""
    (alert,) = await open_all(opening())
    async with database.write() as tx:
        await membership.set_incidents(tx, 7, {alert.id: 5}, clock.now())
        await membership.start_watch(tx, 7, 5, clock.now())
    await plan(database, clock, 0, 1)
    for hours, eligibility in ((0, Eligibility.MAINTENANCE_SUPPRESSED), (1, Eligibility.POST_RESOLUTION_WATCH)):
        clock.advance(hours=hours)
        await keeper.tick(clock.now())
        async with database.read() as tx:
            found = await reading.get_alert(tx, 7, alert.id)
        assert (found.incident_eligibility, found.incident_id, found.watch_start_time) == (eligibility, 5, NOW)


async def test_alerts_committed_after_a_change_are_judged_again(
    database: Database, clock: FakeClock, keeper: OperationsKeeper, opening: Build, open_all: Open
) -> None:
    """An alert that was judged before a start or an end, but is committed after it, is put right a little later."""
    number = await plan(database, clock, 1, 2)
    before_start = clock.advance(minutes=59)
    await keeper.tick(clock.advance(minutes=1))
    async with database.write() as tx:
        (late,) = await transitions.open_alerts(tx, 7, [opening()], before_start)
    await keeper.tick(clock.advance(seconds=1))
    assert await read_flags(database, [late.id]) == [None]
    await keeper.tick(clock.advance(seconds=9))
    assert await read_flags(database, [late.id]) == [number]
    before_end = clock.advance(minutes=59)
    await keeper.tick(clock.advance(minutes=1))
    async with database.write() as tx:
        (later,) = await transitions.open_alerts(tx, 7, [opening(dimension_key="host.id=b")], before_end)
    assert await read_flags(database, [later.id]) == [number]
    await keeper.tick(clock.advance(seconds=10))
    assert await read_flags(database, [late.id, later.id]) == [None, None]


async def test_several_workers_change_each_alert_once(database: Database, clock: FakeClock, opening: Build, open_all: Open) -> None:
    """Two cores that notice a start, an end, a silence's end and a removal at once do each of them once."""
    keepers = [OperationsKeeper(database) for _ in range(3)]
    alerts = await open_all(*(opening(dimension_key=f"host.id={number}") for number in range(20)))
    numbers = [alert.id for alert in alerts]
    first, second = await plan(database, clock, 1, 2), await plan(database, clock, 1, 3)
    muted = await silence(database, clock, 0, 2)
    await take_items(database)
    clock.advance(hours=1)
    await asyncio.gather(*(keeper.tick(clock.now()) for keeper in keepers))
    assert await read_flags(database, numbers) == [second] * 20

    async def remove() -> None:
        async with database.write() as tx:
            await windows.delete_window(tx, CALLER, second, clock.now())

    clock.advance(hours=1)
    await asyncio.gather(remove(), *(keeper.tick(clock.now()) for keeper in keepers))
    assert first != second
    assert await read_flags(database, numbers) == [None] * 20
    assert sorted(payload["alert_id"] for _, payload in await take_items(database)) == numbers
    assert await take_items(database, muting.ROUTING) == [("silence_ended", {"silence_id": muted})]


async def test_silence_ends_and_is_looked_after_once_more(database: Database, clock: FakeClock, keeper: OperationsKeeper) -> None:
    """Routing hears of the end, whether its time is over or somebody removes it, and once more for what came meanwhile."""
    over, removed = await silence(database, clock, 0, 1), await silence(database, clock, 0, 2)
    await silence(database, clock, -2, -1)
    await keeper.tick(clock.now())
    assert await take_items(database, muting.ROUTING) == []
    clock.advance(hours=1)
    for _ in range(2):
        await keeper.tick(clock.now())
    async with database.write() as tx:
        await muting.delete_silence(tx, CALLER, removed, clock.now())
        await muting.delete_silence(tx, CALLER, over, clock.now())
    ended = [over, removed, over]
    assert await take_items(database, muting.ROUTING) == [("silence_ended", {"silence_id": number}) for number in ended]
    for expected in ([over, removed], []):
        clock.advance(hours=2)
        await keeper.tick(clock.now())
        assert await take_items(database, muting.ROUTING) == [("silence_ended", {"silence_id": number}) for number in expected]
