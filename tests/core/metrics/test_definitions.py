from dataclasses import replace
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from lumetry_core.access.store.audit import audit_logs, revisions
from lumetry_core.metrics.draft import DeviationDraft, FleetDraft
from lumetry_core.metrics.fleet_contract import NO_FLEET, Analysis, FleetContract
from lumetry_core.metrics.model import DataStatus, MetricInfo
from lumetry_core.metrics.partition import partition_of
from lumetry_core.metrics.service import bindings, definitions, inbox
from lumetry_core.metrics.service.catalog import find_metrics_by_id, list_metrics
from lumetry_core.metrics.service.queries import query_series
from lumetry_core.metrics.service.references import list_references, refer
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.metrics.defining import CALLER, Desk, find_nodes
from tests.core.metrics.feeding import ORGANIZATION, Send

MEMBERS = {"metric_mode": "multidimensional", "dimension_keys": ("host.id",)}


@pytest.fixture
def desk(database: Database, clock: FakeClock) -> Desk:
    return Desk(database, clock)


@pytest.fixture
async def partition_count(database: Database) -> int:
    async with database.write() as tx:
        return await inbox.ensure_partitions(tx)


async def list_audit(database: Database) -> list[tuple[str, str, Any, Any]]:
    columns = audit_logs.c
    async with database.read() as tx:
        rows = await tx.execute(
            select(columns.action, columns.entity_id, columns.old_values_json, columns.new_values_json).order_by(columns.id)
        )
        return [(row[0], row[1], *(text and msgspec.json.decode(text) for text in row[2:])) for row in rows]


@pytest.mark.usefixtures("partition_count")
async def test_create_of_a_key_alone(desk: Desk, clock: FakeClock, database: Database) -> None:
    """Everything else has its default; the metric waits for its first point and is no target for rules."""
    created = await desk.create()
    assert created == MetricInfo(
        id=created.id,
        organization_id=ORGANIZATION,
        metric_key="cpu",
        display_name="cpu",
        description="",
        unit="",
        metric_type="gauge",
        namespace="default",
        source="custom",
        management_mode="EXTERNALLY_MANAGED",
        catalog_source="manual",
        multidimensional=False,
        dimension_keys=(),
        is_active=True,
        data_status=DataStatus.PENDING,
        sync_status="SYNCED",
        partition=partition_of(ORGANIZATION, "cpu", 16 if database.is_postgresql else 1),
        create_time=clock.now(),
        update_time=clock.now(),
        last_sync_time=None,
        last_ingest_time=None,
        entity_type="",
        entity_identifier="",
        metadata={},
        fleet=NO_FLEET,
    )
    assert created.is_evaluable is False
    assert await desk.find("cpu") == created
    assert await desk.version() == 1


@pytest.mark.usefixtures("partition_count")
async def test_create_in_full(desk: Desk, database: Database) -> None:
    """What was written comes back, the profile is claimed, and the audit log and both histories show it."""
    fleet = FleetDraft(analyses=("baseline_deviation",), scope={"site": "x"}, baseline=DeviationDraft(baseline_profile_id=4))
    created = await desk.create(
        display_name="Processor", metadata='{"a": [1.5, null]}', entity_type="HOST", entity_identifier="s/1", fleet=fleet, **MEMBERS
    )
    assert (created.display_name, created.metadata, created.entity_type, created.entity_identifier) == (
        "Processor",
        {"a": [1.5, None]},
        "HOST",
        "s/1",
    )
    assert created.fleet == FleetContract(
        analyses=(Analysis.BASELINE,), scope={"site": "x"}, baseline=replace(NO_FLEET.baseline, baseline_profile_id=4)
    )
    assert created.split_dimension == "host.id"
    assert desk.profiles.used == {("MetricDefinition", created.id): 4}
    config = {"minDeviationPercent": 20.0, "minAbsoluteDeviation": 0.0, "direction": "Both", "openTicks": 3, "closeTicks": 3}
    assert await list_audit(database) == [
        (
            "MetricDefinition.Created",
            str(created.id),
            None,
            {
                "metricKey": "cpu",
                "displayName": "Processor",
                "description": None,
                "unit": None,
                "metricType": "gauge",
                "namespace": "default",
                "metadata": {"a": [1.5, None]},
                "entityType": "HOST",
                "entityIdentifier": "s/1",
                "catalogSource": "manual",
                "metricMode": "multidimensional",
                "dimensionKeys": ["host.id"],
                "isActive": True,
                "analyses": ["baseline_deviation"],
                "splitDimension": "host.id",
                "scope": {"site": "x"},
                "minPeerCount": 3,
                "maxCardinality": 500,
                "peerConfig": {"madThreshold": 3.5, "criticalMadThreshold": None, **config},
                "baselineConfig": {"zThreshold": 3.0, "criticalZThreshold": None, **config, "baselineProfileId": 4},
            },
        ),
        ("MetricEntity.Created", "HOST:s/1", None, {"entityType": "HOST", "entityIdentifier": "s/1", "metricKey": "cpu"}),
    ]


