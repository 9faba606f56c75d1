"""Requests to learn stored points again. Each partition learns for itself; a request is over when all have done it."""

from datetime import datetime

from lumetry_core.access.service.evaluation_version import raise_evaluation_version
from lumetry_core.baselines.model import Rebuild
from lumetry_core.baselines.store import rebuilds as store
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Transaction


async def request_rebuild(
    tx: Transaction,
    organization_id: int,
    *,
    profile_id: int | None,
    metric_id: int | None,
    start_time: datetime | None,
    end_time: datetime | None,
    include_violations: bool,
    now: datetime,
) -> None:
    """Asks to learn again and moves the evaluation version.

    Args:
        profile_id: None: the baselines of all profiles.
        metric_id: None: the baselines of all metrics.
        start_time: With `end_time`: only the buckets that the period touches; both None: everything.
        include_violations: Points that breached are learned as well.
    """
    await raise_evaluation_version(tx, organization_id)
    request = Rebuild(
        id=0,
        organization_id=organization_id,
        profile_id=profile_id,
        metric_id=metric_id,
        start_ms=None if start_time is None else to_ms(start_time),
        end_ms=None if end_time is None else to_ms(end_time),
        include_violations=include_violations,
        create_time=now,
    )
    await store.insert_rebuild(tx, request)


async def list_rebuilds(tx: Transaction, organization_id: int, partition: int | None = None) -> list[Rebuild]:
    """The requests, ascending by number; with a partition only those that it has not done."""
    return await store.list_rebuilds(tx, organization_id, partition)


async def mark_done(tx: Transaction, organization_id: int, rebuild_id: int, partition: int) -> None:
    """Notes that a partition has done a request; repeating it changes nothing."""
    await store.write_done(tx, organization_id, rebuild_id, partition)


async def forget_done(tx: Transaction, organization_id: int, partition_count: int) -> None:
    """Deletes the requests that all partitions have done.

    Partitions that finish at the same moment may not see each other; then the next call deletes, and meanwhile nobody is asked again.
    """
    for rebuild_id in await store.list_done(tx, organization_id, partition_count):
        await store.delete_rebuild(tx, organization_id, rebuild_id)
