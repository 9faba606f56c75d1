from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import func, select, update

from lumetry_core.metrics.model import LeaseLost, Newest
from lumetry_core.metrics.service import inbox, sealing
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.metrics.service.ingestion import ingest_points
from lumetry_core.metrics.service.queries import query_series
from lumetry_core.metrics.service.series import SeriesIndex
from lumetry_core.metrics.service.stored import fold_unsealed, read_newest, stored_times
from lumetry_core.metrics.settings import Settings
from lumetry_core.metrics.store.inbox import inbox_entries
from lumetry_core.metrics.store.partitions import inbox_partitions
from lumetry_core.metrics.store.segments import point_segments
from lumetry_core.metrics.worker import Sealer
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Database, open_database
from tests.conftest import FakeClock
from tests.core.metrics.feeding import ORGANIZATION, OWNER, Evaluate, Send, make_caller, make_points, running_appender

A, B = {"host.id": "a"}, {"host.id": "b"}


async def seal(database: Database, clock: FakeClock) -> bool:
    return await Sealer(database, OWNER, Settings(seal_age_seconds=0)).tick(clock.now())


async def count(database: Database) -> tuple[int, int]:
    async with database.read() as tx:
        entries = (await tx.execute(select(func.count()).select_from(inbox_entries))).scalar_one()
        segments = (await tx.execute(select(func.count()).select_from(point_segments))).scalar_one()
    return entries, segments


async def read_values(database: Database, clock: FakeClock, key: str = "m", hours: float = 24) -> list[tuple[str, float, float]]:
    async with database.read() as tx:
        found = await query_series(
            tx,
            make_caller(),
            key,
            clock.now() - timedelta(hours=hours),
            clock.now() + timedelta(hours=hours),
            dimension_key=None,
            step=None,
            now=clock.now(),
        )
    return [
        (found.dimension_keys[member], (time - to_ms(clock.now())) / 1000, value)
        for member, time, value in zip(found.members.tolist(), found.times_ms.tolist(), found.values.tolist(), strict=True)
    ]


