from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from lumetry_core.alerts.model import Alert
from lumetry_core.incidents.model import Incident, IncidentMetric
from lumetry_core.incidents.service import handling, reading
from lumetry_core.incidents.service.reading import IncidentQuery
from lumetry_core.incidents.store.incidents import insert_incidents
from lumetry_core.metrics.model import DataStatus
from lumetry_core.metrics.store.catalog import insert_metrics
from lumetry_core.rules.model import Direction, Severity
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.violations import service as violations
from lumetry_core.violations.model import NewViolation
from tests.core.incidents.building import NOW, ORGANIZATION, an_incident, an_opening, correlate_all, open_some

HOUR = timedelta(hours=1)


@pytest.fixture
async def alerts(database: Database, caller: Caller) -> list[Alert]:
    """Two hosts: two alerts of the first, which are resolved, and a worse, later one of the second."""
    opened = await open_some(
        database,
        an_opening(1, "srv-1", start_time=NOW + timedelta(minutes=1)),
        an_opening(2, "srv-1", metric_key="disk.used"),
        an_opening(3, "srv-2", start_time=NOW + HOUR, severity=Severity.CRITICAL),
    )
    await correlate_all(database)
    async with database.write() as tx:
        await handling.resolve(tx, caller, 1, "fixed", "Resolved", NOW + HOUR)
    return opened


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (IncidentQuery(), [2, 1]),
        (IncidentQuery(limit=1), [2]),
        (IncidentQuery(status="resolved"), [1]),
        (IncidentQuery(status="Open"), [2]),
        (IncidentQuery(status="ACKNOWLEDGED"), []),
        (IncidentQuery(severity="critical"), [2]),
        (IncidentQuery(severity="Warning", status="Open"), []),
        (IncidentQuery(start_time=NOW, end_time=NOW), [1]),
        (IncidentQuery(start_time=NOW + timedelta(milliseconds=1)), [2]),
        (IncidentQuery(end_time=NOW + HOUR - timedelta(milliseconds=1)), [1]),
        (IncidentQuery(start_time=NOW, end_time=NOW + HOUR), [2, 1]),
        (IncidentQuery(service_node_id=4), []),
        (IncidentQuery(ci_node_id=4), []),
    ],
)
async def test_search_incidents_filters(
    database: Database, caller: Caller, alerts: list[Alert], query: IncidentQuery, expected: list[int]
) -> None:
    """All given filters must match; texts ignore case, ranges include both ends, the newest start comes first."""
    async with database.read() as tx:
        found = await reading.search_incidents(tx, caller, query)
    assert [incident.number for incident in found] == expected


async def test_search_incidents_finds_a_centre(database: Database, caller: Caller) -> None:
    """Service and configuration item select by the incident's centre; equal starts are ordered by number, descending."""
    stored = [
        an_incident(1, primary_service_node_id=4, primary_service_name="Shop", primary_ci_node_id=5, primary_ci_name="web-1"),
        an_incident(2, primary_service_node_id=4, primary_service_name="Shop"),
    ]
    async with database.write() as tx:
        await insert_incidents(tx, stored)
    async with database.read() as tx:
        by_service = await reading.search_incidents(tx, caller, IncidentQuery(service_node_id=4))
        by_item = await reading.search_incidents(tx, caller, IncidentQuery(ci_node_id=5))
    assert (by_service, by_item) == ([stored[1], stored[0]], [stored[0]])


async def test_search_incidents_names_every_fault(database: Database, caller: Caller) -> None:
    """Faults carry the names of the query's parameters."""
    query = IncidentQuery(status="Closed", severity="Info", start_time=NOW, end_time=NOW - HOUR, limit=5001)
    async with database.read() as tx:
        with pytest.raises(LumetryError) as caught:
            await reading.search_incidents(tx, caller, query)
    assert (caught.value.reason, caught.value.faults) == (
        Reason.VALIDATION_FAILED,
        (
            Fault("status", "must be one of Open, Acknowledged, Resolved"),
            Fault("severity", "must be one of Warning, Critical"),
            Fault("limit", "must be between 1 and 5000"),
            Fault("from", "must not be after to"),
        ),
    )


async def test_list_incident_alerts_are_its_members(database: Database, caller: Caller, alerts: list[Alert]) -> None:
    """Newest first, at most the limit, with their membership."""
    async with database.read() as tx:
        found = await reading.list_incident_alerts(tx, caller, 1, 0)
        newest = await reading.list_incident_alerts(tx, caller, 1, 1)
    assert [(alert.id, alert.incident_id) for alert in found] == [(alerts[0].id, 1), (alerts[1].id, 1)]
    assert newest == found[:1]


def a_violation(alert: Alert, time: datetime) -> NewViolation:
    return NewViolation(
        rule_id=alert.rule_id,
        metric_key="cpu.usage",
        time=time,
        actual_value=95.0,
        direction=Direction.ABOVE,
        severity=Severity.WARNING,
        metric_display_name="CPU usage",
        detect_time=time,
        dimension_key=alert.dimension_key,
        alert_id=alert.id,
    )


