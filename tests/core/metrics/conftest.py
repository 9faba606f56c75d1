"""Fixtures of metrics: a running appender and a way to send points through it."""

from collections.abc import AsyncIterator

import pytest

from lumetry_core.metrics.model import AcceptedBatch, Lease
from lumetry_core.metrics.senders import Senders, mark_caller
from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.metrics.service.ingestion import ingest_points
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from tests.core.metrics.feeding import OWNER, Evaluate, Given, Send, make_caller, make_points, running_appender


@pytest.fixture
async def appender(database: Database, clock: Clock) -> AsyncIterator[Appender]:
    async with running_appender(database, clock) as running:
        yield running


@pytest.fixture
def send(appender: Appender, clock: Clock) -> Send:
    """Sends one batch of points."""

    async def run(*points: Given, caller: Caller | None = None) -> AcceptedBatch:
        by = caller or make_caller()
        return await ingest_points(appender.append, clock, by, make_points(points, clock.now()), marking=mark_caller(by, Senders()))

    return run


@pytest.fixture
def evaluate(database: Database, clock: Clock) -> Evaluate:
    """Acquires all partitions and moves their committed offsets to the end."""

    async def run() -> list[Lease]:
        async with database.write() as tx:
            leases = await inbox.acquire(tx, OWNER, clock.now())
            for lease in leases:
                at = await inbox.read_position(tx, lease.partition)
                await inbox.advance(tx, lease, at.next_offset, at.appended_points - at.evaluated_points)
        return leases

    return run