async def test_create_of_a_defined_key(desk: Desk, send: Send) -> None:
    """Also a metric that a point registered is defined; its key is one fault among others. Another organization may use it."""
    await send(("cpu", {}, 0, 1.0))
    with pytest.raises(LumetryError) as caught:
        await desk.create(metric_type="x", fleet=FleetDraft(baseline=DeviationDraft(baseline_profile_id=5)))
    assert caught.value.reason is Reason.VALIDATION_FAILED
    assert list(caught.value.faults) == [
        Fault("metricKey", "metric cpu is defined already"),
        Fault("metricType", "must be one of gauge, counter, histogram"),
        Fault("baselineConfig.baselineProfileId", "baseline profile 5 does not exist"),
    ]
    assert (await desk.create(replace(CALLER, organization_id=8))).organization_id == 8


@pytest.mark.usefixtures("partition_count")
async def test_create_that_fails_changes_nothing(desk: Desk, database: Database) -> None:
    """Neither a row nor a trace is left, not even of the version."""
    with pytest.raises(LumetryError):
        await desk.create(metric_key="a b", unit="x" * 65)
    assert (await desk.find("a b"), await desk.version(), await list_audit(database), desk.profiles.used) == (None, 0, [], {})


async def test_update_replaces_what_people_write(desk: Desk, clock: FakeClock, send: Send, database: Database) -> None:
    """Absent fields take their defaults; where the metric came from, and its data, stay."""
    await send(("cpu", {"host.id": "a"}, 0, 1.0))
    before = await desk.find("cpu")
    assert before is not None
    later = clock.advance(minutes=5)
    first = await desk.update(
        before.id, display_name="Prozessor", unit="%", entity_type="HOST", entity_identifier="a", metadata='{"x":1}', **MEMBERS
    )
    assert first == replace(
        before,
        display_name="Prozessor",
        unit="%",
        entity_type="HOST",
        entity_identifier="a",
        metadata={"x": 1},
        update_time=later,
    )
    second = await desk.update(before.id, metric_key="cpu", is_active=False)
    assert second == replace(
        before, multidimensional=False, dimension_keys=(), is_active=False, data_status=DataStatus.INACTIVE, update_time=later
    )
    assert [row[:2] for row in await list_audit(database)] == [
        ("MetricDefinition.Updated", str(before.id)),
        ("MetricEntity.Created", "HOST:a"),
        ("MetricDefinition.Updated", str(before.id)),
        ("MetricEntity.Removed", "HOST:a"),
    ]
    assert await desk.version() == 2


@pytest.mark.usefixtures("partition_count")
async def test_update_finds_the_new_name(desk: Desk, database: Database) -> None:
    """Lists search and sort by the name of the moment, then by the key."""
    for key in ("b", "a", "c"):
        await desk.create(metric_key=key)
    a = await desk.find("a")
    assert a is not None
    await desk.update(a.id, display_name="Zeta load")

    async def read(search: str, page: int = 0, size: int = 0) -> tuple[list[str], int]:
        async with database.read() as tx:
            found, total = await definitions.list_definitions(tx, CALLER, search, page, size)
        return [metric.metric_key for metric in found], total

    assert await read("") == (["b", "c", "a"], 3)
    assert await read(" zETA ") == (["a"], 1)
    assert await read("A") == (["a"], 1)
    assert await read("", page=2, size=2) == (["a"], 3)
    assert await read("", page=5, size=2) == ([], 3)
    with pytest.raises(LumetryError) as caught:
        await read("\0", page=-1, size=201)
    assert [fault.path for fault in caught.value.faults] == ["search", "page", "pageSize"]


@pytest.mark.usefixtures("partition_count")
async def test_update_keeps_the_key(desk: Desk) -> None:
    """Another key, even one in other letters, is a fault."""
    created = await desk.create()
    with pytest.raises(LumetryError) as caught:
        await desk.update(created.id, metric_key="CPU", metric_type="x")
    assert list(caught.value.faults) == [
        Fault("metricKey", "cannot be changed from cpu"),
        Fault("metricType", "must be one of gauge, counter, histogram"),
    ]
    assert await desk.find("cpu") == created


