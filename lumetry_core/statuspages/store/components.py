"""Components of the status page in the database."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Table, UniqueConstraint, delete, func, select, update

from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.statuspages.model import Component, MonitorKind, Status

components = Table(
    "status_components",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("monitor_kind", String(20), nullable=False),
    Column("monitor_id", BigInteger, nullable=False),
    Column("display_name", String(100), nullable=False),
    Column("group_id", BigInteger),
    Column("display_order", Integer, nullable=False),
    Column("is_visible", Boolean, nullable=False),
    Column("override", String(20)),
    Column("auto_incident", Boolean, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    UniqueConstraint("organization_id", "monitor_kind", "monitor_id", name="uq_status_components_monitor"),
    sqlite_autoincrement=True,
)
IDS_PER_STATEMENT = 500


async def insert_component(tx: Transaction, component: Component) -> int | None:
    """Adds a component, whose own number does not count, and answers the number given to it; None when its monitor has one."""
    values = {
        "organization_id": component.organization_id,
        "monitor_kind": component.monitor_kind.value,
        "monitor_id": component.monitor_id,
        "create_time": component.create_time,
        **writable(component),
    }
    statement = tx.insert(components).values(values).on_conflict_do_nothing().returning(components.c.id)
    number: int | None = (await tx.execute(statement)).scalar_one_or_none()
    return number


async def update_component(tx: Transaction, component: Component) -> None:
    """Writes what people may change of a component."""
    same = (components.c.organization_id == component.organization_id, components.c.id == component.id)
    await tx.execute(update(components).where(*same).values(writable(component)))


def writable(component: Component) -> dict[str, Any]:
    """The columns that people may change."""
    return {
        "display_name": component.display_name,
        "group_id": component.group_id,
        "display_order": component.display_order,
        "is_visible": component.is_visible,
        "override": None if component.override is None else component.override.value,
        "auto_incident": component.auto_incident,
        "update_time": component.update_time,
    }


async def leave_group(tx: Transaction, organization_id: int, group_id: int) -> None:
    """Takes all components out of a group."""
    same = (components.c.organization_id == organization_id, components.c.group_id == group_id)
    await tx.execute(update(components).where(*same).values(group_id=None))


async def delete_components(tx: Transaction, organization_id: int, ids: Collection[int]) -> None:
    """Removes components."""
    ordered = sorted(ids)
    for start in range(0, len(ordered), IDS_PER_STATEMENT):
        part = ordered[start : start + IDS_PER_STATEMENT]
        await tx.execute(delete(components).where(components.c.organization_id == organization_id, components.c.id.in_(part)))


async def find_component(tx: Transaction, organization_id: int, component_id: int, *, lock: bool = False) -> Component | None:
    """One component.

    Args:
        lock: Keeps others from changing it until the transaction ends.
    """
    statement = select(components).where(components.c.organization_id == organization_id, components.c.id == component_id)
    row = (await tx.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else to_component(row)


async def list_components(tx: Transaction, organization_id: int) -> list[Component]:
    """All components by number, ascending."""
    statement = select(components).where(components.c.organization_id == organization_id).order_by(components.c.id)
    return [to_component(row) for row in await tx.execute(statement)]


async def count_components(tx: Transaction, organization_id: int) -> int:
    """How many components there are."""
    statement = select(func.count()).select_from(components).where(components.c.organization_id == organization_id)
    number: int = (await tx.execute(statement)).scalar_one()
    return number


def to_component(row: Any) -> Component:  # noqa: ANN401 -- rows carry their columns as attributes
    """A component from its row."""
    return Component(
        id=row.id,
        organization_id=row.organization_id,
        monitor_kind=MonitorKind(row.monitor_kind),
        monitor_id=row.monitor_id,
        display_name=row.display_name,
        group_id=row.group_id,
        display_order=row.display_order,
        is_visible=row.is_visible,
        override=None if row.override is None else Status(row.override),
        auto_incident=row.auto_incident,
        create_time=row.create_time,
        update_time=row.update_time,
    )
