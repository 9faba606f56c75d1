"""The ledger: what each closed hour came to, never changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, String, Table, UniqueConstraint, and_, delete, insert, or_, select

from lumetry_core.billing.model import NO_PROJECT, LedgerEntry, Meter
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("entry_id", String(36), nullable=False),
    Column("meter", String(30), nullable=False),
    Column("project_id", String(36), nullable=False),
    Column("hour", Time, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("microunits", BigInteger, nullable=False),
    Column("create_time", Time, nullable=False),
    UniqueConstraint("organization_id", "hour", "meter", "project_id", name="uq_ledger_entries_organization_id_hour"),
    Index("ix_ledger_entries_organization_hour", "organization_id", "hour", "id"),
    sqlite_autoincrement=True,
)


async def insert_entries(tx: Transaction, organization_id: int, entries: Sequence[LedgerEntry]) -> None:
    """Adds entries."""
    if entries:
        await tx.execute(insert(ledger_entries), [to_row(organization_id, entry) for entry in entries])


def to_row(organization_id: int, entry: LedgerEntry) -> dict[str, Any]:
    """An entry as its table has it."""
    return {
        "organization_id": organization_id,
        "entry_id": entry.id,
        "meter": entry.meter.value,
        "project_id": entry.project_id or NO_PROJECT,
        "hour": entry.hour,
        "quantity": entry.quantity,
        "microunits": entry.microunits,
        "create_time": entry.create_time,
    }


async def list_page(
    tx: Transaction,
    organization_id: int,
    meter: Meter | None,
    since: datetime | None,
    until: datetime | None,
    behind: tuple[datetime, int] | None,
    size: int,
) -> list[tuple[int, LedgerEntry]]:
    """At most so many entries with their numbers, newest hour first, behind the hour and number of another.

    Args:
        since: The earliest beginning of an hour.
        until: Before which hours begin.
    """
    columns = ledger_entries.c
    conditions = [columns.organization_id == organization_id]
    if meter is not None:
        conditions.append(columns.meter == meter.value)
    if since is not None:
        conditions.append(columns.hour >= since)
    if until is not None:
        conditions.append(columns.hour < until)
    if behind is not None:
        hour, number = behind
        conditions += [columns.hour <= hour, or_(columns.hour < hour, and_(columns.hour == hour, columns.id < number))]
    statement = select(ledger_entries).where(*conditions).order_by(columns.hour.desc(), columns.id.desc()).limit(size)
    return [
        (
            row.id,
            LedgerEntry(row.entry_id, Meter(row.meter), row.project_id or None, row.hour, row.quantity, row.microunits, row.create_time),
        )
        for row in await tx.execute(statement)
    ]


async def delete_before(tx: Transaction, organization_id: int, hour: datetime) -> None:
    """Drops the entries of hours before one."""
    columns = ledger_entries.c
    await tx.execute(delete(ledger_entries).where(columns.organization_id == organization_id, columns.hour < hour))
