import asyncio

import pytest
from sqlalchemy import text

from lumetry_core.metrics.model import BatchHeader, Entry, Job, Lease, LeaseLost, QueueDepth, QueueSummary, split_job_id
from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.store import partitions as partition_store
from lumetry_core.runtime.database import Database, open_database
from tests.conftest import FakeClock
from tests.core.metrics.feeding import ORGANIZATION, Evaluate, Send, make_caller


def contents(entry: Entry) -> tuple[int, list[int], list[float]]:
    return entry.first_offset, entry.batch_counts.tolist(), entry.values.tolist()


async def test_ensure_partitions_keeps_their_number(database: Database) -> None:
    """One on SQLite, sixteen on PostgreSQL, however often it is called."""
    for _ in range(2):
        async with database.write() as tx:
            assert await inbox.ensure_partitions(tx) == (16 if database.is_postgresql else 1)


async def test_read_entries_in_order_of_offset(database: Database, clock: FakeClock, send: Send) -> None:
    """Batches keep their order, points theirs, and headers say what each job holds."""
    first = await send(("m", {"host.id": "a"}, 0, 1.0), ("m", {"host.id": "b"}, 0, 2.0))
    second = await send(("m", {"host.id": "b"}, 1, 3.0))
    partition, offset = split_job_id(first.job_ids[0])
    async with database.read() as tx:
        entries = await inbox.read_entries(tx, partition, offset, 1000)
    assert [contents(entry) for entry in entries] == [(1, [2], [1.0, 2.0]), (2, [1], [3.0])]
    metric_id = entries[0].batches[0].metric_id
    assert metric_id is not None
    assert [entry.batches for entry in entries] == [
        [BatchHeader(first.batch_id, "API_TOKEN", 5, 2, metric_id, None, None)],
        [BatchHeader(second.batch_id, "API_TOKEN", 5, 1, metric_id, int(entries[1].times_ms[0]), int(entries[1].series_ids[0]))],
    ]
    assert entries[0].series_ids[1] == entries[1].series_ids[0]
    assert (entries[0].organization_id, entries[0].create_time) == (ORGANIZATION, clock.now())


async def test_read_entries_up_to_a_number_of_points(database: Database, send: Send) -> None:
    """At least one entry comes, then as many as fit."""
    first = await send(*[("m", {}, second, 1.0) for second in range(5)])
    await send(("m", {}, 5, 2.0))
    await send(("m", {}, 6, 3.0))
    partition, offset = split_job_id(first.job_ids[0])
    async with database.read() as tx:
        assert [len(entry.values) for entry in await inbox.read_entries(tx, partition, offset, 1)] == [5]
        assert [len(entry.values) for entry in await inbox.read_entries(tx, partition, offset, 6)] == [5, 1]
        assert [len(entry.values) for entry in await inbox.read_entries(tx, partition, offset, 7)] == [5, 1, 1]
        assert await inbox.read_entries(tx, partition, offset + 3, 7) == []


async def test_read_entries_from_the_middle_of_an_entry(database: Database, send: Send) -> None:
    """Jobs that were evaluated already are left out, with their points."""
    receipts = await asyncio.gather(*[send(("m", {}, second, float(second))) for second in range(4)])
    partition, last = split_job_id(receipts[-1].job_ids[0])
    async with database.read() as tx:
        entries = await inbox.read_entries(tx, partition, last - 1, 1000)
    assert [value for entry in entries for value in entry.values.tolist()] == [2.0, 3.0]
    assert entries[0].first_offset == last - 1


async def test_advance_is_fenced_by_the_epoch(database: Database, clock: FakeClock, send: Send) -> None:
    """After another owner took the partition, the former one changes nothing."""
    receipt = await send(("m", {}, 0, 1.0))
    partition, offset = split_job_id(receipt.job_ids[0])
    async with database.write() as tx:
        (mine,) = [lease for lease in await inbox.acquire(tx, "core-1", clock.now()) if lease.partition == partition]
    clock.advance(seconds=7)
    async with database.write() as tx:
        (theirs,) = [lease for lease in await inbox.acquire(tx, "core-2", clock.now()) if lease.partition == partition]
    assert theirs == Lease(partition, mine.epoch + 1)
    with pytest.raises(LeaseLost):
        async with database.write() as tx:
            await inbox.advance(tx, mine, offset + 1, 1)
    async with database.write() as tx:
        await inbox.advance(tx, theirs, offset + 1, 1)
        position = await inbox.read_position(tx, partition)
    assert (position.committed_offset, position.evaluated_points, position.owner) == (offset + 1, 1, "core-2")


