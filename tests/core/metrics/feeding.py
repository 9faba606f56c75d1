"""Sending points in tests of metrics."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from lumetry_core.metrics.definition import define
from lumetry_core.metrics.model import AcceptedBatch, Lease
from lumetry_core.metrics.service import inbox
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.metrics.service.ingestion import PointInput
from lumetry_core.metrics.service.recent import RecentEntries
from lumetry_core.metrics.settings import Settings
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.clock import Clock, to_ms
from lumetry_core.runtime.database import Database

ORGANIZATION = 7
OWNER = "core-1"
SETTINGS = Settings(max_queued_points=10_000)

Given = tuple[str, dict[str, str], float, float]
"""Metric key, labels, seconds after the clock's present, value."""
Send = Callable[..., Awaitable[AcceptedBatch]]
Evaluate = Callable[[], Awaitable[list[Lease]]]


def make_caller(organization_id: int = ORGANIZATION, collector_id: str | None = None) -> Caller:
    kind = CredentialKind.API_TOKEN if collector_id is None else CredentialKind.COLLECTOR
    return Caller(organization_id, kind, credential_id=5, collector_id=collector_id)


def make_points(points: Sequence[Given], now: datetime) -> list[PointInput]:
    return [
        PointInput(define(key, labels.items(), "", ""), to_ms(now + timedelta(seconds=seconds)), value)
        for key, labels, seconds, value in points
    ]


@contextlib.asynccontextmanager
async def running_appender(database: Database, clock: Clock, settings: Settings = SETTINGS) -> AsyncIterator[Appender]:
    """An appender at work on the database, whose partitions are made if needed."""
    async with database.write() as tx:
        partition_count = await inbox.ensure_partitions(tx)
    appender = Appender(database, clock, settings, partition_count, RecentEntries())
    task = asyncio.create_task(appender.run())
    try:
        yield appender
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