async def test_list_incident_violations_are_those_of_its_members(database: Database, caller: Caller, alerts: list[Alert]) -> None:
    """Newest first over all members, none of other alerts, at most the limit."""
    minutes = [timedelta(minutes=count) for count in range(3)]
    new = [a_violation(alert, NOW + span) for alert in alerts for span in minutes]
    async with database.write() as tx:
        await violations.record(tx, ORGANIZATION, new)
    async with database.read() as tx:
        found = await reading.list_incident_violations(tx, caller, 1, 0)
        newest = await reading.list_incident_violations(tx, caller, 1, 2)
    assert [violation.time for violation in found] == [NOW + span for span in reversed(minutes) for _ in range(2)]
    assert {violation.alert_id for violation in found} == {alerts[0].id, alerts[1].id}
    assert newest == found[:2]


def a_metric(key: str, display_name: str, unit: str) -> dict[str, Any]:
    return {
        "organization_id": ORGANIZATION,
        "metric_key": key,
        "display_name": display_name,
        "description": "",
        "unit": unit,
        "metric_type": "gauge",
        "namespace": "default",
        "source": "custom",
        "management_mode": "EXTERNALLY_MANAGED",
        "catalog_source": "api",
        "multidimensional": True,
        "dimension_keys": ("host.id",),
        "is_active": True,
        "data_status": DataStatus.ACTIVE,
        "sync_status": "SYNCED",
        "partition": 0,
        "create_time": NOW,
        "update_time": NOW,
    }


async def test_list_incident_metrics_describes_each_once(database: Database, caller: Caller, alerts: list[Alert]) -> None:
    """Ascending by display name, as the catalog has it now; a metric that the catalog lacks goes by its key."""
    await open_some(database, an_opening(4, "srv-2", metric_key="net.errors", start_time=NOW + HOUR))
    await open_some(database, an_opening(5, "srv-2", metric_key="net.errors", start_time=NOW + HOUR))
    await open_some(database, an_opening(6, "srv-2", metric_key="load", start_time=NOW + HOUR))
    await correlate_all(database)
    async with database.write() as tx:
        await insert_metrics(tx, [a_metric("cpu.usage", "zeta", "%"), a_metric("net.errors", "Errors", "1/s")])
    async with database.read() as tx:
        found = await reading.list_incident_metrics(tx, caller, 2)
    assert found == [
        IncidentMetric("net.errors", "Errors", "1/s"),
        IncidentMetric("load", "load", ""),
        IncidentMetric("cpu.usage", "zeta", "%"),
    ]


async def test_list_incident_timeline_is_ascending(database: Database, caller: Caller, alerts: list[Alert]) -> None:
    """Entries come in the order in which things happened, with their texts and times."""
    async with database.read() as tx:
        entries = await reading.list_incident_timeline(tx, caller, 1)
    first, second = alerts[0].id, alerts[1].id
    assert [(entry.incident_id, entry.entry.message, entry.create_time) for entry in entries] == [
        (1, f"Incident INC-000001 opened by alert {second}", NOW),
        (1, f"Alert {second} correlated into incident", NOW),
        (1, f"Alert {first} correlated into incident", NOW),
        (1, "Resolved as Resolved by anna: fixed", NOW + HOUR),
        (1, f"Alert {first} is still active and is watched after resolution", NOW + HOUR),
        (1, f"Alert {second} is still active and is watched after resolution", NOW + HOUR),
    ]
    assert [entry.id for entry in entries] == sorted(entry.id for entry in entries)
    async with database.read() as tx:
        assert await reading.list_incident_timeline(tx, caller, 1, 2) == entries[-2:]


@pytest.mark.parametrize(
    "read",
    [
        reading.get_incident,
        lambda tx, caller, number: reading.list_incident_alerts(tx, caller, number, -1),
        lambda tx, caller, number: reading.list_incident_violations(tx, caller, number, -1),
        reading.list_incident_metrics,
        lambda tx, caller, number: reading.list_incident_timeline(tx, caller, number, -1),
    ],
)
async def test_reading_finds_only_the_own_organization(
    database: Database, caller: Caller, alerts: list[Alert], read: Callable[..., Awaitable[object]]
) -> None:
    """An unknown incident and one of another organization are the same, and are noticed before a wrong limit."""
    for who, number in ((caller, 99), (replace(caller, organization_id=8), 1)):
        async with database.read() as tx:
            with pytest.raises(LumetryError) as caught:
                await read(tx, who, number)
        assert (caught.value.reason, caught.value.metadata) == (Reason.NOT_FOUND, {"type": "Incident", "id": str(number)})


@pytest.mark.parametrize("read", [reading.list_incident_alerts, reading.list_incident_violations, reading.list_incident_timeline])
async def test_reading_refuses_a_wrong_limit(
    database: Database, caller: Caller, alerts: list[Alert], read: Callable[..., Awaitable[object]]
) -> None:
    """Lists are limited as everywhere."""
    async with database.read() as tx:
        with pytest.raises(LumetryError) as caught:
            await read(tx, caller, 1, 5001)
    assert caught.value.faults == (Fault("limit", "must be between 1 and 5000"),)


async def test_get_incident_reads_one(database: Database, caller: Caller) -> None:
    """Every column comes back as it was stored."""
    stored = an_incident(
        1,
        primary_service_node_id=4,
        follow_up_of_incident_id=9,
        reopen_count=2,
        last_reopen_time=NOW,
        reopen_reason="Alert 9012 still active 10 minutes after resolution",
    )
    async with database.write() as tx:
        ids = await insert_incidents(tx, [stored])
    async with database.read() as tx:
        found: Incident = await reading.get_incident(tx, caller, ids[1])
    assert found == stored
