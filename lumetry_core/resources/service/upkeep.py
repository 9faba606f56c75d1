"""Forgetting what is older than it is kept (contract monitoring 1.8), and containers that are no more."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from lumetry_core.containers.service.reading import find_containers
from lumetry_core.resources.model import SPANS, Granularity
from lumetry_core.resources.store import samples as store
from lumetry_core.resources.store import spans as span_store
from lumetry_core.resources.store import thresholds as threshold_store
from lumetry_core.runtime.database import Transaction

ROWS_AT_ONCE = 1000
MINUTES_KEPT = timedelta(days=14)
HOURS_KEPT = timedelta(days=90)


def retention_of(raw_days: int, rollup_days: int) -> dict[Granularity, timedelta]:
    """How long each granularity is kept."""
    return {
        Granularity.RAW: timedelta(days=raw_days),
        Granularity.MINUTE: MINUTES_KEPT,
        Granularity.FIVE_MINUTES: MINUTES_KEPT,
        Granularity.HOUR: HOURS_KEPT,
        Granularity.DAY: timedelta(days=rollup_days),
    }


async def list_kept(tx: Transaction, organization_id: int) -> list[int]:
    """Every container of which something is kept."""
    sampled = await store.list_sampled(tx, organization_id)
    return sorted({*sampled, *await threshold_store.list_containers(tx, organization_id)})


async def drop_old(
    tx: Transaction, organization_id: int, container_ids: Sequence[int], kept: Mapping[Granularity, timedelta], now: datetime
) -> Sequence[int]:
    """Drops about a thousand rows of containers that are too old, and all rows of containers that are no more.

    Answers the containers that are still to be looked at.
    """
    existing = await find_containers(tx, organization_id, container_ids[:ROWS_AT_ONCE])
    dropped = 0
    for position, container_id in enumerate(container_ids[:ROWS_AT_ONCE]):
        room = ROWS_AT_ONCE - dropped
        if room <= 0:
            return container_ids[position:]
        before = {granularity: now - length for granularity, length in kept.items()} if container_id in existing else {}
        dropped += await drop_of_container(tx, organization_id, container_id, before, room)
        if dropped >= ROWS_AT_ONCE:
            return container_ids[position:]
        if container_id not in existing:
            await store.delete_latest(tx, organization_id, [container_id])
            await threshold_store.delete_thresholds(tx, organization_id, [container_id])
    return container_ids[ROWS_AT_ONCE:]


async def drop_of_container(
    tx: Transaction, organization_id: int, container_id: int, before: Mapping[Granularity, datetime], limit: int
) -> int:
    """Drops at most so many rows of a container; those of a granularity without a time are all dropped. Answers how many."""
    dropped = await store.drop_samples(tx, organization_id, container_id, before.get(Granularity.RAW), limit)
    for granularity in SPANS:
        if dropped >= limit:
            break
        dropped += await span_store.drop_spans(tx, organization_id, container_id, granularity, before.get(granularity), limit - dropped)
    return dropped
