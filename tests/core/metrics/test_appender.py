import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from lumetry_core.metrics.definition import unpack_labels
from lumetry_core.metrics.model import DataStatus, MetricInfo, split_job_id
from lumetry_core.metrics.partition import partition_of
from lumetry_core.metrics.service import append, catalog, inbox
from lumetry_core.metrics.service import appender as appending
from lumetry_core.metrics.service.ingestion import ingest_points
from lumetry_core.metrics.settings import Settings
from lumetry_core.metrics.store import series as series_store
from lumetry_core.metrics.store.catalog import mark_stale
from lumetry_core.metrics.store.inbox import inbox_entries
from lumetry_core.runtime.database import Database, open_database
from lumetry_core.runtime.errors import Fault, LumetryError, Reason
from lumetry_core.runtime.queue import Wakeups
from tests.conftest import FakeClock
from tests.core.metrics.feeding import ORGANIZATION, Evaluate, Send, make_caller, make_points, running_appender


async def find_metric(database: Database, key: str, organization_id: int = ORGANIZATION) -> MetricInfo:
    async with database.read() as tx:
        return (await catalog.find_metrics(tx, organization_id, [key]))[key]


async def test_append_registers_metric_and_series(database: Database, clock: FakeClock, send: Send) -> None:
    """The first point makes the catalog entry; reserved labels other than `host.id` are no dimensions."""
    await send(("disk.used", {"mount": "/", "host.id": "a", "host.name": "n", "empty": ""}, 0, 1.0), ("load", {}, 0, 1.0))
    metric = await find_metric(database, "disk.used")
    assert metric == MetricInfo(
        id=metric.id,
        organization_id=ORGANIZATION,
        metric_key="disk.used",
        display_name="disk.used",
        description="",
        unit="",
        metric_type="gauge",
        namespace="default",
        source="custom",
        management_mode="EXTERNALLY_MANAGED",
        catalog_source="api",
        multidimensional=True,
        dimension_keys=("host.id", "mount"),
        is_active=True,
        data_status=DataStatus.ACTIVE,
        sync_status="SYNCED",
        partition=partition_of(ORGANIZATION, "disk.used", 16 if database.is_postgresql else 1),
        create_time=clock.now(),
        update_time=clock.now(),
        last_sync_time=None,
        last_ingest_time=clock.now(),
    )
    single = await find_metric(database, "load")
    assert (single.multidimensional, single.dimension_keys) == (False, ())
    async with database.read() as tx:
        (found,) = await series_store.list_of_metric(tx, ORGANIZATION, metric.id)
    assert unpack_labels(found[1]) == {"host.id": "a", "host.name": "n", "mount": "/"}


async def test_append_keeps_the_mode_of_a_metric(database: Database, send: Send) -> None:
    """Later points do not change it."""
    await send(("m", {}, 0, 1.0))
    await send(("m", {"a": "1"}, 0, 1.0))
    assert (await find_metric(database, "m")).multidimensional is False


async def test_append_sets_the_collectors_label(database: Database, send: Send) -> None:
    """The credential decides `collector.id`, whatever was sent."""
    await send(("m", {"collector.id": "forged", "a": "1"}, 0, 1.0), caller=make_caller(collector_id="c-1"))
    metric = await find_metric(database, "m")
    async with database.read() as tx:
        found = await series_store.list_of_metric(tx, ORGANIZATION, metric.id)
    assert [unpack_labels(labels) for _, labels in found] == [{"a": "1", "collector.id": "c-1"}]
    assert (metric.catalog_source, metric.dimension_keys) == ("api", ("a",))


