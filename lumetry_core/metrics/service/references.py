"""Who refers to metrics, whose definitions therefore cannot be removed (contract 5.6)."""

from collections.abc import Collection

from lumetry_core.metrics.store import references as store
from lumetry_core.runtime.database import Transaction


async def refer(tx: Transaction, organization_id: int, kind: str, number: int, metric_keys: Collection[str]) -> None:
    """Replaces the metrics to which something refers.

    The caller has raised the organization's evaluation version before it looked at the metrics, so that none of them is removed meanwhile.

    Args:
        kind: What refers, as people say it, e.g. `Rule`.
        number: Which one of the kind.
        metric_keys: Empty: it refers to none any more.
    """
    await store.replace_references(tx, organization_id, kind, number, metric_keys)


async def list_references(tx: Transaction, organization_id: int, metric_key: str) -> list[tuple[str, int]]:
    """Kind and number of all that refers to a metric, ascending."""
    return await store.list_references(tx, organization_id, metric_key)
