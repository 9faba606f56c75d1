"""Metrics that the product itself polls (contract 5.2, 5.8)."""

from datetime import timedelta

import pytest

from lumetry_core.access.service.evaluation_version import raise_evaluation_version
from lumetry_core.metrics.definition import define
from lumetry_core.metrics.managed import ManagedMetric, SyncStatus, managed_dimensions
from lumetry_core.metrics.model import MetricInfo
from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.service.catalog import find_metrics, register_series
from lumetry_core.metrics.service.managed import define_missing, note_sync
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database
from tests.conftest import FakeClock

ORGANIZATION = 7
CALLER = Caller(organization_id=ORGANIZATION, kind=CredentialKind.INTERACTIVE, user_id=42, user_name="admin")


@pytest.fixture(autouse=True)
async def partitions(database: Database) -> None:
    async with database.write() as tx:
        await inbox.ensure_partitions(tx)


async def define_all(database: Database, clock: FakeClock, *wanted: ManagedMetric) -> dict[str, MetricInfo]:
    """The metrics once they are defined."""
    async with database.write() as tx:
        await raise_evaluation_version(tx, ORGANIZATION)
        await define_missing(tx, CALLER, wanted, "prometheus", clock.now())
        return await find_metrics(tx, ORGANIZATION, [each.metric_key for each in wanted])


async def register(database: Database, clock: FakeClock, key: str, **labels: str) -> MetricInfo:
    """The metric after a series of it was registered."""
    definition = define(key, sorted(labels.items()), "default", "prometheus")
    async with database.write() as tx:
        await register_series(tx, ORGANIZATION, {repr(labels).encode(): definition}, 1, clock.now())
        return (await find_metrics(tx, ORGANIZATION, [key]))[key]


def mode(metric: MetricInfo) -> tuple[bool, tuple[str, ...]]:
    """Whether it has members, and what separates them."""
    return metric.multidimensional, metric.dimension_keys


def test_dimensions_are_the_same_whoever_polls() -> None:
    """What a collector adds by itself does not separate members; the host that a source names does."""
    assert managed_dimensions(("job", "collector.id", "host.id", "environment")) == ("host.id", "job")
    assert managed_dimensions(("collector.id",)) == ()


async def test_first_point_decides_the_mode(database: Database, clock: FakeClock) -> None:
    """Which labels a query gives is known with its first answer; later points do not change it."""
    await define_all(database, clock, ManagedMetric("up"))
    assert mode(await register(database, clock, "up", job="a", instance="b")) == (True, ("instance", "job"))
    assert mode(await register(database, clock, "up", other="c")) == (True, ("instance", "job"))


async def test_first_point_without_labels_leaves_a_single_metric(database: Database, clock: FakeClock) -> None:
    """Also when a collector adds its own."""
    await define_all(database, clock, ManagedMetric("load"))
    register_labels = {"collector.id": "c"}
    assert mode(await register(database, clock, "load", **register_labels)) == (False, ())


async def test_labels_that_are_known_decide_at_once(database: Database, clock: FakeClock) -> None:
    """Columns that were named are the dimensions, whatever the first point has."""
    made = await define_all(database, clock, ManagedMetric("open", "1", ("shop", "host.id")))
    assert (mode(made["open"]), made["open"].unit) == ((True, ("host.id", "shop")), "1")
    assert mode(await register(database, clock, "open", shop="a", till="b")) == (True, ("host.id", "shop"))


async def test_metrics_that_points_registered_keep_their_mode(database: Database, clock: FakeClock) -> None:
    """What is defined is not defined anew."""
    before = await register(database, clock, "pushed")
    made = await define_all(database, clock, ManagedMetric("pushed", "%", ("shop",)), ManagedMetric("new"))
    assert made["pushed"] == before
    assert (made["new"].management_mode, made["new"].catalog_source) == ("LUMETRY_MANAGED", "prometheus")


async def test_note_sync_changes_some_states_alone(database: Database, clock: FakeClock) -> None:
    """What failed does not become stale, and a time that nobody gives stays."""
    await define_all(database, clock, ManagedMetric("a"), ManagedMetric("b"))
    async with database.write() as tx:
        await note_sync(tx, ORGANIZATION, ["a"], SyncStatus.SYNCED, clock.now())
        await note_sync(tx, ORGANIZATION, ["b"], SyncStatus.FAILED)
        await note_sync(tx, ORGANIZATION, ["a", "b", "none"], SyncStatus.STALE, only=[SyncStatus.SYNCED])
        found = await find_metrics(tx, ORGANIZATION, ["a", "b"])
    assert {key: (each.sync_status, each.last_sync_time) for key, each in found.items()} == {
        "a": ("STALE", clock.now()),
        "b": ("FAILED", None),
    }
    assert clock.now() - found["a"].update_time == timedelta(0)
