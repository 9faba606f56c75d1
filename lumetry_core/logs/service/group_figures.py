"""Figures of error groups, for what is seen from above."""

from datetime import datetime

from lumetry_core.logs.model import RANK_OF
from lumetry_core.logs.store import group_figures as store
from lumetry_core.runtime.clock import from_ms, to_ms
from lumetry_core.runtime.database import Transaction

HOUR_MS = 3_600_000


async def count_groups(tx: Transaction, organization_id: int, since: datetime, project_id: str | None = None) -> tuple[int, int, int]:
    """How many groups are open, how many came since a time, how many came back and were seen since then."""
    return await store.count_groups(tx, organization_id, since, project_id)


async def count_errors(tx: Transaction, organization_id: int, since: datetime, project_id: str | None = None) -> dict[datetime, int]:
    """Entries of level `error` and above, by UTC hour from the hour of a time on; hours without any are left out."""
    found = await store.count_by_hour(tx, organization_id, to_ms(since) // HOUR_MS, RANK_OF["error"], project_id)
    return {from_ms(hour * HOUR_MS): count for hour, count in found}