async def test_append_makes_one_job_per_partition(database: Database, send: Send) -> None:
    """Every metric's points meet in its partition, in order; job numbers ascend."""
    keys = [f"metric.{number}" for number in range(40)]
    receipt = await send(*[(key, {}, second, float(second)) for second in range(2) for key in keys])
    partitions = sorted({partition_of(ORGANIZATION, key, 16 if database.is_postgresql else 1) for key in keys})
    assert receipt.accepted_count == 80
    assert list(receipt.job_ids) == sorted(receipt.job_ids)
    assert sorted(split_job_id(job_id)[0] for job_id in receipt.job_ids) == partitions
    points = 0
    for partition in partitions:
        async with database.read() as tx:
            (entry,) = await inbox.read_entries(tx, partition, 1, 1000)
        points += len(entry.values)
        assert entry.values.tolist() == [0.0] * (len(entry.values) // 2) + [1.0] * (len(entry.values) // 2)
        assert entry.batches[0].batch_id == receipt.batch_id
    assert points == 80


async def test_append_groups_requests_that_wait(database: Database, send: Send) -> None:
    """Concurrent requests share commits, each with its own receipt and its own organization's entry."""
    await send(("m", {}, 0, 0.0))
    receipts = await asyncio.gather(
        *[send(("m", {}, 1 + number, float(number)), caller=make_caller(7 + number % 2)) for number in range(40)]
    )
    assert len({receipt.batch_id for receipt in receipts}) == 40
    assert len({receipt.job_ids for receipt in receipts}) == 40
    async with database.read() as tx:
        rows = (await tx.execute(select(inbox_entries.c.organization_id, inbox_entries.c.batch_count))).all()
    assert sum(row.batch_count for row in rows) == 41
    assert len(rows) < 20
    assert {row.organization_id for row in rows} == {7, 8}


async def test_append_waits_for_others_until_somebody_returns(database: Database, send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sends again right after an answer waits for answers one by one, and takes along whoever waits longer."""
    monkeypatch.setattr(appending, "SPREAD_SECONDS", 600.0)
    await send(("m", {}, 0, 0.0))
    others = [asyncio.create_task(send(("m", {}, 0, 1.0), caller=make_caller(number))) for number in (8, 9)]
    async with asyncio.timeout(60):
        await send(("m", {}, 1, 0.0))
        receipts = await asyncio.gather(*others)
    assert [receipt.accepted_count for receipt in receipts] == [1, 1]


async def test_append_wakes_the_evaluator(send: Send, wakeups: Wakeups) -> None:
    """The commit wakes the channel of the inbox."""
    await send(("m", {}, 0, 0.0))
    await asyncio.wait_for(wakeups.wait("inbox", 60), 5)


async def test_append_refuses_when_too_many_points_wait(database: Database, clock: FakeClock, evaluate: Evaluate) -> None:
    """Above the limit nothing is stored; evaluation makes room again."""
    async with running_appender(database, clock, Settings(max_queued_points=3)) as appender:

        async def send_four() -> None:
            await ingest_points(
                appender.append, clock, make_caller(), make_points([("m", {}, second, 1.0) for second in range(4)], clock.now())
            )

        await send_four()
        with pytest.raises(LumetryError) as caught:
            await send_four()
        assert (caught.value.reason, caught.value.metadata) == (Reason.OVERLOADED, {"retry_after_seconds": "5"})
        async with database.read() as tx:
            assert (await inbox.queue_depth(tx)).points == 4
        await evaluate()
        await send_four()


async def test_append_reports_every_fault_and_stores_nothing(database: Database, send: Send) -> None:
    """One bad point rejects its whole batch, new metrics included."""
    with pytest.raises(LumetryError) as caught:
        await send(("m", {}, 0, 1.0), ("9", {"a|": "x"}, 601, float("nan")))
    assert caught.value.reason is Reason.VALIDATION_FAILED
    assert [fault.path for fault in caught.value.faults] == [
        "metrics[1].metricName",
        "metrics[1].labels.a|",
        "metrics[1].timestamp",
        "metrics[1].value",
    ]
    async with database.read() as tx:
        assert await catalog.find_metrics(tx, ORGANIZATION, ["m"]) == {}
        assert (await inbox.queue_depth(tx)).jobs == 0


async def test_append_refuses_an_empty_batch(send: Send) -> None:
    """At least one point is needed."""
    with pytest.raises(LumetryError) as caught:
        await send()
    assert caught.value.faults == (Fault("metrics", "must hold at least one point"),)


async def test_append_after_a_restart_finds_series_again(database: Database, clock: FakeClock) -> None:
    """A new process uses the series that an earlier one registered."""
    for _ in range(2):
        async with running_appender(database, clock) as appender:
            points = make_points([("m", {"a": "1"}, 0, 1.0)], clock.now())
            receipt = await ingest_points(appender.append, clock, make_caller(), points)
    partition = split_job_id(receipt.job_ids[0])[0]
    async with database.read() as tx:
        entries = await inbox.read_entries(tx, partition, 1, 1000)
    assert len(entries) == 2
    assert len({int(entry.series_ids[0]) for entry in entries}) == 1


async def test_append_by_two_processes_registers_each_series_once(database_url: str, clock: FakeClock) -> None:
    """Concurrent first points of the same series, from two connections, meet in one series."""
    databases = [open_database(database_url) for _ in range(2)]
    names = [f"metric.{number}" for number in range(30)]
    async with running_appender(databases[0], clock) as one, running_appender(databases[1], clock) as other:
        for round_number in range(3):
            labels = {"round": str(round_number)}
            points = make_points([(name, labels, 0, 1.0) for name in names], clock.now())
            backwards = make_points([(name, labels, 0, 1.0) for name in reversed(names)], clock.now())
            await asyncio.gather(
                ingest_points(one.append, clock, make_caller(), points), ingest_points(other.append, clock, make_caller(), backwards)
            )
    async with databases[0].read() as tx:
        metrics = await catalog.find_metrics(tx, ORGANIZATION, names)
        counts = [len(await series_store.list_of_metric(tx, ORGANIZATION, metric.id)) for metric in metrics.values()]
    assert counts == [3] * 30
    for database in databases:
        await database.close()


async def test_append_goes_on_when_one_request_breaks(database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unforeseen failure refuses the request that causes it, not those that share its commit."""
    build = append.build_entries

    def break_on_thirteen(plan: append.Plan, *rest: object) -> object:
        if any(13.0 in submission.columns.values for submission in plan.submissions):
            raise ZeroDivisionError
        return build(plan, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(append, "build_entries", break_on_thirteen)
    async with running_appender(database, clock) as appender:
        results = await asyncio.gather(
            *[
                ingest_points(appender.append, clock, make_caller(), make_points([("m", {}, second, float(second))], clock.now()))
                for second in range(10, 16)
            ],
            return_exceptions=True,
        )
    assert [isinstance(result, LumetryError) and result.reason for result in results] == [
        False,
        False,
        False,
        Reason.STORE_UNAVAILABLE,
        False,
        False,
    ]


async def test_append_after_the_end_of_the_appender(database: Database, clock: FakeClock) -> None:
    """Who comes too late is told to try again elsewhere."""
    points = make_points([("m", {}, 0, 1.0)], clock.now())
    async with running_appender(database, clock) as appender:
        await ingest_points(appender.append, clock, make_caller(), points)
    with pytest.raises(LumetryError) as caught:
        await ingest_points(appender.append, clock, make_caller(), points)
    assert caught.value.reason is Reason.STORE_UNAVAILABLE


async def test_append_notes_ingestion_about_once_a_minute(database: Database, clock: FakeClock, send: Send) -> None:
    """`last_ingest_time` follows at most a minute behind."""
    start = clock.now()
    for seconds, expected in ((0, 0), (30, 0), (31, 61), (10, 61), (60, 131)):
        clock.advance(seconds=seconds)
        await send(("m", {}, 0, 1.0))
        noted = (await find_metric(database, "m")).last_ingest_time
        assert noted is not None
        assert (noted - start).total_seconds() == expected


async def test_append_wakes_a_stale_metric(database: Database, clock: FakeClock, send: Send) -> None:
    """The point that ends the silence makes the metric active in its own transaction."""
    await send(("m", {}, 0, 1.0))
    clock.advance(hours=25)
    async with database.write() as tx:
        assert await mark_stale(tx, ORGANIZATION, datetime(2026, 6, 1, 9, tzinfo=UTC)) == 1
    assert (await find_metric(database, "m")).data_status is DataStatus.STALE
    await send(("m", {}, 0, 1.0))
    assert (await find_metric(database, "m")).data_status is DataStatus.ACTIVE
