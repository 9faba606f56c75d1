"""Timelines of incidents."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, String, Table, Text, delete, select

from lumetry_core.incidents.model import Entry, EntryType, SourceType, TimelineEntry
from lumetry_core.incidents.store.incidents import split
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

incident_timeline = Table(
    "incident_timeline",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("incident_id", BigInteger, nullable=False),
    Column("entry_type", String(40), nullable=False),
    Column("source_type", String(20), nullable=False),
    Column("source_id", BigInteger),
    Column("message", Text, nullable=False),
    Column("create_time", Time, nullable=False),
    Index("ix_incident_timeline_organization_incident", "organization_id", "incident_id", "create_time", "id"),
    sqlite_autoincrement=True,
)


async def insert_entries(tx: Transaction, organization_id: int, entries: Sequence[tuple[int, Entry]], now: datetime) -> None:
    """Appends entries to the timelines of incidents, given by id, in order."""
    if not entries:
        return
    rows = [
        {
            "organization_id": organization_id,
            "incident_id": incident_id,
            "entry_type": entry.entry_type,
            "source_type": entry.source_type,
            "source_id": entry.source_id,
            "message": entry.message,
            "create_time": now,
        }
        for incident_id, entry in entries
    ]
    await tx.execute(incident_timeline.insert(), rows)


async def list_entries(tx: Transaction, organization_id: int, incident_id: int, limit: int) -> list[TimelineEntry]:
    """The newest entries of a timeline, ascending in time, then by id."""
    rows = await tx.execute(
        select(incident_timeline)
        .where(incident_timeline.c.organization_id == organization_id, incident_timeline.c.incident_id == incident_id)
        .order_by(incident_timeline.c.create_time.desc(), incident_timeline.c.id.desc())
        .limit(limit)
    )
    return [
        TimelineEntry(
            id=row.id,
            incident_id=row.incident_id,
            entry=Entry(EntryType(row.entry_type), SourceType(row.source_type), row.source_id, row.message),
            create_time=row.create_time,
        )
        for row in reversed(rows.all())
    ]


async def delete_entries(tx: Transaction, organization_id: int, incident_ids: Collection[int]) -> None:
    """Deletes the timelines of incidents."""
    for part in split(sorted(incident_ids)):
        conditions = incident_timeline.c.organization_id == organization_id, incident_timeline.c.incident_id.in_(part)
        await tx.execute(delete(incident_timeline).where(*conditions))
