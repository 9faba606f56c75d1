"""Tells those who compare with baselines whether they are learned."""

from collections.abc import Collection

from lumetry_core.baselines.store import states as store
from lumetry_core.runtime.database import Transaction


async def find_built(tx: Transaction, organization_id: int, pairs: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of the pairs (profile, metric; numbers) whose baseline has been built from stored points."""
    if not pairs:
        return set()
    profile_ids, metric_ids = ({pair[place] for pair in pairs} for place in (0, 1))
    return set(await store.select_built(tx, organization_id, profile_ids, metric_ids)) & set(pairs)
