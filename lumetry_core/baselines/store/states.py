"""Which baselines are built: their rows appear with what was learned from stored points."""

from collections.abc import Collection

from sqlalchemy import select

from lumetry_core.baselines.store.baselines import CHUNK, baselines
from lumetry_core.runtime.database import Transaction


async def select_built(
    tx: Transaction, organization_id: int, profile_ids: Collection[int], metric_ids: Collection[int]
) -> list[tuple[int, int]]:
    """Profile and metric of the baselines that exist among all combinations."""
    columns = baselines.c
    numbers = sorted(metric_ids)
    found: list[tuple[int, int]] = []
    for start in range(0, len(numbers), CHUNK):
        statement = select(columns.profile_id, columns.metric_id).where(
            columns.organization_id == organization_id,
            columns.profile_id.in_(profile_ids),
            columns.metric_id.in_(numbers[start : start + CHUNK]),
        )
        found += [(row.profile_id, row.metric_id) for row in await tx.execute(statement)]
    return found