@pytest.mark.usefixtures("partition_count")
async def test_update_moves_the_claim_on_a_profile(desk: Desk) -> None:
    """It ends when the definition names none any more, and when the definition is removed."""
    created = await desk.create(fleet=FleetDraft(baseline=DeviationDraft(baseline_profile_id=4)))
    await desk.update(created.id)
    assert desk.profiles.used == {("MetricDefinition", created.id): None}
    await desk.update(created.id, fleet=FleetDraft(baseline=DeviationDraft(baseline_profile_id=4)))
    await desk.remove(created.id)
    assert desk.profiles.used == {("MetricDefinition", created.id): None}


@pytest.mark.usefixtures("partition_count")
async def test_definitions_of_others_do_not_exist(desk: Desk) -> None:
    """Neither unknown numbers nor those of another organization are read, changed or removed."""
    stranger = await desk.create(replace(CALLER, organization_id=8))
    for number in (stranger.id, 999):
        for attempt in (desk.update(number, metric_type="x"), desk.remove(number)):
            with pytest.raises(LumetryError) as caught:
                await attempt
            assert caught.value.reason is Reason.NOT_FOUND
        async with desk.database.read() as tx:
            with pytest.raises(LumetryError) as caught:
                await definitions.get_definition(tx, ORGANIZATION, number)
        assert caught.value.message == f"Metric definition {number} does not exist."


async def test_remove_hides_the_definition_and_keeps_points(desk: Desk, send: Send, clock: FakeClock, database: Database) -> None:
    """Nobody finds the metric by its key any more; who holds a number of a series still learns what it belongs to."""
    await send(("cpu", {"host.id": "a"}, 0, 1.0), ("load", {}, 0, 1.0))
    metric = await desk.find("cpu")
    assert metric is not None
    changed = await desk.update(metric.id, display_name="Processor", entity_type="HOST", entity_identifier="a", **MEMBERS)
    await desk.remove(metric.id)
    assert await desk.find("cpu") is None
    async with database.read() as tx:
        assert [found.metric_key for found in (await list_metrics(tx, CALLER, "", is_evaluable=None, page=0, page_size=0))[0]] == ["load"]
        assert (await find_metrics_by_id(tx, ORGANIZATION, [metric.id]))[metric.id].metric_key == "cpu"
        with pytest.raises(LumetryError) as caught:
            await query_series(tx, CALLER, "cpu", None, None, dimension_key=None, step=None, now=clock.now())
    assert caught.value.reason is Reason.NOT_FOUND
    with pytest.raises(LumetryError):
        await desk.remove(metric.id)
    rows = await list_audit(database)
    assert [row[:2] for row in rows[-2:]] == [("MetricDefinition.Deleted", str(metric.id)), ("MetricEntity.Removed", "HOST:a")]
    assert rows[-2][2]["displayName"] == changed.display_name
    async with database.read() as tx:
        statement = select(revisions.c.operation).where(revisions.c.entity_type == "MetricDefinition").order_by(revisions.c.id)
        assert (await tx.execute(statement)).scalars().all() == ["Updated", "Removed"]


async def test_remove_of_a_metric_in_use(desk: Desk, send: Send, database: Database) -> None:
    """The refusal names what refers to it, and it stays; without references it goes."""
    await send(("cpu", {}, 0, 1.0), ("load", {}, 0, 1.0))
    metric = await desk.find("cpu")
    assert metric is not None
    async with database.write() as tx:
        for number in range(1, 23):
            await refer(tx, ORGANIZATION, "Rule", number, ["load", "cpu"])
        await refer(tx, 8, "Rule", 40, ["cpu"])
    with pytest.raises(LumetryError) as caught:
        await desk.remove(metric.id)
    named = ", ".join(f"Rule {number}" for number in range(1, 21))
    assert caught.value.reason is Reason.CONFLICT
    assert caught.value.message == f"Metric cpu cannot be deleted while it is used by {named}, 2 more."
    assert await desk.find("cpu") == metric
    async with database.write() as tx:
        for number in range(1, 22):
            await refer(tx, ORGANIZATION, "Rule", number, ["load"])
        await refer(tx, ORGANIZATION, "Rule", 22, [])
        assert await list_references(tx, ORGANIZATION, "load") == [("Rule", number) for number in range(1, 22)]
    await desk.remove(metric.id)
    assert await desk.find("cpu") is None


@pytest.mark.usefixtures("partition_count")
async def test_remove_takes_bindings_along(desk: Desk, clock: FakeClock, database: Database) -> None:
    """They do not come back with the metric."""
    created = await desk.create()
    async with database.write() as tx:
        await bindings.bind(tx, CALLER, "cpu", 5, {}, find_nodes, clock.now())
    await desk.remove(created.id)
    await desk.create()
    async with database.read() as tx:
        assert await bindings.list_bindings(tx, CALLER, "cpu") == []
