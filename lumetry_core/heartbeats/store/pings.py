"""Pings and runs in the database. They are written in time, so that the oldest have the lowest numbers."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, bindparam, delete, func, select, update

from lumetry_core.heartbeats.model import Heartbeat, Outcome, Ping, PingKind, Run, StoredPing
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.runtime.rows import RowStatement, ms_or_none

heartbeat_pings = Table(
    "heartbeat_pings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("heartbeat_id", BigInteger, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("exit_code", Integer),
    Column("source_ip", String(64), nullable=False),
    Column("http_method", String(10), nullable=False),
    Column("payload", Text),
    Column("time", Time, nullable=False),
    Column("expected_time", Time),
    Column("grace_deadline", Time),
    Index("ix_heartbeat_pings_organization_heartbeat", "organization_id", "heartbeat_id", "id"),
    Index("ix_heartbeat_pings_organization_time", "organization_id", "time"),
    sqlite_autoincrement=True,
)
heartbeat_runs = Table(
    "heartbeat_runs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("heartbeat_id", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("start_time", Time),
    Column("end_time", Time),
    Column("duration_ms", BigInteger),
    Column("exit_code", Integer),
    Column("outcome", String(20), nullable=False),
    Column("payload", Text),
    Column("create_time", Time, nullable=False),
    Index("ix_heartbeat_runs_organization_heartbeat", "organization_id", "heartbeat_id", "number", unique=True),
    sqlite_autoincrement=True,
)
pings, runs = heartbeat_pings.c, heartbeat_runs.c

END = (
    update(heartbeat_runs)
    .where(
        runs.organization_id == bindparam("of_organization"),
        runs.heartbeat_id == bindparam("of_heartbeat"),
        runs.number == bindparam("of_number"),
    )
    .values(
        end_time=bindparam("end_time"),
        duration_ms=bindparam("duration_ms"),
        exit_code=bindparam("exit_code"),
        outcome=bindparam("outcome"),
        payload=func.coalesce(bindparam("payload"), runs.payload),
    )
)


PING_ROWS = RowStatement(
    heartbeat_pings.insert(),
    (
        "organization_id",
        "heartbeat_id",
        "kind",
        "exit_code",
        "source_ip",
        "http_method",
        "payload",
        "time",
        "expected_time",
        "grace_deadline",
    ),
)
RUN_ROWS = RowStatement(
    heartbeat_runs.insert(),
    (
        "organization_id",
        "heartbeat_id",
        "number",
        "start_time",
        "end_time",
        "duration_ms",
        "exit_code",
        "outcome",
        "payload",
        "create_time",
    ),
)


async def insert_pings(tx: Transaction, stored: Sequence[tuple[Heartbeat, Ping, datetime | None, datetime | None]], now: datetime) -> None:
    """Adds pings that came now, each with its heartbeat, when it was expected and until when it was waited for."""
    time = to_ms(now)
    rows = [
        (
            heartbeat.organization_id,
            heartbeat.id,
            ping.kind.value,
            ping.exit_code,
            ping.source_ip,
            ping.http_method,
            ping.payload,
            time,
            ms_or_none(expected),
            ms_or_none(grace_deadline),
        )
        for heartbeat, ping, expected, grace_deadline in stored
    ]
    await PING_ROWS.execute(tx, rows)


async def insert_runs(tx: Transaction, opened: Sequence[tuple[Heartbeat, Run]], now: datetime) -> None:
    """Adds runs, open or ended."""
    time = to_ms(now)
    rows = [
        (
            heartbeat.organization_id,
            heartbeat.id,
            run.number,
            ms_or_none(run.start_time),
            ms_or_none(run.end_time),
            run.duration_ms,
            run.exit_code,
            run.outcome.value,
            run.payload,
            time,
        )
        for heartbeat, run in opened
    ]
    await RUN_ROWS.execute(tx, rows)


async def end_runs(tx: Transaction, ended: Sequence[tuple[Heartbeat, Run]]) -> None:
    """Writes the end of runs that are kept as open."""
    if ended:
        rows = [
            {
                "of_organization": heartbeat.organization_id,
                "of_heartbeat": heartbeat.id,
                "of_number": run.number,
                "end_time": run.end_time,
                "duration_ms": run.duration_ms,
                "exit_code": run.exit_code,
                "outcome": run.outcome,
                "payload": run.payload,
            }
            for heartbeat, run in ended
        ]
        await tx.execute(END, rows)


async def list_pings(tx: Transaction, organization_id: int, heartbeat_id: int, limit: int, offset: int) -> tuple[list[StoredPing], int]:
    """A page of a heartbeat's pings, newest first, and how many there are."""
    same = (pings.organization_id == organization_id, pings.heartbeat_id == heartbeat_id)
    total: int = (await tx.execute(select(func.count()).select_from(heartbeat_pings).where(*same))).scalar_one()
    rows = await tx.execute(select(heartbeat_pings).where(*same).order_by(pings.id.desc()).limit(limit).offset(offset))
    return [read_ping(row) for row in rows], total


