"""Jobs whose evaluation failed, with a copy of their points."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text, case, delete, func, select, update

from lumetry_core.evaluation.model import JobOutcome, JobResult, Retry
from lumetry_core.evaluation.store.runs import PackedTrace, pack_trace, unpack_trace
from lumetry_core.metrics.codec import decode_payload, encode_payload
from lumetry_core.metrics.model import Floats, Integers
from lumetry_core.runtime.database import Time, Transaction, metadata

evaluation_retries = Table(
    "evaluation_retries",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("organization_id", BigInteger, nullable=False),
    Column("batch_id", String(36), nullable=False),
    Column("credential_kind", String(40)),
    Column("credential_id", BigInteger),
    Column("metric_id", BigInteger),
    Column("time_ms", BigInteger),
    Column("series_id", BigInteger),
    Column("point_count", Integer, nullable=False),
    Column("attempt_count", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("start_time", Time, nullable=False),
    Column("next_time", Time),
    Column("fail_time", Time),
    Column("complete_time", Time),
    Column("outcome", String(20)),
    Column("trace", LargeBinary),
    Column("payload", LargeBinary),
    Index("ix_evaluation_retries_organization", "organization_id", "fail_time"),
    Index("ix_evaluation_retries_next", "partition", "next_time"),
)
trace_decoder = msgspec.msgpack.Decoder(PackedTrace)
PLAIN = (
    "partition",
    "offset",
    "organization_id",
    "batch_id",
    "credential_kind",
    "credential_id",
    "metric_id",
    "time_ms",
    "series_id",
    "point_count",
    "attempt_count",
    "last_error",
    "create_time",
    "start_time",
    "next_time",
    "fail_time",
)
SHOWN = [column for column in evaluation_retries.c if column.name != "payload"]


async def insert_retry(tx: Transaction, retry: Retry, series_ids: Integers, times_ms: Integers, values: Floats) -> None:
    """Keeps a failed job and its points."""
    row = {name: getattr(retry, name) for name in PLAIN}
    await tx.execute(evaluation_retries.insert(), {**row, "payload": encode_payload(series_ids, times_ms, values)})


async def read_points(tx: Transaction, retry: Retry) -> tuple[Integers, Integers, Floats]:
    """Series ids, times in ms and values of a job's points, in order of arrival."""
    payload = (await tx.execute(select(evaluation_retries.c.payload).where(*is_it(retry)))).scalar_one()
    return decode_payload(payload)


async def read_unevaluated(tx: Transaction, organization_id: int, partition: int) -> list[tuple[Integers, Integers, Floats]]:
    """As `read_points`, of every job of a partition of which no attempt has ended well."""
    columns = evaluation_retries.c
    is_waiting = columns.outcome.is_(None) & columns.payload.is_not(None)
    where = (columns.organization_id == organization_id, columns.partition == partition, is_waiting)
    rows = await tx.execute(select(columns.payload).where(*where).order_by(columns.offset))
    return [decode_payload(payload) for payload in rows.scalars()]


async def note_failure(tx: Transaction, retry: Retry) -> None:
    """Keeps another failed attempt; the points of a job that is given up stay, for people may want it tried again."""
    changed = {name: getattr(retry, name) for name in ("attempt_count", "last_error", "start_time", "next_time", "fail_time")}
    await tx.execute(update(evaluation_retries).where(*is_it(retry)).values(changed))


async def note_result(tx: Transaction, retry: Retry, result: JobResult) -> None:
    """Keeps how an attempt ended well; the points are needed no more."""
    changed = {
        "attempt_count": retry.attempt_count,
        "start_time": result.start_time,
        "complete_time": result.complete_time,
        "outcome": result.outcome,
        "trace": None if result.trace is None else msgspec.msgpack.encode(pack_trace(result.trace)),
        "next_time": None,
        "payload": None,
    }
    await tx.execute(update(evaluation_retries).where(*is_it(retry)).values(changed))


