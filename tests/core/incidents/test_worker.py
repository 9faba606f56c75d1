from datetime import timedelta

import pytest

from lumetry_core.alerts.model import Closing
from lumetry_core.alerts.service.transitions import close_by_recovery
from lumetry_core.incidents.model import Settings
from lumetry_core.incidents.worker import CLEANUP_INTERVAL, Correlator
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.events import KEPT_EVENTS, publish, read_range
from tests.core.incidents.building import NOW, ORGANIZATION, an_opening, open_some
from tests.core.incidents.conftest import ReadIncidents


async def test_tick_works_off_one_organization_after_another(database: Database, read_incidents: ReadIncidents) -> None:
    """It says that there may be more until nothing waits."""
    await open_some(database, an_opening(1, "srv-1"), organization_id=8)
    await open_some(database, an_opening(1, "srv-1"))
    correlator = Correlator(database, Settings())
    assert [await correlator.tick(NOW) for _ in range(3)] == [True, True, False]
    assert len(await read_incidents()) == 1


@pytest.mark.parametrize(("window_minutes", "counts"), [(1, [1, 1]), (2, [2])])
async def test_tick_uses_the_window_of_its_settings(
    database: Database, read_incidents: ReadIncidents, window_minutes: int, counts: list[int]
) -> None:
    """Two minutes after an alert that closed, the next one joins only a window of two minutes."""
    correlator = Correlator(database, Settings(window_minutes))
    (first,) = await open_some(database, an_opening(1, "srv-1"))
    async with database.write() as tx:
        await close_by_recovery(tx, ORGANIZATION, [Closing(first.id, 1, "Rule 1", NOW, NOW, 5)], NOW)
    await correlator.tick(NOW)
    await open_some(database, an_opening(1, "srv-1", start_time=NOW + timedelta(minutes=2)))
    await correlator.tick(NOW)
    assert [incident.alert_count for incident in await read_incidents()] == counts


async def test_tick_turns_a_storm_into_few_incidents(database: Database, read_incidents: ReadIncidents) -> None:
    """Many alerts of many hosts are one incident for each host, in one round."""
    openings = [an_opening(rule_id, f"srv-{host}") for rule_id in range(6) for host in range(100)]
    await open_some(database, *openings)
    correlator = Correlator(database, Settings())
    assert [await correlator.tick(NOW) for _ in range(2)] == [True, False]
    assert [(one.number, one.alert_count, one.violation_count) for one in await read_incidents()] == [
        (number, 6, 12) for number in range(1, 101)
    ]


async def test_tick_keeps_the_event_log_bounded(database: Database) -> None:
    """Old events beyond the newest 10,000 are dropped at the first round and every few minutes, not at every round."""

    async def publish_many(count: int) -> None:
        async with database.write() as tx:
            await publish(tx, ORGANIZATION, [("alerts", "alert.opened", {"id": 1})] * count, NOW - timedelta(hours=1))

    async def oldest() -> int:
        async with database.read() as tx:
            return (await read_range(tx, ORGANIZATION))[0]

    correlator = Correlator(database, Settings())
    await publish_many(KEPT_EVENTS + 3)
    await correlator.tick(NOW)
    assert await oldest() == 4
    await publish_many(5)
    await correlator.tick(NOW + CLEANUP_INTERVAL - timedelta(milliseconds=1))
    assert await oldest() == 4
    await correlator.tick(NOW + CLEANUP_INTERVAL)
    assert await oldest() == 9
