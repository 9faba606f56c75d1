"""Integrations. What is sealed lies in one column, apart from what readers see."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
    and_,
    delete,
    select,
    update,
)

from lumetry_core.notifications.definitions import IntegrationDefinition
from lumetry_core.notifications.model import Integration, IntegrationType, LastStatus
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

integrations = Table(
    "alerting_integrations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("type", String(20), nullable=False),
    Column("endpoint_url", Text),
    Column("header_names", Text, nullable=False),  # a JSON array
    Column("config", Text, nullable=False),  # a JSON object
    Column("has_secret", Boolean, nullable=False),
    Column("sealed", LargeBinary),
    Column("is_enabled", Boolean, nullable=False),
    Column("collector_id", String(36)),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    Column("last_tested_time", Time),
    Column("last_delivery_status", String(20)),
    Column("last_delivery_error", Text),
    Column("last_delivery_time", Time),
    Index("ix_alerting_integrations_organization", "organization_id", "id"),
    sqlite_autoincrement=True,
)

encode = msgspec.json.encode


def of(organization_id: int, integration_id: int) -> ColumnElement[bool]:
    """The row of an integration."""
    return and_(integrations.c.organization_id == organization_id, integrations.c.id == integration_id)


def writable(definition: IntegrationDefinition, sealed: bytes | None, *, has_secret: bool) -> dict[str, Any]:
    """The columns that people write."""
    return {
        "name": definition.name,
        "type": definition.type,
        "endpoint_url": definition.endpoint_url,
        "header_names": encode(definition.header_names).decode(),
        "config": encode(definition.config).decode(),
        "has_secret": has_secret,
        "sealed": sealed,
        "is_enabled": definition.is_enabled,
        "collector_id": definition.collector_id,
    }


async def insert_integration(
    tx: Transaction, organization_id: int, definition: IntegrationDefinition, sealed: bytes | None, *, has_secret: bool, now: datetime
) -> int:
    """Adds an integration and answers its number."""
    values = writable(definition, sealed, has_secret=has_secret)
    values |= {"organization_id": organization_id, "create_time": now, "update_time": now}
    number: int = (await tx.execute(integrations.insert().values(values).returning(integrations.c.id))).scalar_one()
    return number


async def update_integration(
    tx: Transaction,
    organization_id: int,
    integration_id: int,
    definition: IntegrationDefinition,
    sealed: bytes | None,
    *,
    has_secret: bool,
    now: datetime,
) -> None:
    """Replaces what people write of an integration."""
    values = writable(definition, sealed, has_secret=has_secret) | {"update_time": now}
    await tx.execute(update(integrations).where(of(organization_id, integration_id)).values(values))


async def delete_integration(tx: Transaction, organization_id: int, integration_id: int) -> None:
    """Removes an integration."""
    await tx.execute(delete(integrations).where(of(organization_id, integration_id)))


async def find_integration(tx: Transaction, organization_id: int, integration_id: int, *, lock: bool = False) -> Integration | None:
    """The integration of a number.

    Args:
        lock: Keeps others from changing it, and from referring to it, until the writing transaction ends.
    """
    statement = select(integrations).where(of(organization_id, integration_id))
    row = (await tx.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else to_integration(row)


async def select_integrations(tx: Transaction, organization_id: int, ids: Collection[int] | None = None) -> list[Integration]:
    """The integrations of some numbers, or all of them, in no order."""
    statement = select(integrations).where(integrations.c.organization_id == organization_id)
    if ids is not None:
        statement = statement.where(integrations.c.id.in_(ids))
    return [to_integration(row) for row in await tx.execute(statement)]


async def hold_integrations(tx: Transaction, organization_id: int, ids: Collection[int]) -> set[int]:
    """Keeps integrations from being deleted until the writing transaction ends; the numbers of those that exist."""
    statement = select(integrations.c.id).where(integrations.c.organization_id == organization_id, integrations.c.id.in_(ids))
    return set((await tx.execute(statement.order_by(integrations.c.id).with_for_update(read=True))).scalars())


async def update_tested(tx: Transaction, organization_id: int, integration_id: int, now: datetime) -> None:
    """Notes when an integration was tested."""
    await tx.execute(update(integrations).where(of(organization_id, integration_id)).values(last_tested_time=now))


async def update_deliveries(
    tx: Transaction, organization_id: int, results: Mapping[int, tuple[LastStatus, str | None]], now: datetime
) -> None:
    """Notes how the newest deliveries of integrations ended."""
    for number, (status, error) in sorted(results.items()):
        values = {"last_delivery_status": status.value, "last_delivery_error": error, "last_delivery_time": now}
        await tx.execute(update(integrations).where(of(organization_id, number)).values(values))


async def read_delivery_times(tx: Transaction, organization_id: int) -> dict[int, datetime]:
    """When the newest deliveries of integrations ended, by number."""
    columns = integrations.c
    statement = select(columns.id, columns.last_delivery_time).where(
        columns.organization_id == organization_id, columns.last_delivery_time.is_not(None)
    )
    return {row.id: row.last_delivery_time for row in await tx.execute(statement)}


def to_integration(row: Any) -> Integration:  # noqa: ANN401 -- rows carry their columns as attributes
    """An integration from its row."""
    return Integration(
        id=row.id,
        organization_id=row.organization_id,
        name=row.name,
        type=IntegrationType(row.type),
        endpoint_url=row.endpoint_url,
        header_names=msgspec.json.decode(row.header_names, type=tuple[str, ...]),
        config=msgspec.json.decode(row.config, type=dict[str, str]),
        has_secret=row.has_secret,
        sealed=None if row.sealed is None else bytes(row.sealed),
        is_enabled=row.is_enabled,
        collector_id=row.collector_id,
        create_time=row.create_time,
        update_time=row.update_time,
        last_tested_time=row.last_tested_time,
        last_delivery_status=None if row.last_delivery_status is None else LastStatus(row.last_delivery_status),
        last_delivery_error=row.last_delivery_error,
    )
