"""Which monitors are to be checked now."""

from datetime import datetime, timedelta

from lumetry_core.certificates.model import LEASE, Monitor
from lumetry_core.certificates.store import monitors as store
from lumetry_core.runtime.database import Transaction

STRAY = timedelta(hours=1)
"""A check that is planned by so much later than its interval was planned by another clock."""


async def is_due(tx: Transaction, now: datetime) -> bool:
    """Whether any monitor is to be checked: a look that costs no write."""
    return await store.is_due(tx, now)


async def claim_due(tx: Transaction, limit: int, now: datetime) -> list[Monitor]:
    """Takes monitors that are due, of every organization. Nobody else takes them while the lease lasts."""
    return await store.claim_due(tx, now + LEASE, limit, now)


async def pull_back(tx: Transaction, now: datetime) -> None:
    """Makes such checks due now, in every organization: after the clock was set back, they would wait for the time that it was set from."""
    await store.pull_back(tx, now + STRAY, now)
