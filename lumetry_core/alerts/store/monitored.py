"""Reading what monitors opened."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, select

from lumetry_core.alerts.model import Alert, CloseCause, SourceKind
from lumetry_core.alerts.store.alerts import alerts, parts
from lumetry_core.alerts.store.selection import ACTIVE, SELECTED, fetch
from lumetry_core.runtime.database import Transaction

columns = alerts.c


async def select_of_entities(
    tx: Transaction, organization_id: int, entity_type: str, entity_ids: Collection[int], *, lock: bool = False
) -> list[Alert]:
    """Reads the open alerts of monitors, by number, ascending."""
    found = []
    for part in parts(entity_ids):
        statement = select(*SELECTED).where(
            columns.organization_id == organization_id,
            columns.source_kind == SourceKind.MONITOR,
            columns.entity_type == entity_type,
            columns.entity_id.in_(part),
            columns.state.in_(ACTIVE),
        )
        statement = statement.order_by(columns.id)
        found += await fetch(tx, statement.with_for_update() if lock else statement)
    return sorted(found, key=lambda alert: alert.id)


async def read_last_closes(
    tx: Transaction, organization_id: int, source: str, alert_type: str, entity_type: str, entity_ids: Collection[int]
) -> dict[int, datetime]:
    """Reads when people last closed alerts of a type, by monitor."""
    found: dict[int, datetime] = {}
    for part in parts(entity_ids):
        statement = select(columns.entity_id, func.max(columns.end_time).label("end")).where(
            columns.organization_id == organization_id,
            columns.source_kind == SourceKind.MONITOR,
            columns.entity_type == entity_type,
            columns.entity_id.in_(part),
            columns.monitor_source == source,
            columns.alert_type == alert_type,
            columns.close_cause == CloseCause.PERSON,
        )
        found |= {row.entity_id: row.end for row in await tx.execute(statement.group_by(columns.entity_id))}
    return found
