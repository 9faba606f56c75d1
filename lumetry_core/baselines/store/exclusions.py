"""Periods that are not learned from."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Index, String, Table, Text, delete, or_, select, type_coerce

from lumetry_core.baselines.model import Exclusion, ExclusionKind
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

exclusions = Table(
    "baseline_exclusions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("metric_key", Text),
    Column("start_time", Time, nullable=False),
    Column("end_time", Time, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_by", BigInteger),
    Column("create_time", Time, nullable=False),
    Index("ix_baseline_exclusions_organization_kind_start", "organization_id", "kind", "start_time", "id"),
    sqlite_autoincrement=True,
)


async def insert_exclusion(tx: Transaction, exclusion: Exclusion) -> int:
    """Adds a period, whose own number does not count, and answers the number given to it."""
    values = {
        "organization_id": exclusion.organization_id,
        "kind": exclusion.kind.value,
        "metric_key": exclusion.metric_key,
        "start_time": exclusion.start_time,
        "end_time": exclusion.end_time,
        "reason": exclusion.reason,
        "created_by": exclusion.created_by,
        "create_time": exclusion.create_time,
    }
    number: int = (await tx.execute(exclusions.insert().values(values).returning(exclusions.c.id))).scalar_one()
    return number


async def find_exclusion(tx: Transaction, organization_id: int, kind: ExclusionKind, exclusion_id: int) -> Exclusion | None:
    """The period of a kind and number."""
    statement = select(exclusions).where(
        exclusions.c.organization_id == organization_id, exclusions.c.id == exclusion_id, exclusions.c.kind == kind.value
    )
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else to_exclusion(row)


async def delete_exclusion(tx: Transaction, organization_id: int, exclusion_id: int) -> None:
    """Removes a period."""
    await tx.execute(delete(exclusions).where(exclusions.c.organization_id == organization_id, exclusions.c.id == exclusion_id))


async def list_newest(tx: Transaction, organization_id: int, kind: ExclusionKind, limit: int) -> list[Exclusion]:
    """At most so many periods of a kind, newest first by start, then number."""
    statement = select(exclusions).where(exclusions.c.organization_id == organization_id, exclusions.c.kind == kind.value)
    rows = await tx.execute(statement.order_by(exclusions.c.start_time.desc(), exclusions.c.id.desc()).limit(limit))
    return [to_exclusion(row) for row in rows]


async def list_all(tx: Transaction, organization_id: int) -> Sequence[Exclusion]:
    """All periods, ascending by start, then number."""
    statement = select(exclusions).where(exclusions.c.organization_id == organization_id)
    return [to_exclusion(row) for row in await tx.execute(statement.order_by(exclusions.c.start_time, exclusions.c.id))]


async def list_overlapping(
    tx: Transaction, organization_id: int, metric_key: str | None, start_ms: int, end_ms: int
) -> Sequence[Exclusion]:
    """The periods that share a moment with [start, end), ascending by start, then number.

    Args:
        metric_key: Leaves out what is for other metrics alone. None: none is left out.
    """
    conditions = [
        exclusions.c.organization_id == organization_id,
        type_coerce(exclusions.c.start_time, BigInteger) < end_ms,
        type_coerce(exclusions.c.end_time, BigInteger) > start_ms,
    ]
    if metric_key is not None:
        conditions.append(or_(exclusions.c.metric_key.is_(None), exclusions.c.metric_key == metric_key))
    rows = await tx.execute(select(exclusions).where(*conditions).order_by(exclusions.c.start_time, exclusions.c.id))
    return [to_exclusion(row) for row in rows]


def to_exclusion(row: Any) -> Exclusion:  # noqa: ANN401 -- rows carry their columns as attributes
    """A period from its row."""
    return Exclusion(
        id=row.id,
        organization_id=row.organization_id,
        kind=ExclusionKind(row.kind),
        metric_key=row.metric_key,
        start_time=row.start_time,
        end_time=row.end_time,
        reason=row.reason,
        created_by=row.created_by,
        create_time=row.create_time,
    )
