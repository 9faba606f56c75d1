"""Notices what does not happen, and drops what is older than it is kept."""

from datetime import datetime

from lumetry_core.metricsources.model import TEST_LIFE
from lumetry_core.metricsources.service.catalog import note_stale
from lumetry_core.metricsources.store import claims as claim_store
from lumetry_core.metricsources.store import tests as test_store
from lumetry_core.runtime.database import Transaction

BATCH = 200


async def is_any_stale(tx: Transaction, now: datetime) -> bool:
    """Whether there is anything to mark."""
    return await claim_store.is_any_stale(tx, now)


async def mark_stale(tx: Transaction, now: datetime) -> bool:
    """Marks the metrics of sources without a poll for three intervals; true when there may be more."""
    found = await claim_store.lock_stale(tx, now, BATCH)
    for organization_id in sorted({source.organization_id for source in found}):
        own = [source for source in found if source.organization_id == organization_id]
        await note_stale(tx, organization_id, {key for source in own for key in source.definition.metric_keys})
        await claim_store.clear_stale(tx, organization_id, [source.id for source in own])
    return len(found) == BATCH


async def drop_tests(tx: Transaction, organization_id: int, now: datetime) -> None:
    """Forgets tests of more than an hour ago."""
    await test_store.drop_before(tx, organization_id, now - TEST_LIFE)
