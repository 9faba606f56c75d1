"""Which endpoints' HTTPS checks see which monitor's certificate, in the database."""

from collections.abc import Collection, Mapping

from sqlalchemy import BigInteger, Column, Index, Table, delete, func, select

from lumetry_core.runtime.database import Transaction, metadata

certificate_observers = Table(
    "certificate_observers",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("endpoint_id", BigInteger, primary_key=True, autoincrement=False),
    Column("monitor_id", BigInteger, nullable=False),
    Index("ix_certificate_observers_monitor", "organization_id", "monitor_id"),
)
columns = certificate_observers.c


async def read_observed(tx: Transaction, organization_id: int, endpoint_ids: Collection[int]) -> dict[int, int]:
    """The monitor that each endpoint sees."""
    rows = await tx.execute(
        select(columns.endpoint_id, columns.monitor_id).where(
            columns.organization_id == organization_id, columns.endpoint_id.in_(sorted(endpoint_ids))
        )
    )
    return {row.endpoint_id: row.monitor_id for row in rows}


async def write_observed(tx: Transaction, organization_id: int, observed: Mapping[int, int]) -> None:
    """Notes the monitor that each endpoint sees from now on."""
    if not observed:
        return
    insert = tx.insert(certificate_observers)
    statement = insert.on_conflict_do_update(
        index_elements=["organization_id", "endpoint_id"], set_={"monitor_id": insert.excluded.monitor_id}
    )
    rows = [
        {"organization_id": organization_id, "endpoint_id": endpoint_id, "monitor_id": monitor_id}
        for endpoint_id, monitor_id in sorted(observed.items())
    ]
    await tx.execute(statement, rows)


async def delete_observers(tx: Transaction, organization_id: int, endpoint_ids: Collection[int]) -> None:
    """Endpoints see nothing any more."""
    await tx.execute(
        delete(certificate_observers).where(columns.organization_id == organization_id, columns.endpoint_id.in_(sorted(endpoint_ids)))
    )


async def delete_of_monitors(tx: Transaction, organization_id: int, monitor_ids: Collection[int]) -> None:
    """Nobody sees monitors any more."""
    await tx.execute(
        delete(certificate_observers).where(columns.organization_id == organization_id, columns.monitor_id.in_(sorted(monitor_ids)))
    )


async def find_observers(tx: Transaction, organization_id: int, monitor_ids: Collection[int]) -> dict[int, int]:
    """One endpoint that sees it, of each monitor that any sees."""
    rows = await tx.execute(
        select(columns.monitor_id, func.min(columns.endpoint_id).label("endpoint_id"))
        .where(columns.organization_id == organization_id, columns.monitor_id.in_(sorted(monitor_ids)))
        .group_by(columns.monitor_id)
    )
    return {row.monitor_id: row.endpoint_id for row in rows}
