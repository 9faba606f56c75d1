"""Pins and exclusions in the database: what people do not want to hear of."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, String, Table, Text, UniqueConstraint, delete, select

from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.updates.model import Exclusion, PatternType, Pin

update_pins = Table(
    "update_pins",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("container_id", BigInteger, primary_key=True, autoincrement=False),
    Column("tag", String(128), nullable=False),
    Column("digest", String(200)),
    Column("reason", Text),
    Column("pin_time", Time, nullable=False),
)
update_exclusions = Table(
    "update_exclusions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("pattern", String(255), nullable=False),
    Column("pattern_type", String(20), nullable=False),
    Column("create_time", Time, nullable=False),
    UniqueConstraint("organization_id", "pattern_type", "pattern", name="uq_update_exclusions_pattern"),
    sqlite_autoincrement=True,
)
pins = update_pins.c
exclusions = update_exclusions.c


async def read_pins(tx: Transaction, organization_id: int) -> dict[int, Pin]:
    """All pins, by container."""
    rows = await tx.execute(select(update_pins).where(pins.organization_id == organization_id))
    return {row.container_id: read_pin(row) for row in rows}


async def find_pin(tx: Transaction, organization_id: int, container_id: int) -> Pin | None:
    """The pin of a container."""
    statement = select(update_pins).where(pins.organization_id == organization_id, pins.container_id == container_id)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else read_pin(row)


async def save_pin(tx: Transaction, organization_id: int, pin: Pin) -> Pin:
    """Adds a pin, or replaces what an older one says; its time stays. Answers what is stored."""
    values = {"tag": pin.tag, "digest": pin.digest, "reason": pin.reason}
    key = {"organization_id": organization_id, "container_id": pin.container_id}
    statement = tx.insert(update_pins).values(key | values | {"pin_time": pin.pin_time})
    statement = statement.on_conflict_do_update(index_elements=list(key), set_=values)
    return read_pin((await tx.execute(statement.returning(update_pins))).one())


async def delete_pin(tx: Transaction, organization_id: int, container_id: int) -> bool:
    """Removes a pin; False when there was none."""
    statement = delete(update_pins).where(pins.organization_id == organization_id, pins.container_id == container_id)
    return (await tx.execute(statement)).rowcount == 1


async def list_exclusions(tx: Transaction, organization_id: int) -> list[Exclusion]:
    """All exclusions, oldest first."""
    statement = select(update_exclusions).where(exclusions.organization_id == organization_id).order_by(exclusions.id)
    return [read_exclusion(row) for row in await tx.execute(statement)]


async def find_exclusion(tx: Transaction, organization_id: int, exclusion_id: int) -> Exclusion | None:
    """One exclusion."""
    statement = select(update_exclusions).where(exclusions.organization_id == organization_id, exclusions.id == exclusion_id)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else read_exclusion(row)


async def insert_exclusion(
    tx: Transaction, organization_id: int, pattern: str, pattern_type: PatternType, now: datetime
) -> Exclusion | None:
    """Adds an exclusion; None when there is the same already."""
    values = {"organization_id": organization_id, "pattern": pattern, "pattern_type": pattern_type.value, "create_time": now}
    statement = tx.insert(update_exclusions).values(values).on_conflict_do_nothing()
    row = (await tx.execute(statement.returning(update_exclusions))).one_or_none()
    return None if row is None else read_exclusion(row)


async def delete_exclusion(tx: Transaction, organization_id: int, exclusion_id: int) -> None:
    """Removes an exclusion."""
    await tx.execute(delete(update_exclusions).where(exclusions.organization_id == organization_id, exclusions.id == exclusion_id))


def read_pin(row: Any) -> Pin:  # noqa: ANN401 -- rows carry their columns as attributes
    """A pin from its row."""
    return Pin(row.container_id, row.tag, row.digest, row.reason, row.pin_time)


def read_exclusion(row: Any) -> Exclusion:  # noqa: ANN401 -- as above
    """An exclusion from its row."""
    return Exclusion(row.id, row.pattern, PatternType(row.pattern_type), row.create_time)
