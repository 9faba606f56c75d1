from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from lumetry_core.alerts.decisions import Transition, explain_opening, not_occurred
from lumetry_core.alerts.model import Alert, Opening
from lumetry_core.alerts.service import handling, membership, reading
from lumetry_core.alerts.service.reading import AlertQuery
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason

Build = Callable[..., Opening]
Open = Callable[..., Awaitable[list[Alert]]]
CALLER = Caller(organization_id=7, kind=CredentialKind.INTERACTIVE)


async def test_search_alerts_filters(database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """Each filter keeps what matches, ignoring case where the contract does; filters combine; newest first."""
    opened = await open_all(
        opening(1),
        opening(2, rule_id=18),
        opening(3, rule_id=19, metric_key="cpu"),
        opening(4, rule_id=20, severity=Severity.CRITICAL),
        opening(4, rule_id=21, dimension_key=None),
    )
    await open_all(opening(), organization_id=8)
    names = {alert.id: position for position, alert in enumerate(opened)}
    async with database.write() as tx:
        await membership.set_incidents(tx, 7, {opened[1].id: 5, opened[3].id: 5}, clock.now())
        await handling.acknowledge(tx, CALLER, opened[0].id, "", clock.now())
        await handling.close(tx, CALLER, opened[1].id, "", clock.now())

    async def search(**query: object) -> list[int]:
        async with database.read() as tx:
            found = await reading.search_alerts(tx, CALLER, AlertQuery(**query))  # type: ignore[arg-type]
        return [names[alert.id] for alert in found]

    assert await search() == [0, 1, 2, 4, 3]
    assert await search(limit=2) == [0, 1]
    assert await search(metric_key="cpu") == [2]
    assert await search(rule_id=20) == [3]
    assert await search(severity="critical") == [3]
    assert await search(status="ACKNOWLEDGED") == [0]
    assert await search(status="Open") == [2, 4, 3]
    assert await search(incident_id=5) == [1, 3]
    assert await search(incident_id=5, status="Closed") == [1]
    assert await search(incident_id=5, status="Open", severity="Warning") == []
    assert await search(source_kind="metricrule", dimension_key="host.id=a") == [0, 1, 2, 3]
    assert await search(source_kind="External") == []
    two_ago, three_ago = clock.now() - timedelta(minutes=2), clock.now() - timedelta(minutes=3)
    assert await search(start_time=three_ago, end_time=two_ago) == [1, 2]


async def test_search_alerts_names_faults(database: Database, clock: Clock) -> None:
    """All faults of a query are named by its parameters."""
    query = AlertQuery(
        severity="x",
        status="Gone",
        source_kind="y",
        limit=5001,
        metric_key="\0",
        start_time=clock.now(),
        end_time=clock.now() - timedelta(1),
    )
    async with database.read() as tx:
        with pytest.raises(LumetryError) as failure:
            await reading.search_alerts(tx, CALLER, query)
    assert [fault.path for fault in failure.value.faults] == ["severity", "status", "sourceKind", "limit", "metricId", "from"]


async def test_explain_answers_what_was_recorded(database: Database, clock: Clock, opening: Build, open_all: Open) -> None:
    """The opening is the default; what has not happened has no gates; unknown transitions are faults."""
    first = opening()
    (opened,) = await open_all(first)
    async with database.read() as tx:
        assert await reading.explain(tx, CALLER, opened.id, "") == explain_opening(opened.id, first, clock.now())
        assert await reading.explain(tx, CALLER, opened.id, "Escalate") == not_occurred(opened.id, Transition.ESCALATE)
        with pytest.raises(LumetryError) as failure:
            await reading.explain(tx, CALLER, opened.id, "reopen")
    assert [fault.path for fault in failure.value.faults] == ["transition"]


async def test_alerts_of_another_organization_do_not_exist(database: Database, opening: Build, open_all: Open) -> None:
    """Every way to one alert fails with NOT_FOUND."""
    (foreign,) = await open_all(opening(), organization_id=8)
    async with database.read() as tx:
        assert await reading.find_alerts(tx, 7, [foreign.id]) == []
        for call in (
            lambda: reading.get_alert(tx, 7, foreign.id),
            lambda: reading.explain(tx, CALLER, foreign.id, ""),
            lambda: reading.list_violations_of(tx, CALLER, foreign.id, 0),
        ):
            with pytest.raises(LumetryError) as failure:
                await call()
            assert failure.value.reason is Reason.NOT_FOUND
