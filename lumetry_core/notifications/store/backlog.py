"""What waits to be delivered, and what could not be."""

from datetime import datetime

from sqlalchemy import func, select, text

from lumetry_core.notifications.store.deliveries import IS_WAITING, deliveries
from lumetry_core.notifications.store.dispatches import IS_PENDING, dispatches
from lumetry_core.runtime.database import Transaction

FAILED = "failed"


async def count_waiting(tx: Transaction, organization_id: int) -> int:
    """Deliveries to integrations, channels and webhooks that are still to be made."""
    of_profiles = select(func.count()).where(deliveries.c.organization_id == organization_id, text(IS_WAITING)).scalar_subquery()
    of_channels = select(func.count()).where(dispatches.c.organization_id == organization_id, text(IS_PENDING)).scalar_subquery()
    number: int = (await tx.execute(select(of_profiles + of_channels))).scalar_one()
    return number


async def count_failed(tx: Transaction, organization_id: int, since: datetime) -> int:
    """Deliveries that were wanted since a time and were given up."""
    of_profiles = select(func.count()).where(
        deliveries.c.organization_id == organization_id, deliveries.c.create_time >= since, func.lower(deliveries.c.status) == FAILED
    )
    of_channels = select(func.count()).where(
        dispatches.c.organization_id == organization_id, dispatches.c.create_time >= since, func.lower(dispatches.c.status) == FAILED
    )
    number: int = (await tx.execute(select(of_profiles.scalar_subquery() + of_channels.scalar_subquery()))).scalar_one()
    return number