async def requeue(tx: Transaction, retry: Retry, now: datetime) -> bool:
    """Makes a job that was given up wait as if nothing had been tried; false when it was not given up or its points are gone."""
    columns = evaluation_retries.c
    statement = (
        update(evaluation_retries)
        .where(*is_it(retry), columns.fail_time.is_not(None), columns.payload.is_not(None))
        .values(attempt_count=0, next_time=now, fail_time=None)
        .returning(columns.offset)
    )
    return (await tx.execute(statement)).first() is not None


def is_it(retry: Retry) -> tuple[Any, ...]:
    """The condition for one job."""
    columns = evaluation_retries.c
    return columns.organization_id == retry.organization_id, columns.partition == retry.partition, columns.offset == retry.offset


async def list_due(tx: Transaction, partitions: Collection[int], now: datetime, limit: int) -> list[Retry]:
    """Jobs of partitions whose next attempt is due, in the order in which they fell due."""
    columns = evaluation_retries.c
    rows = await tx.execute(
        select(*SHOWN)
        .where(columns.next_time <= now, columns.partition.in_(sorted(partitions)))
        .order_by(columns.next_time, columns.partition, columns.offset)
        .limit(limit)
    )
    return [read_row(row) for row in rows]


async def find_retry(tx: Transaction, organization_id: int, partition: int, offset: int, *, lock: bool = False) -> Retry | None:
    """A job that failed at least once.

    Args:
        lock: Keeps others from changing it until the transaction ends.
    """
    columns = evaluation_retries.c
    wanted = select(*SHOWN).where(columns.organization_id == organization_id, columns.partition == partition, columns.offset == offset)
    row = (await tx.execute(wanted.with_for_update() if lock else wanted)).one_or_none()
    return None if row is None else read_row(row)


async def list_failed(tx: Transaction, organization_id: int, limit: int) -> list[Retry]:
    """Jobs that were given up, newest first."""
    columns = evaluation_retries.c
    rows = await tx.execute(
        select(*SHOWN)
        .where(columns.organization_id == organization_id, columns.fail_time.is_not(None))
        .order_by(columns.fail_time.desc(), columns.offset.desc(), columns.partition.desc())
        .limit(limit)
    )
    return [read_row(row) for row in rows]


async def count_open(tx: Transaction, organization_id: int) -> tuple[int, int, datetime | None]:
    """An organization's jobs that wait for another attempt and those given up, and when the oldest waiting one was accepted."""
    columns = evaluation_retries.c
    waits, failed = columns.next_time.is_not(None), columns.fail_time.is_not(None)
    counts = select(
        func.count(case((waits, 1))).label("waiting"),
        func.count(case((failed, 1))).label("failed"),
        func.min(case((waits, columns.create_time))).label("oldest"),
    ).where(columns.organization_id == organization_id)
    row = (await tx.execute(counts)).one()
    return row.waiting, row.failed, row.oldest


async def count_unfinished(tx: Transaction, organization_id: int, since: datetime) -> int:
    """An organization's jobs accepted since a time of which no attempt has ended well."""
    columns = evaluation_retries.c
    statement = (
        select(func.count())
        .select_from(evaluation_retries)
        .where(columns.organization_id == organization_id, columns.outcome.is_(None), columns.create_time >= since)
    )
    return int((await tx.execute(statement)).scalar_one())


async def list_failed_before(tx: Transaction, before: datetime) -> list[Retry]:
    """Jobs of all organizations that were given up before a time."""
    rows = await tx.execute(select(*SHOWN).where(evaluation_retries.c.fail_time < before))
    return [read_row(row) for row in rows]


async def delete_retries(tx: Transaction, completed_before: datetime, failed_before: datetime) -> None:
    """Drops jobs that are over."""
    columns = evaluation_retries.c
    await tx.execute(delete(evaluation_retries).where(columns.complete_time < completed_before))
    await tx.execute(delete(evaluation_retries).where(columns.fail_time < failed_before))


def read_row(row: Any) -> Retry:  # noqa: ANN401 -- a row of SHOWN
    """A job from its row."""
    retry = Retry(**{name: getattr(row, name) for name in PLAIN}, result=None)
    if row.outcome is None:
        return retry
    trace = None if row.trace is None else unpack_trace(trace_decoder.decode(row.trace))
    return replace(retry, result=JobResult(JobOutcome(row.outcome), row.start_time, row.complete_time, trace))
