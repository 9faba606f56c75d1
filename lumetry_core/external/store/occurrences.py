"""Occurrences in the database: one row for each cycle of an alarm, mapped or not."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Index, String, Table, Text, delete, or_, select, text

from lumetry_core.external.model import Occurrence, TransitionState
from lumetry_core.runtime.database import Time, Transaction, metadata

IS_FIRING = "state = 'Firing'"
IDS_PER_STATEMENT = 500
WRITTEN = ("state", "severity", "title", "description", "labels", "occurred_time", "alert_id", "last_seen_time")
"""What later transitions change."""

external_occurrences = Table(
    "external_occurrences",
    metadata,
    Column("organization_id", BigInteger, primary_key=True),
    Column("source_id", BigInteger, primary_key=True, autoincrement=False),
    Column("identity", String(32), primary_key=True),
    Column("definition_key", Text, nullable=False),
    Column("instance_key", Text),
    Column("occurrence_key", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("severity", Text),
    Column("title", Text),
    Column("description", Text),
    Column("labels", Text, nullable=False),
    Column("occurred_time", Time, nullable=False),
    Column("alert_id", BigInteger),
    Column("last_seen_time", Time, nullable=False),
    Index(
        "ix_external_occurrences_organization_firing",
        "organization_id",
        "source_id",
        "definition_key",
        sqlite_where=text(IS_FIRING),
        postgresql_where=text(IS_FIRING),
    ),
    Index("ix_external_occurrences_organization_seen", "organization_id", "last_seen_time"),
    sqlite_with_rowid=False,
)

encoder = msgspec.json.Encoder()
labels_decoder = msgspec.json.Decoder(dict[str, str])


async def read_occurrences(tx: Transaction, organization_id: int, source_id: int, identities: Collection[str]) -> dict[str, Occurrence]:
    """Occurrences of a source by identity; unknown ones are left out."""
    columns = external_occurrences.c
    wanted = sorted(identities)
    found: dict[str, Occurrence] = {}
    for start in range(0, len(wanted), IDS_PER_STATEMENT):
        statement = select(external_occurrences).where(
            columns.organization_id == organization_id,
            columns.source_id == source_id,
            columns.identity.in_(wanted[start : start + IDS_PER_STATEMENT]),
        )
        found |= {row.identity: read_row(row) for row in await tx.execute(statement)}
    return found


async def write_occurrences(
    tx: Transaction, organization_id: int, source_id: int, occurrences: Sequence[Occurrence], now: datetime
) -> None:
    """Writes occurrences of a source, new ones and known ones."""
    if not occurrences:
        return
    insert = tx.insert(external_occurrences)
    statement = insert.on_conflict_do_update(
        index_elements=["organization_id", "source_id", "identity"],
        set_={name: getattr(insert.excluded, name) for name in WRITTEN},
    )
    rows = [
        {
            "organization_id": organization_id,
            "source_id": source_id,
            "identity": each.identity,
            "definition_key": each.definition_key,
            "instance_key": each.instance_key,
            "occurrence_key": each.occurrence_key,
            "state": each.state,
            "severity": each.severity,
            "title": each.title,
            "description": each.description,
            "labels": encoder.encode(each.labels).decode(),
            "occurred_time": each.occurred_time,
            "alert_id": each.alert_id,
            "last_seen_time": now,
        }
        for each in occurrences
    ]
    await tx.execute(statement, rows)


async def list_waiting(tx: Transaction, organization_id: int, source_id: int, definition_key: str, limit: int) -> list[Occurrence]:
    """At most so many firing occurrences of a definition that have opened no alert, in the order in which they began."""
    columns = external_occurrences.c
    statement = (
        select(external_occurrences)
        .where(
            columns.organization_id == organization_id,
            columns.source_id == source_id,
            columns.definition_key == definition_key,
            text(IS_FIRING),
            columns.alert_id.is_(None),
        )
        .order_by(columns.occurred_time, columns.identity)
        .limit(limit)
    )
    return [read_row(row) for row in await tx.execute(statement)]


async def list_alert_ids(tx: Transaction, organization_id: int, source_id: int) -> list[int]:
    """The alerts of the firing occurrences of a source, ascending."""
    columns = external_occurrences.c
    statement = select(columns.alert_id).where(
        columns.organization_id == organization_id, columns.source_id == source_id, text(IS_FIRING), columns.alert_id.is_not(None)
    )
    return sorted(row[0] for row in await tx.execute(statement))


async def delete_of_source(tx: Transaction, organization_id: int, source_id: int) -> None:
    """Forgets the occurrences of a source."""
    columns = external_occurrences.c
    await tx.execute(delete(external_occurrences).where(columns.organization_id == organization_id, columns.source_id == source_id))


async def drop_occurrences(tx: Transaction, organization_id: int, before: datetime, limit: int) -> int:
    """Forgets at most so many occurrences that were not heard of since a time, but none whose alert is active; answers how many."""
    columns = external_occurrences.c
    is_over = or_(columns.state != TransitionState.FIRING, columns.alert_id.is_(None))
    keys = (
        select(columns.source_id, columns.identity)
        .where(columns.organization_id == organization_id, columns.last_seen_time < before, is_over)
        .order_by(columns.last_seen_time)
        .limit(limit)
    )
    by_source: dict[int, list[str]] = {}
    for row in await tx.execute(keys):
        by_source.setdefault(row.source_id, []).append(row.identity)
    for source_id, identities in sorted(by_source.items()):
        await tx.execute(
            delete(external_occurrences).where(
                columns.organization_id == organization_id, columns.source_id == source_id, columns.identity.in_(identities)
            )
        )
    return sum(map(len, by_source.values()))


def read_row(row: Any) -> Occurrence:  # noqa: ANN401 -- rows carry their columns as attributes
    """An occurrence from its row."""
    labels: Mapping[str, str] = labels_decoder.decode(row.labels)
    return Occurrence(
        identity=row.identity,
        definition_key=row.definition_key,
        instance_key=row.instance_key,
        occurrence_key=row.occurrence_key,
        state=TransitionState(row.state),
        severity=row.severity,
        title=row.title,
        description=row.description,
        labels=labels,
        occurred_time=row.occurred_time,
        alert_id=row.alert_id,
    )
