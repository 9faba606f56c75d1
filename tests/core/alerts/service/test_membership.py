from collections.abc import Awaitable, Callable
from typing import Any

from lumetry_core.alerts.model import Alert, Eligibility
from lumetry_core.alerts.service import membership, reading
from lumetry_core.alerts.service.transitions import CORRELATION
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.queue import claim, complete

ORGANIZATION = 7


async def read(database: Database, alert_id: int) -> Alert:
    async with database.read() as tx:
        return await reading.get_alert(tx, ORGANIZATION, alert_id)


async def take_kinds(database: Database) -> list[str]:
    async with database.write() as tx:
        items = await claim(tx, CORRELATION)
        await complete(tx, items)
        return [item.kind for item in items]


async def test_suppress_marks_active_alerts(
    database: Database, clock: Clock, opening: Callable[..., Any], open_all: Callable[..., Awaitable[list[Alert]]]
) -> None:
    """A covered alert names its window; marking it again with the same window changes nothing."""
    (alert,) = await open_all(opening())
    async with database.write() as tx:
        (marked,) = await membership.suppress(tx, ORGANIZATION, {alert.id: 12}, clock.now())
        assert await membership.suppress(tx, ORGANIZATION, {alert.id: 12}, clock.now()) == []
    assert (marked.incident_eligibility, marked.maintenance_window_id) == (Eligibility.MAINTENANCE_SUPPRESSED, 12)
    assert await read(database, alert.id) == marked


async def test_release_hands_alerts_to_correlation(
    database: Database, clock: Clock, opening: Callable[..., Any], open_all: Callable[..., Awaitable[list[Alert]]]
) -> None:
    """What maintenance held back is correlated once it is over; an alert that was not covered is not touched."""
    covered, other = await open_all(opening(), opening(dimension_key="host.id=b"))
    await take_kinds(database)
    async with database.write() as tx:
        await membership.suppress(tx, ORGANIZATION, {covered.id: 12}, clock.now())
        (released,) = await membership.release(tx, ORGANIZATION, [covered.id, other.id], clock.now())
    assert (released.id, released.incident_eligibility, released.maintenance_window_id) == (covered.id, None, None)
    assert await read(database, covered.id) == released
    assert await take_kinds(database) == ["alert_released"]


async def test_watch_goes_on_after_maintenance(
    database: Database, clock: Clock, opening: Callable[..., Any], open_all: Callable[..., Awaitable[list[Alert]]]
) -> None:
    """While covered a watched alert shows the maintenance, afterwards the watch again, and ends it wherever it is."""
    (alert,) = await open_all(opening())
    async with database.write() as tx:
        await membership.set_incidents(tx, ORGANIZATION, {alert.id: 5}, clock.now())
        await membership.start_watch(tx, ORGANIZATION, 5, clock.now())
        (covered,) = await membership.suppress(tx, ORGANIZATION, {alert.id: 12}, clock.now())
        assert [one.id for one in await membership.watched_alerts(tx, ORGANIZATION)] == [alert.id]
        (released,) = await membership.release(tx, ORGANIZATION, [alert.id], clock.now())
        (covered_again,) = await membership.suppress(tx, ORGANIZATION, {alert.id: 13}, clock.now())
        (unwatched,) = await membership.end_watch(tx, ORGANIZATION, [alert.id], clock.now())
    assert covered.incident_eligibility is Eligibility.MAINTENANCE_SUPPRESSED
    assert (released.incident_eligibility, released.watch_start_time) == (Eligibility.POST_RESOLUTION_WATCH, clock.now())
    assert (released.last_resolved_incident_id, covered_again.watch_start_time) == (5, clock.now())
    assert (unwatched.incident_eligibility, unwatched.watch_start_time) == (Eligibility.MAINTENANCE_SUPPRESSED, None)