async def test_tick_moves_evaluated_points_to_segments(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """Queries give the same before and after; entries go, one segment per metric and day comes."""
    await send(("m", B, 0, 1.0), ("m", A, 1, 2.0), ("other", {}, 0, 3.0))
    await send(("m", A, 0, 4.0), ("m", A, -86_400, 5.0))
    before = await read_values(database, clock, hours=48)
    await evaluate()
    assert await seal(database, clock) is True
    assert await count(database) == (0, 3)
    assert await read_values(database, clock, hours=48) == before
    assert before == [
        ("host.id=a", -86_400.0, 5.0),
        ("host.id=a", 0.0, 4.0),
        ("host.id=b", 0.0, 1.0),
        ("host.id=a", 1.0, 2.0),
    ]
    assert await seal(database, clock) is False


async def test_tick_leaves_what_is_not_due(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """Few and fresh points stay in the inbox until they are old enough, unevaluated ones longer."""
    sealer = Sealer(database, OWNER, Settings())
    await send(("m", A, 0, 1.0))
    clock.advance(minutes=5)
    assert await sealer.tick(clock.now()) is False
    clock.moment -= timedelta(minutes=5)
    await evaluate()
    assert await sealer.tick(clock.now() + timedelta(seconds=59)) is False
    assert await sealer.tick(clock.now() + timedelta(seconds=60)) is True


async def test_tick_does_not_seal_half_an_entry(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """An entry of which some jobs wait stays whole."""
    await send(("m", A, 0, 1.0))
    await evaluate()
    async with database.write() as tx:
        await tx.execute(update(inbox_entries).values(batch_count=2))
    assert await seal(database, clock) is False
    assert await count(database) == (1, 0)


async def test_tick_seals_only_partitions_it_holds(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """Another process leaves them alone."""
    await send(("m", A, 0, 1.0))
    await evaluate()
    assert await Sealer(database, "core-2", Settings(seal_age_seconds=0)).tick(clock.now()) is False


async def test_store_sealed_is_fenced(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """A process that lost its lease while packing stores nothing and drops nothing."""
    receipt = await send(("m", A, 0, 1.0))
    partition = receipt.job_ids[0] % 64
    (lease,) = [lease for lease in await evaluate() if lease.partition == partition]
    async with database.read() as tx:
        due = await sealing.read_due(tx, lease, SeriesIndex(), Settings(seal_age_seconds=0), clock.now())
    assert due is not None
    async with database.write() as tx:
        await tx.execute(update(inbox_partitions).values(lease_epoch=lease.epoch + 1))
    with pytest.raises(LeaseLost):
        async with database.write() as tx:
            await sealing.store_sealed(tx, sealing.pack(due))
    assert await count(database) == (1, 0)
    assert await read_values(database, clock) == [("host.id=a", 0.0, 1.0)]


async def test_seal_keeps_jobs_to_be_found(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """Receipts answer after the points have left the inbox, per organization."""
    receipts = [await send(("m", A, second, 1.0), caller=make_caller(7 + second % 2)) for second in range(6)]
    async with database.read() as tx:
        before = [await inbox.find_job(tx, 7 + number % 2, receipt.job_ids[0]) for number, receipt in enumerate(receipts)]
    await evaluate()
    await seal(database, clock)
    async with database.read() as tx:
        after = [await inbox.find_job(tx, 7 + number % 2, receipt.job_ids[0]) for number, receipt in enumerate(receipts)]
        assert await inbox.find_job(tx, 8, receipts[0].job_ids[0]) is None
        assert (await inbox.summarize_queue(tx, 7)).evaluated_jobs == 3
    assert None not in before
    assert after == before


async def test_last_value_wins_over_sealed_ones(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """In one batch, between segments, and between segments and the inbox."""
    await send(("m", A, 0, 1.0), ("m", A, 0, 2.0))
    assert await read_values(database, clock) == [("host.id=a", 0.0, 2.0)]
    for value in (9.0, 3.0):
        await send(("m", A, 0, value))
        await evaluate()
        await seal(database, clock)
        assert await read_values(database, clock) == [("host.id=a", 0.0, value)]
    await send(("m", A, 0, 4.0))
    assert await read_values(database, clock) == [("host.id=a", 0.0, 4.0)]


async def test_newest_times_survive_sealing(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """The snapshot holds sealed points, folding adds evaluated ones; what waits does not count."""

    async def read() -> tuple[list[int], list[int]]:
        async with database.read() as tx:
            newest = await fold_unsealed(tx, ORGANIZATION, await read_newest(tx, ORGANIZATION))
        return newest.series_ids.tolist(), [(time - to_ms(clock.now())) // 1000 for time in newest.times_ms.tolist()]

    await send(("m", A, 10, 1.0), ("m", A, 5, 1.0), ("m", B, 1, 1.0))
    assert await read() == ([], [])
    await evaluate()
    ids, times = await read()
    assert times == [10, 1]
    await seal(database, clock)
    assert await read() == (ids, times)
    await send(("m", B, 7, 1.0), ("m", A, 2, 1.0))
    await evaluate()
    assert await read() == (ids, [10, 7])
    await seal(database, clock)
    async with database.read() as tx:
        sealed = await read_newest(tx, ORGANIZATION)
        other = await read_newest(tx, 8)
    assert (sealed.series_ids.tolist(), other.series_ids.tolist()) == (ids, [])
    assert await read() == (ids, [10, 7])


async def test_newest_of_some_partitions(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """A process reads what it holds."""
    for number in range(20):
        await send((f"metric.{number}", {}, 0, 1.0))
    leases = await evaluate()
    await seal(database, clock)
    counts = []
    async with database.read() as tx:
        for lease in leases:
            empty = Newest(np.zeros(0, np.int64), np.zeros(0, np.int64))
            assert len((await fold_unsealed(tx, ORGANIZATION, empty, [lease.partition])).series_ids) == 0
            counts.append(len((await read_newest(tx, ORGANIZATION, [lease.partition])).series_ids))
    assert sum(counts) == 20


async def test_stored_times_of_earlier_jobs(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """Points of segments and of earlier entries count; later jobs, other series and other times do not."""
    await send(("m", A, 0, 1.0), ("m", B, 0, 1.0))
    await evaluate()
    await seal(database, clock)
    await send(("m", A, 1, 1.0), ("m", A, 50, 1.0))
    third = await send(("m", A, 2, 1.0))
    await send(("m", A, 3, 1.0))
    async with database.read() as tx:
        metric = (await find_metrics(tx, ORGANIZATION, ["m"]))["m"]
        first = (await inbox.read_entries(tx, metric.partition, 2, 1))[0]
        series = np.array([int(first.series_ids[0])])
        start = to_ms(clock.now())
        ids, times = await stored_times(tx, ORGANIZATION, metric.id, series, start - 1000, start + 10_000, third.job_ids[0] // 64)
    assert (ids.tolist(), (times - start).tolist()) == ([series[0], series[0]], [0, 1000])


async def test_series_index_loads_what_is_unknown(database: Database, send: Send) -> None:
    """The metric of every series, also of ones that appear later."""
    index = SeriesIndex()
    for key in ("m", "n"):
        receipt = await send((key, A, 0, 1.0), (key, B, 0, 1.0))
        partition, offset = receipt.job_ids[0] % 64, receipt.job_ids[0] // 64
        async with database.read() as tx:
            (entry,) = await inbox.read_entries(tx, partition, offset, 10)
            await index.ensure_loaded(tx, entry.series_ids)
            metric = (await find_metrics(tx, ORGANIZATION, [key]))[key]
        assert index.metric_ids[entry.series_ids].tolist() == [metric.id, metric.id]


async def test_points_survive_a_crash_between_append_and_seal(database_url: str, clock: FakeClock) -> None:
    """A new process evaluates and seals what an earlier one accepted, once."""
    first = open_database(database_url)
    async with running_appender(first, clock) as appender:
        points = make_points([("m", A, 0, 1.0), ("m", B, 0, 2.0)], clock.now())
        await ingest_points(appender.append, clock, make_caller(), points)
    async with first.write() as tx:
        await inbox.acquire(tx, "core-0", clock.now())
    await first.close()
    clock.advance(seconds=7)
    second = open_database(database_url)
    async with second.write() as tx:
        for lease in await inbox.acquire(tx, OWNER, clock.now()):
            at = await inbox.read_position(tx, lease.partition)
            entries = await inbox.read_entries(tx, lease.partition, at.committed_offset, 100)
            await inbox.advance(tx, lease, at.next_offset, sum(len(entry.values) for entry in entries))
    assert await seal(second, clock) is True
    assert await read_values(second, clock) == [("host.id=a", -7.0, 1.0), ("host.id=b", -7.0, 2.0)]
    assert await count(second) == (0, 1)
    await second.close()
