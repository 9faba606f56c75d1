from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lumetry_core.access.store.audit import audit_logs
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.service import maintenance, windows
from lumetry_core.alerts.service.windows import ShownWindow, WindowDraft
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.topology.service.editing import delete_node
from tests.conftest import FakeClock
from tests.core.alerts.planning import CALLER, NOW, OTHER, add_metric, add_node, read_flags, take_items, window

HOUR = timedelta(hours=1)


def draft(**changes: Any) -> WindowDraft:
    """A window over everything from now on for two hours; keywords replace fields."""
    fields = {"scope_type": "Global", "start_time": NOW, "end_time": NOW + 2 * HOUR, "reason": " Move "}
    return WindowDraft(**fields | changes)


async def create(database: Database, clock: FakeClock, caller: Caller = CALLER, **changes: Any) -> ShownWindow:
    async with database.write() as tx:
        return await windows.create_window(tx, caller, draft(**changes), clock.now())


async def listed(database: Database, clock: FakeClock, active: bool | None = None, limit: int = 0, caller: Caller = CALLER) -> list[int]:
    async with database.read() as tx:
        return [shown.window.id for shown in await windows.list_windows(tx, caller, active, limit, clock.now())]


async def test_create_window_is_listed(database: Database, clock: FakeClock) -> None:
    """All fields come back, whatever the letter case of the scope; other organizations see nothing."""
    shop = await add_node(database, "BusinessService", "Shop")
    created = await create(database, clock, scope_type="sERVICE", scope_node_id=shop, rrule="FREQ=WEEKLY", time_zone="Europe/Berlin")
    expected = window(
        id=created.window.id,
        scope_type="Service",
        scope_node_id=shop,
        start_time=NOW,
        end_time=NOW + 2 * HOUR,
        reason="Move",
        rrule="FREQ=WEEKLY",
        time_zone="Europe/Berlin",
    )
    assert created == ShownWindow(expected, "Shop", True, NOW + timedelta(days=7))
    async with database.read() as tx:
        assert await windows.list_windows(tx, CALLER, None, 0, clock.now()) == [created]
        assert await maintenance.find_windows(tx, 7, [created.window.id, 99]) == {created.window.id: expected}
    assert await listed(database, clock, caller=OTHER) == []


async def test_list_windows_by_activity(database: Database, clock: FakeClock) -> None:
    """Newest start first; active ones, others, and at most so many."""
    old, present, coming = [
        (await create(database, clock, start_time=NOW + start * HOUR, end_time=NOW + (start + 1) * HOUR)).window.id for start in (-3, 0, 3)
    ]
    assert await listed(database, clock) == [coming, present, old]
    assert await listed(database, clock, active=True) == [present]
    assert await listed(database, clock, active=False) == [coming, old]
    assert await listed(database, clock, limit=1) == [coming]
    with pytest.raises(LumetryError) as failure:
        await listed(database, clock, limit=5001)
    assert [fault.path for fault in failure.value.faults] == ["limit"]


async def test_create_window_refuses_bad_scopes(database: Database, clock: FakeClock) -> None:
    """A scope needs what it covers, of the right kind, and nothing else."""
    await add_metric(database)
    shop, host = await add_node(database, "BusinessService", "Shop"), await add_node(database, "Host", "h1")
    for changes, paths in (
        ({"scope_type": ""}, ["scopeType"]),
        ({"scope_type": "Galaxy"}, ["scopeType"]),
        ({"scope_node_id": shop, "metric_key": "db.latency"}, ["scopeNodeId", "metricId"]),
        ({"scope_type": "Metric"}, ["metricId"]),
        ({"scope_type": "Metric", "metric_key": "db.late"}, ["metricId"]),
        ({"scope_type": "Metric", "metric_key": "\0"}, ["metricId"]),
        ({"scope_type": "Metric", "metric_key": "db.latency", "scope_node_id": shop}, ["scopeNodeId"]),
        ({"scope_type": "Service"}, ["scopeNodeId"]),
        ({"scope_type": "Service", "scope_node_id": host}, ["scopeNodeId"]),
        ({"scope_type": "Service", "scope_node_id": 999}, ["scopeNodeId"]),
        ({"scope_type": "Ci", "scope_node_id": shop, "metric_key": "db.latency"}, ["scopeNodeId", "metricId"]),
    ):
        await refuse(database, clock, changes, paths)
    assert await listed(database, clock) == []
    for changes in ({"scope_type": "Ci", "scope_node_id": host}, {"scope_type": "Metric", "metric_key": "db.latency"}):
        await create(database, clock, **changes)