async def list_runs(tx: Transaction, organization_id: int, heartbeat_id: int, limit: int, offset: int) -> tuple[list[Run], int]:
    """A page of a heartbeat's runs, newest first, and how many there are."""
    same = (runs.organization_id == organization_id, runs.heartbeat_id == heartbeat_id)
    total: int = (await tx.execute(select(func.count()).select_from(heartbeat_runs).where(*same))).scalar_one()
    rows = await tx.execute(select(heartbeat_runs).where(*same).order_by(runs.number.desc()).limit(limit).offset(offset))
    return [read_run(row) for row in rows], total


async def remove_of(tx: Transaction, organization_id: int, heartbeat_ids: Collection[int], limit: int) -> int:
    """Removes at most so many pings and runs of heartbeats that are gone; answers how many."""
    removed = 0
    for table in (heartbeat_pings, heartbeat_runs):
        same = (table.c.organization_id == organization_id, table.c.heartbeat_id.in_(sorted(heartbeat_ids)))
        chosen = select(table.c.id).where(*same).limit(limit - removed).scalar_subquery()
        result = await tx.execute(delete(table).where(table.c.organization_id == organization_id, table.c.id.in_(chosen)))
        removed += int(result.rowcount)
    return removed


async def drop_before(tx: Transaction, before: datetime, limit: int) -> int:
    """Drops at most so many pings and so many runs of all organizations that are older than a time; answers how many.

    Only the oldest numbers are looked at, so no index by time is needed: a clock that was moved leaves rows for a later round at worst.
    """
    dropped = 0
    for table, time in ((heartbeat_pings, pings.time), (heartbeat_runs, runs.create_time)):
        oldest = select(table.c.id, time.label("moment")).order_by(table.c.id).limit(limit)
        old = [row.id for row in await tx.execute(oldest) if row.moment < before]
        if old:
            result = await tx.execute(delete(table).where(table.c.id.in_(old)))
            dropped += int(result.rowcount)
    return dropped


def read_ping(row: Any) -> StoredPing:  # noqa: ANN401 -- a row of the table
    """A ping from its row; the heartbeat's identity is left out."""
    ping = Ping("", PingKind(row.kind), row.exit_code, row.source_ip, row.http_method, row.payload)
    return StoredPing(row.id, row.heartbeat_id, ping, row.time, row.expected_time, row.grace_deadline)


def read_run(row: Any) -> Run:  # noqa: ANN401 -- a row of the table
    """A run from its row."""
    return Run(
        number=row.number,
        start_time=row.start_time,
        end_time=row.end_time,
        duration_ms=row.duration_ms,
        exit_code=row.exit_code,
        outcome=Outcome(row.outcome),
        payload=row.payload,
        id=row.id,
    )
