"""Figures of incidents, for what is seen from above."""

from datetime import datetime

from lumetry_core.incidents.figures import Handled, Handling, Unresolved
from lumetry_core.incidents.store import figures as store
from lumetry_core.runtime.database import Transaction


async def list_unresolved(tx: Transaction, organization_id: int) -> list[Unresolved]:
    """Every incident that is not resolved, newest first by start, then by id."""
    return await store.list_unresolved(tx, organization_id)


async def list_handled(tx: Transaction, organization_id: int, since: datetime) -> list[Handled]:
    """Incidents that began or were resolved since a time."""
    return await store.list_handled(tx, organization_id, since)


async def measure_handling(tx: Transaction, organization_id: int, counted_since: datetime, since: datetime) -> Handling:
    """Counts since one time, and means since an earlier one."""
    return await store.measure_handling(tx, organization_id, counted_since, since)
