"""Webhooks. Their secrets lie sealed, apart from what readers see."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    delete,
    select,
    update,
)

from lumetry_core.notifications.destinations import Webhook
from lumetry_core.notifications.store.profiles import name_key
from lumetry_core.runtime.database import Time, Transaction, metadata

webhooks = Table(
    "webhooks",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("id", String(36), primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("event_types", Text, nullable=False),  # a JSON array
    Column("sealed", LargeBinary, nullable=False),
    Column("previous_sealed", LargeBinary),
    Column("previous_end_time", Time),
    Column("is_active", Boolean, nullable=False),
    Column("last_status", String(20)),
    Column("last_delivery_time", Time),
    Column("failure_count", Integer, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    UniqueConstraint("organization_id", "name_key"),
)

SAME = (
    "id",
    "organization_id",
    "name",
    "url",
    "sealed",
    "previous_sealed",
    "previous_end_time",
    "is_active",
    "last_status",
    "last_delivery_time",
    "failure_count",
    "create_time",
    "update_time",
)


def of(organization_id: int, webhook_id: str) -> ColumnElement[bool]:
    """The row of a webhook."""
    return and_(webhooks.c.organization_id == organization_id, webhooks.c.id == webhook_id)


def write_row(webhook: Webhook) -> dict[str, Any]:
    """A webhook as it is stored."""
    values = {name: getattr(webhook, name) for name in SAME}
    return values | {"name_key": name_key(webhook.name), "event_types": msgspec.json.encode(webhook.event_types).decode()}


async def insert_webhook(tx: Transaction, webhook: Webhook) -> None:
    """Adds a webhook; the name is known to be free."""
    await tx.execute(webhooks.insert().values(write_row(webhook)))


async def update_webhook(tx: Transaction, webhook: Webhook) -> None:
    """Replaces a webhook; the name is known to be free."""
    await tx.execute(update(webhooks).where(of(webhook.organization_id, webhook.id)).values(write_row(webhook)))


async def delete_webhook(tx: Transaction, organization_id: int, webhook_id: str) -> None:
    """Removes a webhook."""
    await tx.execute(delete(webhooks).where(of(organization_id, webhook_id)))


async def find_webhook(tx: Transaction, organization_id: int, webhook_id: str, *, lock: bool = False) -> Webhook | None:
    """The webhook of a UUID.

    Args:
        lock: Keeps others from changing it until the writing transaction ends.
    """
    statement = select(webhooks).where(of(organization_id, webhook_id))
    row = (await tx.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else to_webhook(row)


async def select_webhooks(tx: Transaction, organization_id: int) -> list[Webhook]:
    """All webhooks, oldest first."""
    statement = select(webhooks).where(webhooks.c.organization_id == organization_id)
    return [to_webhook(row) for row in await tx.execute(statement.order_by(webhooks.c.create_time, webhooks.c.id))]


async def lock_free(tx: Transaction, organization_id: int, ids: Collection[str]) -> list[Webhook]:
    """Locks the webhooks that nobody else holds, until the transaction ends."""
    statement = select(webhooks).where(webhooks.c.organization_id == organization_id, webhooks.c.id.in_(sorted(ids)))
    return [to_webhook(row) for row in await tx.execute(statement.order_by(webhooks.c.id).with_for_update(skip_locked=True))]


async def find_by_name(tx: Transaction, organization_id: int, name: str) -> str | None:
    """The UUID of the webhook with a name, ignoring case."""
    statement = select(webhooks.c.id).where(webhooks.c.organization_id == organization_id, webhooks.c.name_key == name_key(name))
    found: str | None = (await tx.execute(statement)).scalar_one_or_none()
    return found


async def note_attempt(
    tx: Transaction, organization_id: int, webhook_id: str, *, status: str, failure_count: int, is_active: bool, now: datetime
) -> None:
    """Notes how the newest delivery to a webhook stands; `is_active` False ends that it is told of anything."""
    values: dict[str, Any] = {"last_status": status, "last_delivery_time": now, "failure_count": failure_count}
    if not is_active:
        values["is_active"] = False
    await tx.execute(update(webhooks).where(of(organization_id, webhook_id)).values(values))


def to_webhook(row: Any) -> Webhook:  # noqa: ANN401 -- rows carry their columns as attributes
    """A webhook from its row."""
    values = {name: getattr(row, name) for name in SAME}
    values["sealed"] = bytes(row.sealed)
    values["previous_sealed"] = None if row.previous_sealed is None else bytes(row.previous_sealed)
    return Webhook(**values, event_types=msgspec.json.decode(row.event_types, type=tuple[str, ...]))
