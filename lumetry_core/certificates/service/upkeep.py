"""Keeps what is remembered of certificates bounded."""

from datetime import datetime, timedelta

from lumetry_core.certificates.service.removing import UNOBSERVED, remove
from lumetry_core.certificates.store import checks as check_store
from lumetry_core.certificates.store import monitors as store
from lumetry_core.runtime.database import Transaction

DROPPED_AT_ONCE = 1000


async def drop_old(tx: Transaction, organization_id: int, days: int, now: datetime) -> bool:
    """Forgets a portion of the checks older than so many days, and monitors that no HTTPS check has refreshed for so long.

    Returns:
        Whether there may be more.
    """
    before = now - timedelta(days=days)
    abandoned = await store.list_abandoned(tx, organization_id, before, DROPPED_AT_ONCE)
    await remove(tx, organization_id, abandoned, UNOBSERVED, now)
    checks = await check_store.drop_before(tx, organization_id, before, DROPPED_AT_ONCE)
    return max(checks, len(abandoned)) >= DROPPED_AT_ONCE
