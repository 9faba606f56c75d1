import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from lumetry_core.runtime.database import Database
from lumetry_core.runtime.queue import DELETED_AT_ONCE, Wakeups, claim, complete, enqueue

NOW = datetime(2026, 6, 1, 8, 0, 0, 123000, tzinfo=UTC)


async def fill(database: Database, organization_id: int, queue: str, *payloads: object) -> None:
    async with database.write() as tx:
        await enqueue(tx, organization_id, queue, [("kind", payload) for payload in payloads], NOW)


async def take(database: Database, queue: str, limit: int = 1000) -> list[tuple[int, object]]:
    """Claims and completes, and tells organization and payload of each item."""
    async with database.write() as tx:
        items = await claim(tx, queue, limit)
        await complete(tx, items)
    return [(item.organization_id, item.payload) for item in items]


async def test_claim_takes_one_organization_at_a_time(database: Database) -> None:
    """Items come in order, up to the limit, of one organization and one queue."""
    await fill(database, 7, "correlation", 1, 2, 3)
    await fill(database, 8, "correlation", 4)
    await fill(database, 7, "evaluation", 5)
    assert await take(database, "correlation", 2) == [(7, 1), (7, 2)]
    assert await take(database, "correlation") == [(7, 3)]
    assert await take(database, "correlation") == [(8, 4)]
    assert await take(database, "correlation") == []
    assert await take(database, "evaluation") == [(7, 5)]


async def test_claim_prefers_who_waits_longest(database: Database) -> None:
    """An organization that always has work does not keep others waiting."""
    await fill(database, 1, "correlation", "first", "second")
    await fill(database, 2, "correlation", "third")
    await fill(database, 1, "correlation", "fourth")
    taken = [await take(database, "correlation", 1) for _ in range(4)]
    assert taken == [[(1, "first")], [(1, "second")], [(2, "third")], [(1, "fourth")]]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_claim_leaves_an_organization_to_its_worker(database: Database) -> None:
    """While one transaction holds an organization, another takes the next one, or nothing."""
    await fill(database, 7, "correlation", 1)
    await fill(database, 8, "correlation", 2)
    async with database.write() as first, database.write() as second, database.write() as third:
        claimed = [await claim(tx, "correlation") for tx in (first, second, third)]
    assert [[item.payload for item in items] for items in claimed] == [[1], [2], []]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_complete_deletes_exactly_the_claimed_items(database: Database) -> None:
    """An item with a lower number that is committed after the claim stays."""
    await fill(database, 7, "correlation", "early")
    await take(database, "correlation")
    async with database.write() as worker:
        async with database.write() as slow:
            await enqueue(slow, 7, "correlation", [("kind", "slow")], NOW)
            await fill(database, 7, "correlation", "fast")
            items = await claim(worker, "correlation")
        await complete(worker, items)
    assert [item.payload for item in items] == ["fast"]
    assert await take(database, "correlation") == [(7, "slow")]


async def test_complete_takes_more_items_than_one_statement(database: Database) -> None:
    """Thousands of items are deleted in parts; the last part too."""
    await fill(database, 7, "correlation", *range(DELETED_AT_ONCE + 3))
    async with database.write() as tx:
        items = await claim(tx, "correlation", DELETED_AT_ONCE + 2)
        await complete(tx, items)
    assert await take(database, "correlation") == [(7, DELETED_AT_ONCE + 2)]


async def test_complete_accepts_nothing(database: Database) -> None:
    """An empty claim is completed without a statement."""
    async with database.write() as tx:
        await complete(tx, [])


async def test_enqueue_wakes_the_stage_at_commit(database: Database, wakeups: Wakeups) -> None:
    """The wake-up is there before anybody waits for it, and only once."""
    await fill(database, 7, "correlation", 1)
    async with asyncio.timeout(5):
        await wakeups.wait("correlation", 60)
    await wakeups.wait("correlation", 0)


async def test_subscribe_hears_what_wakes_another(wakeups: Wakeups) -> None:
    """Every subscription and the worker hear one wake-up each, whoever waits first."""
    with wakeups.subscribe("events:7") as first, wakeups.subscribe("events:7") as second, wakeups.subscribe("events:8") as other:
        wakeups.wake("events:7")
        assert (first.is_woken, second.is_woken, other.is_woken) == (True, True, False)
        async with asyncio.timeout(5):
            await first.wait(60)
            await second.wait(60)
            await wakeups.wait("events:7", 60)
        assert (first.is_woken, second.is_woken) == (False, False)


async def test_subscribe_wakes_all_that_wait_at_once(wakeups: Wakeups) -> None:
    """A wake-up ends the waits of all subscriptions that are waiting."""
    with wakeups.subscribe("events:7") as first, wakeups.subscribe("events:7") as second:
        waits = asyncio.gather(first.wait(60), second.wait(60))
        asyncio.get_running_loop().call_soon(wakeups.wake, "events:7")
        async with asyncio.timeout(5):
            await waits


async def test_subscribe_ends_with_its_block(wakeups: Wakeups) -> None:
    """What wakes the channel later does not reach an ended subscription, and others go on."""
    with wakeups.subscribe("events:7") as staying:
        with wakeups.subscribe("events:7") as ended:
            pass
        wakeups.wake("events:7")
        assert (staying.is_woken, ended.is_woken) == (True, False)


async def test_wait_ends_after_its_time(wakeups: Wakeups) -> None:
    """Without a wake-up the wait ends by itself."""
    with wakeups.subscribe("events:7") as subscription:
        await subscription.wait(timedelta(milliseconds=1).total_seconds())
        assert not subscription.is_woken
