"""What of an organization waits for evaluation."""

from datetime import datetime

from lumetry_core.metrics.store import inbox as store
from lumetry_core.metrics.store import partitions as partition_store
from lumetry_core.runtime.database import Transaction


async def count_waiting_jobs(tx: Transaction, organization_id: int) -> tuple[int, datetime | None]:
    """How many jobs wait, and when the oldest of them came."""
    jobs, oldest = 0, None
    for position in await partition_store.read_positions(tx):
        if position.next_offset > position.committed_offset:
            count, first = await store.count_waiting(tx, organization_id, position.partition, position.committed_offset)
            jobs += count
            if first is not None and (oldest is None or first < oldest):
                oldest = first
    return jobs, oldest
