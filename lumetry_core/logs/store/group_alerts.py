"""The alerts that name error groups."""

from collections.abc import Collection

from sqlalchemy import BigInteger, Column, Index, Table, delete, select

from lumetry_core.logs.store.groups import parts_of
from lumetry_core.runtime.database import Transaction, metadata

log_group_alerts = Table(
    "log_group_alerts",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("group_id", BigInteger, primary_key=True, autoincrement=False),
    Column("alert_id", BigInteger, primary_key=True, autoincrement=False),
    Index("ix_log_group_alerts_organization_alert", "organization_id", "alert_id"),
)


async def insert_links(tx: Transaction, organization_id: int, links: Collection[tuple[int, int]]) -> None:
    """Notes alerts of groups; those that are noted stay."""
    rows = [{"organization_id": organization_id, "group_id": group_id, "alert_id": alert_id} for group_id, alert_id in sorted(set(links))]
    if rows:
        await tx.execute(tx.insert(log_group_alerts).on_conflict_do_nothing(), rows)


async def find_alerts(tx: Transaction, organization_id: int, group_ids: Collection[int]) -> dict[int, list[int]]:
    """The alerts of groups, ascending."""
    columns = log_group_alerts.c
    found: dict[int, list[int]] = {}
    for part in parts_of(sorted(set(group_ids))):
        statement = select(columns.group_id, columns.alert_id).where(columns.organization_id == organization_id, columns.group_id.in_(part))
        for row in await tx.execute(statement.order_by(columns.group_id, columns.alert_id)):
            found.setdefault(row.group_id, []).append(row.alert_id)
    return found


async def find_groups_of_alerts(tx: Transaction, organization_id: int, alert_ids: Collection[int]) -> set[int]:
    """The groups that any of the alerts name."""
    columns = log_group_alerts.c
    found: set[int] = set()
    for part in parts_of(sorted(set(alert_ids))):
        statement = select(columns.group_id).where(columns.organization_id == organization_id, columns.alert_id.in_(part))
        found.update((await tx.execute(statement)).scalars())
    return found


async def delete_links(tx: Transaction, organization_id: int, group_ids: Collection[int]) -> None:
    """Forgets the alerts of groups."""
    columns = log_group_alerts.c
    await tx.execute(delete(log_group_alerts).where(columns.organization_id == organization_id, columns.group_id.in_(sorted(group_ids))))
