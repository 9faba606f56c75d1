"""Deliveries that are past their time."""

from datetime import datetime

from sqlalchemy import delete, select

from lumetry_core.notifications.delivery import DeliveryStatus
from lumetry_core.notifications.store.deliveries import PARTS, deliveries
from lumetry_core.runtime.database import Transaction


async def delete_old(tx: Transaction, organization_id: int, before: datetime, limit: int) -> int:
    """Deletes the oldest deliveries that were made before a time and wait for nothing, at most so many; says how many."""
    old = (
        select(deliveries.c.id)
        .where(
            deliveries.c.organization_id == organization_id,
            deliveries.c.create_time < before,
            deliveries.c.status != DeliveryStatus.PENDING,
        )
        .order_by(deliveries.c.create_time, deliveries.c.id)
        .limit(limit)
    )
    found = [row.id for row in await tx.execute(old)]
    for start in range(0, len(found), PARTS):
        part = found[start : start + PARTS]
        await tx.execute(delete(deliveries).where(deliveries.c.organization_id == organization_id, deliveries.c.id.in_(part)))
    return len(found)