async def test_create_window_refuses_bad_periods(database: Database, clock: FakeClock) -> None:
    """Times are needed and in order; recurrence needs a zone, a readable rule that comes true, and short occurrences."""
    weekly = {"rrule": "FREQ=WEEKLY", "time_zone": "Europe/Berlin"}
    for changes, paths in (
        ({"start_time": None, "end_time": None, "reason": " "}, ["reason", "startTime", "endTime"]),
        ({"end_time": NOW}, ["endTime"]),
        ({"reason": "x" * 501}, ["reason"]),
        ({"rrule": "FREQ=WEEKLY"}, ["timeZone"]),
        ({**weekly, "time_zone": "Mars/Olympus"}, ["timeZone"]),
        ({"time_zone": "europe/berlin"}, ["timeZone"]),
        ({**weekly, "rrule": ""}, ["rrule"]),
        ({**weekly, "rrule": "FREQ=HOURLY"}, ["rrule"]),
        ({**weekly, "rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31"}, ["rrule"]),
        ({**weekly, "rrule": "FREQ=DAILY;UNTIL=20260531"}, ["rrule"]),
        ({**weekly, "end_time": NOW + timedelta(days=7, seconds=1)}, ["endTime"]),
        ({**weekly, "start_time": datetime(1, 1, 1, tzinfo=UTC), "end_time": datetime(1, 1, 2, tzinfo=UTC)}, ["startTime"]),
        ({**weekly, "start_time": datetime(9999, 12, 30, tzinfo=UTC), "end_time": datetime(9999, 12, 31, tzinfo=UTC)}, ["startTime"]),
        ({**weekly, "start_time": None}, ["startTime"]),
    ):
        await refuse(database, clock, changes, paths)
    assert await listed(database, clock) == []
    for end in (NOW + timedelta(days=7), datetime(9999, 12, 31, tzinfo=UTC)):
        await create(database, clock, end_time=end, **(weekly if end.year == 2026 else {}))


async def refuse(database: Database, clock: FakeClock, changes: dict[str, Any], paths: list[str]) -> None:
    """A draft is refused with these paths."""
    with pytest.raises(LumetryError) as failure:
        await create(database, clock, **changes)
    assert (failure.value.reason, [fault.path for fault in failure.value.faults]) == (Reason.VALIDATION_FAILED, paths), changes


async def test_window_covers_active_alerts_while_it_exists(
    database: Database, clock: FakeClock, opening: Callable[..., Any], open_all: Callable[..., Awaitable[list[Alert]]]
) -> None:
    """One that has begun marks active alerts at once and those that open later; its removal releases them all at once."""
    (before,) = await open_all(opening())
    created = await create(database, clock)
    (after,) = await open_all(opening(dimension_key="host.id=b"))
    assert await read_flags(database, [before.id, after.id]) == [created.window.id] * 2
    await take_items(database)
    async with database.write() as tx:
        await windows.delete_window(tx, CALLER, created.window.id, clock.now())
    assert await read_flags(database, [before.id, after.id]) == [None, None]
    assert await take_items(database) == [("alert_released", {"alert_id": alert.id}) for alert in (before, after)]
    assert await listed(database, clock) == []
    async with database.read() as tx:
        assert (await maintenance.find_windows(tx, 7, [created.window.id]))[created.window.id].delete_time == NOW


async def test_delete_window_leaves_what_another_covers(
    database: Database, clock: FakeClock, opening: Callable[..., Any], open_all: Callable[..., Awaitable[list[Alert]]]
) -> None:
    """Alerts name the window that ends last, after its removal the other."""
    (alert,) = await open_all(opening())
    short = await create(database, clock)
    long = await create(database, clock, end_time=NOW + 3 * HOUR)
    assert await read_flags(database, [alert.id]) == [long.window.id]
    await take_items(database)
    async with database.write() as tx:
        await windows.delete_window(tx, CALLER, long.window.id, clock.now())
    assert await read_flags(database, [alert.id]) == [short.window.id]
    assert await take_items(database) == []


async def test_delete_window_that_is_unknown(database: Database, clock: FakeClock) -> None:
    """Neither one of others nor one that is gone can be removed."""
    created, gone = [(await create(database, clock)).window.id for _ in range(2)]
    async with database.write() as tx:
        await windows.delete_window(tx, CALLER, gone, clock.now())
        for caller, number in ((OTHER, created), (CALLER, gone + 1), (CALLER, gone)):
            with pytest.raises(LumetryError) as failure:
                await windows.delete_window(tx, caller, number, clock.now())
            assert failure.value.reason is Reason.NOT_FOUND
    assert await listed(database, clock) == [created]


async def test_active_window_keeps_its_node(database: Database, clock: FakeClock) -> None:
    """A node cannot be deleted while a window of it is active; another one that comes later then has no name."""
    host = await add_node(database, "Host", "h1")
    created = await create(database, clock, scope_type="Ci", scope_node_id=host)
    with pytest.raises(LumetryError) as failure:
        async with database.write() as tx:
            await delete_node(tx, CALLER, host, clock.now())
    assert failure.value.reason is Reason.CONFLICT
    kept = await create(database, clock, scope_type="Ci", scope_node_id=host, start_time=NOW + 9 * HOUR, end_time=NOW + 10 * HOUR)
    async with database.write() as tx:
        await windows.delete_window(tx, CALLER, created.window.id, clock.now())
    async with database.write() as tx:
        await delete_node(tx, CALLER, host, clock.now())
    async with database.read() as tx:
        assert await windows.list_windows(tx, CALLER, None, 0, clock.now()) == [replace(kept, scope_node_name=None)]


async def test_windows_are_audited(database: Database, clock: FakeClock) -> None:
    """Who made and removed a window is kept with all of it."""
    created = await create(database, clock)
    async with database.write() as tx:
        await windows.delete_window(tx, CALLER, created.window.id, clock.now())
    async with database.read() as tx:
        rows = [row._mapping for row in await tx.execute(audit_logs.select().order_by(audit_logs.c.id))]
    assert [(row["action"], row["entity_id"], row["actor_name"]) for row in rows] == [
        ("MaintenanceWindow.Created", str(created.window.id), "admin"),
        ("MaintenanceWindow.Deleted", str(created.window.id), "admin"),
    ]
    assert rows[0]["new_values_json"] == rows[1]["old_values_json"]
    assert '"scopeType":"Global"' in rows[0]["new_values_json"]
