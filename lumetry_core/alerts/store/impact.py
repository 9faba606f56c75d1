"""Active alerts by the node that they are on."""

from sqlalchemy import func, select

from lumetry_core.alerts.impact import Mark
from lumetry_core.alerts.store.alerts import alerts
from lumetry_core.alerts.store.selection import ACTIVE
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Transaction


async def list_marks(tx: Transaction, organization_id: int) -> list[Mark]:
    """Every active alert that is on a node, newest first."""
    columns = alerts.c
    node_id = func.coalesce(columns.related_ci_id, columns.related_service_id)
    statement = (
        select(columns.id, node_id.label("node_id"), columns.severity, columns.start_time)
        .where(columns.organization_id == organization_id, columns.state.in_(ACTIVE), node_id.is_not(None))
        .order_by(columns.start_time.desc(), columns.id.desc())
    )
    return [Mark(row.id, row.node_id, Severity(row.severity), row.start_time) for row in await tx.execute(statement)]