async def test_acquire_keeps_an_expired_lease_that_nobody_took(database: Database, clock: FakeClock) -> None:
    """A late renewal goes on with the same epoch."""
    async with database.write() as tx:
        await inbox.ensure_partitions(tx)
        held = await inbox.acquire(tx, "core-1", clock.now())
    clock.advance(seconds=60)
    async with database.write() as tx:
        assert await inbox.acquire(tx, "core-1", clock.now()) == held
        assert await inbox.renew(tx, "core-1", clock.now()) == held


async def test_acquire_shares_fairly(database: Database, clock: FakeClock) -> None:
    """A second owner gets its half as soon as the first gives up the surplus; all comes back when it leaves."""
    async with database.write() as tx:
        count = await inbox.ensure_partitions(tx)
        assert len(await inbox.acquire(tx, "core-1", clock.now())) == count
        await inbox.acquire(tx, "core-2", clock.now())
    async with database.write() as tx:
        first = await inbox.acquire(tx, "core-1", clock.now())
        second = await inbox.acquire(tx, "core-2", clock.now())
    share = -(-count // 2)
    assert (len(first), len(second)) == (share, count - share)
    assert {lease.partition for lease in first}.isdisjoint({lease.partition for lease in second})
    async with database.write() as tx:
        await inbox.release(tx, "core-1")
        assert len(await inbox.acquire(tx, "core-2", clock.now())) == count


async def test_acquire_by_two_owners_at_once_never_gives_a_partition_twice(database_url: str, clock: FakeClock) -> None:
    """Two processes that start together divide the partitions."""
    databases = [open_database(database_url) for _ in range(2)]
    async with databases[0].write() as tx:
        count = await inbox.ensure_partitions(tx)

    async def acquire(number: int) -> list[Lease]:
        async with databases[number].write() as tx:
            return await inbox.acquire(tx, f"core-{number}", clock.now())

    for _ in range(3):
        held = await asyncio.gather(acquire(0), acquire(1))
    partitions = sorted(lease.partition for leases in held for lease in leases)
    assert partitions == list(range(count))
    for database in databases:
        await database.close()


async def test_queue_depth_counts_what_waits(database: Database, clock: FakeClock, send: Send, evaluate: Evaluate) -> None:
    """Jobs, points and the time of the oldest, until they are evaluated."""
    start = clock.now()
    await send(("m", {}, 0, 1.0), ("m", {}, 1, 1.0))
    clock.advance(seconds=10)
    await send(("m", {}, 0, 1.0), caller=make_caller(8))
    async with database.read() as tx:
        assert await inbox.queue_depth(tx) == QueueDepth(2, 3, start)
        assert await inbox.summarize_queue(tx, 8) == QueueSummary(1, 0, clock.now())
    await evaluate()
    async with database.read() as tx:
        assert await inbox.queue_depth(tx) == QueueDepth(0, 0, None)
        assert await inbox.summarize_queue(tx, ORGANIZATION) == QueueSummary(0, 1, None)


async def test_find_job_of_ones_own_organization(database: Database, clock: FakeClock, send: Send) -> None:
    """A job is found by its number, and only by its organization."""
    await send(("m", {}, 0, 1.0))
    receipt = await send(("m", {"a": "1"}, 0, 1.0), ("m", {"a": "2"}, 0, 1.0))
    (job_id,) = receipt.job_ids
    partition, offset = split_job_id(job_id)
    async with database.read() as tx:
        job = await inbox.find_job(tx, ORGANIZATION, job_id)
        assert await inbox.find_job(tx, 8, job_id) is None
        assert await inbox.find_job(tx, ORGANIZATION, job_id + 64) is None
    assert job is not None
    assert job == Job(
        job_id, partition, offset, clock.now(), BatchHeader(receipt.batch_id, "API_TOKEN", 5, 2, job.header.metric_id, None, None)
    )


async def test_renew_does_not_deadlock_with_an_append(database: Database, clock: FakeClock) -> None:
    """Both lock partitions in ascending order, wherever their rows lie in the table."""
    if not database.is_postgresql:
        pytest.skip("SQLite has one writer at a time")
    async with database.write() as tx:
        await inbox.ensure_partitions(tx)
        await inbox.acquire(tx, "core", clock.now())
    async with database.write() as tx:
        await partition_store.reserve(tx, {0: (1, 1)})  # which moves its row behind all others
    renewing = asyncio.Event()

    async def renew() -> list[Lease]:
        async with database.write() as tx:
            renewing.set()
            return await inbox.renew(tx, "core", clock.now())

    async with database.write() as tx:
        await partition_store.reserve(tx, {0: (1, 1)})
        renewal = asyncio.create_task(renew())
        await renewing.wait()
        await wait_until_blocked(database)
        await partition_store.reserve(tx, {15: (1, 1)})
    assert len(await renewal) == 16


async def wait_until_blocked(database: Database) -> None:
    """Until a statement waits for a lock."""
    waiting = 0
    while not waiting:
        async with database.read() as tx:
            waiting = (await tx.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))).scalar_one()
