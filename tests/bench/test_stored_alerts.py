from datetime import UTC, datetime, timedelta

from lumetry_core.access.service.organizations import create_organization
from lumetry_core.alerts.model import AlertFilter, AlertState
from lumetry_core.alerts.service.reading import list_alerts
from lumetry_core.bench.stored_alerts import first_organization, make_openings, recover_alerts, store_alerts
from lumetry_core.runtime.database import Database

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


def test_make_openings_are_distinct_and_in_order_of_time() -> None:
    """No two alerts share rule and member, so all of them may be active at once; metrics come in bursts."""
    openings = make_openings(250, 2, NOW, timedelta(seconds=1))
    assert len({(opening.rule_id, opening.dimension_key) for opening in openings}) == 250
    assert [opening.start_time for opening in openings] == [NOW + timedelta(seconds=number) for number in range(250)]
    metrics = [opening.metric_key for opening in openings]
    assert metrics == ["bench_metric_00000"] * 100 + ["bench_metric_00001"] * 100 + ["bench_metric_00000"] * 50


async def test_store_alerts_then_recover_some(database: Database) -> None:
    """What was opened is listed, what recovered is closed."""
    async with database.write() as tx:
        organization = await create_organization(tx, "Bench", NOW)
    assert await first_organization(database) == organization.id
    openings = make_openings(30, 3, NOW, timedelta(seconds=1))
    ids = await store_alerts(database, organization.id, openings, NOW)
    await recover_alerts(database, organization.id, ids[:20], openings[:20], NOW)
    async with database.read() as tx:
        found = await list_alerts(tx, organization.id, AlertFilter())
    assert [alert.id for alert in found] == ids[::-1]
    assert [alert.state for alert in found] == [AlertState.OPEN] * 10 + [AlertState.CLOSED] * 20
    assert found[-1].end_time == NOW + timedelta(hours=1)
