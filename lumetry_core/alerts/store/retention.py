"""Which alerts are past their time, and their removal."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, select

from lumetry_core.alerts.model import AlertState
from lumetry_core.alerts.store.alerts import alerts, parts
from lumetry_core.alerts.store.decisions import decisions
from lumetry_core.runtime.database import Transaction


async def select_ended(tx: Transaction, organization_id: int, before: datetime, limit: int) -> list[int]:
    """The numbers of closed alerts that started and ended before a time, oldest start first."""
    statement = (
        select(alerts.c.id)
        .where(
            alerts.c.organization_id == organization_id,
            alerts.c.state == AlertState.CLOSED,
            alerts.c.start_time < before,  # the end has no index; nothing ends before it starts
            alerts.c.end_time < before,
        )
        .order_by(alerts.c.start_time, alerts.c.id)
        .limit(limit)
    )
    return [row.id for row in await tx.execute(statement)]


async def delete_alerts(tx: Transaction, organization_id: int, ids: Collection[int]) -> None:
    """Deletes alerts and the traces of their transitions."""
    for part in parts(ids):
        await tx.execute(delete(decisions).where(decisions.c.organization_id == organization_id, decisions.c.alert_id.in_(part)))
        await tx.execute(delete(alerts).where(alerts.c.organization_id == organization_id, alerts.c.id.in_(part)))
