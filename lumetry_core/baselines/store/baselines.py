"""Baselines: what was learned of a metric under a profile, apart from its blocks; and their members."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    select,
    update,
)

from lumetry_core.baselines.candidates import Candidates, no_candidates
from lumetry_core.baselines.codec import pack_journal, unpack_journal
from lumetry_core.baselines.weeks import HOURS_PER_WEEK
from lumetry_core.runtime.database import Id, Time, Transaction, metadata

CHUNK = 1000
"""Values in one IN list; databases limit the parameters of a statement."""

baselines = Table(
    "baselines",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("profile_id", BigInteger, nullable=False),
    Column("metric_id", BigInteger, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("folded_journal_id", BigInteger, nullable=False),
    Column("hours", LargeBinary, nullable=False),
    Column("pending", LargeBinary, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("build_time", Time, nullable=False),
    UniqueConstraint("organization_id", "profile_id", "metric_id"),
    Index("ix_baselines_organization_partition", "organization_id", "partition"),
    sqlite_autoincrement=True,
)
baseline_members = Table(
    "baseline_members",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("baseline_id", BigInteger, primary_key=True, autoincrement=False),
    Column("member", Integer, primary_key=True, autoincrement=False),
    Column("dimension_key", Text),
)


@dataclass(frozen=True, slots=True, eq=False)
class StoredBaseline:
    """A row. `hours` are those that have a block; the pending points are ones that were evaluated but not learned."""

    id: int
    profile_id: int
    metric_id: int
    folded_journal_id: int
    hours: set[int]
    pending: Candidates


async def insert_baseline(tx: Transaction, organization_id: int, profile_id: int, metric_id: int, partition: int, now: datetime) -> int:
    """Adds a baseline that knows nothing and answers its number."""
    values = {
        "organization_id": organization_id,
        "profile_id": profile_id,
        "metric_id": metric_id,
        "partition": partition,
        "folded_journal_id": 0,
        "hours": pack_hours(()),
        "pending": pack_journal(no_candidates()),
        "create_time": now,
        "build_time": now,
    }
    number: int = (await tx.execute(baselines.insert().values(values).returning(baselines.c.id))).scalar_one()
    return number


async def update_folded(tx: Transaction, organization_id: int, partition: int, folded: Sequence[StoredBaseline]) -> None:
    """Moves baselines on: the newest journal row they hold, their hours and pending points."""
    columns = baselines.c
    statement = (
        update(baselines)
        .where(columns.organization_id == organization_id, columns.partition == partition, columns.id == bindparam("row_id"))
        .values(folded_journal_id=bindparam("row_folded"), hours=bindparam("row_hours"), pending=bindparam("row_pending"))
    )
    rows = [
        {
            "row_id": each.id,
            "row_folded": each.folded_journal_id,
            "row_hours": pack_hours(each.hours),
            "row_pending": pack_journal(each.pending),
        }
        for each in folded
    ]
    await tx.execute(statement, rows)


async def set_build_time(tx: Transaction, organization_id: int, baseline_id: int, now: datetime) -> None:
    """Notes that a baseline was learned again."""
    columns = baselines.c
    await tx.execute(update(baselines).where(columns.organization_id == organization_id, columns.id == baseline_id).values(build_time=now))


async def list_of_partition(tx: Transaction, organization_id: int, partition: int) -> list[StoredBaseline]:
    """The baselines of an organization on a partition, ascending by number."""
    columns = baselines.c
    return await read_where(tx, columns.organization_id == organization_id, columns.partition == partition)


async def find_baseline(tx: Transaction, organization_id: int, profile_id: int, metric_id: int) -> tuple[StoredBaseline, int] | None:
    """A metric's baseline under a profile and the partition it is on."""
    columns = baselines.c
    where = (columns.organization_id == organization_id, columns.profile_id == profile_id, columns.metric_id == metric_id)
    partition = (await tx.execute(select(columns.partition).where(*where))).scalar_one_or_none()
    return None if partition is None else ((await read_where(tx, *where))[0], partition)


async def read_where(tx: Transaction, *conditions: Any) -> list[StoredBaseline]:  # noqa: ANN401 -- SQL conditions
    """Baselines under conditions, ascending by number."""
    columns = baselines.c
    shown = (columns.id, columns.profile_id, columns.metric_id, columns.folded_journal_id, columns.hours, columns.pending)
    rows = await tx.execute(select(*shown).where(*conditions).order_by(columns.id))
    return [
        StoredBaseline(row.id, row.profile_id, row.metric_id, row.folded_journal_id, unpack_hours(row.hours), unpack_journal(row.pending))
        for row in rows
    ]


async def read_folded(tx: Transaction, organization_id: int, partition: int) -> tuple[int, int] | None:
    """The newest journal rows that all baselines of a partition hold, and that any of them does; None without baselines."""
    columns = baselines.c
    statement = select(func.min(columns.folded_journal_id).label("least"), func.max(columns.folded_journal_id).label("most"))
    row = (await tx.execute(statement.where(columns.organization_id == organization_id, columns.partition == partition))).one()
    return None if row.least is None else (row.least, row.most)


async def delete_baselines(tx: Transaction, organization_id: int, baseline_ids: Collection[int]) -> None:
    """Drops baselines with their members."""
    numbers = sorted(baseline_ids)
    for start in range(0, len(numbers), CHUNK):
        chunk = numbers[start : start + CHUNK]
        await tx.execute(delete(baselines).where(baselines.c.organization_id == organization_id, baselines.c.id.in_(chunk)))
        members = baseline_members.c
        await tx.execute(delete(baseline_members).where(members.organization_id == organization_id, members.baseline_id.in_(chunk)))


async def insert_members(tx: Transaction, organization_id: int, added: Iterable[tuple[int, int, str | None]]) -> None:
    """Adds members, each as baseline, number and dimension key; those that exist stay as they are."""
    rows = [
        {"organization_id": organization_id, "baseline_id": baseline_id, "member": member, "dimension_key": key}
        for baseline_id, member, key in added
    ]
    if rows:
        await tx.execute(tx.insert(baseline_members).on_conflict_do_nothing(), rows)


async def read_members(tx: Transaction, organization_id: int, baseline_ids: Collection[int]) -> dict[int, list[str | None]]:
    """Dimension keys by number of the members of each baseline."""
    found: dict[int, list[str | None]] = {baseline_id: [] for baseline_id in baseline_ids}
    numbers = sorted(found)
    columns = baseline_members.c
    for start in range(0, len(numbers), CHUNK):
        rows = await tx.execute(
            select(columns.baseline_id, columns.dimension_key)
            .where(columns.organization_id == organization_id, columns.baseline_id.in_(numbers[start : start + CHUNK]))
            .order_by(columns.baseline_id, columns.member)
        )
        for row in rows:
            found[row.baseline_id].append(row.dimension_key)
    return found


def pack_hours(hours: Collection[int]) -> bytes:
    """A set of hours of the week, a bit each."""
    flags = np.zeros(HOURS_PER_WEEK, np.uint8)
    flags[sorted(hours)] = 1
    return np.packbits(flags).tobytes()


def unpack_hours(packed: bytes) -> set[int]:
    """What `pack_hours` packed."""
    return set(np.flatnonzero(np.unpackbits(np.frombuffer(packed, np.uint8))).tolist())
