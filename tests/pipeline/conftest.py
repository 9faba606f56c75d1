"""A pipeline on a real database: points go in through the inbox, an evaluator takes them out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.metrics.service.recent import RecentEntries
from lumetry_core.metrics.settings import Settings
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from tests.pipeline.plant import Plant


@pytest.fixture
async def plant(database: Database, clock: Clock) -> AsyncIterator[Plant]:
    """The pipeline, with a running appender."""
    async with database.write() as tx:
        partition_count = await inbox.ensure_partitions(tx)
    recent = RecentEntries()
    appender = Appender(database, clock, Settings(), partition_count, recent)
    task = asyncio.create_task(appender.run())
    try:
        yield Plant(database, clock, appender, recent)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
