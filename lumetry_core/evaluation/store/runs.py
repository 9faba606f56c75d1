"""Committed chunks: the outcome of each job, and what the few jobs that found anything left behind."""

from collections.abc import Mapping
from datetime import datetime

import msgspec
from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, delete, select

from lumetry_core.evaluation.model import JobOutcome, JobResult, JobTrace, Run
from lumetry_core.evaluation.survey import Disposition
from lumetry_core.runtime.clock import from_ms, to_ms
from lumetry_core.runtime.database import Time, Transaction, metadata

evaluation_runs = Table(
    "evaluation_runs",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("from_offset", BigInteger, primary_key=True, autoincrement=False),
    Column("to_offset", BigInteger, nullable=False),
    Column("start_time", Time, nullable=False),
    Column("complete_time", Time, nullable=False),
    Column("outcomes", LargeBinary, nullable=False),
    Column("traces", LargeBinary, nullable=False),
    Index("ix_evaluation_runs_complete", "complete_time"),
)

OUTCOME_OF: Mapping[int, JobOutcome] = {
    Disposition.DUPLICATE: JobOutcome.DUPLICATE,
    Disposition.LATE: JobOutcome.LATE,
    Disposition.NO_RULE: JobOutcome.NO_RULE,
    Disposition.EVALUATED: JobOutcome.EVALUATED,
}
DEFERRED = 0
"""In place of an outcome: the job's evaluation failed, and its retry tells the rest."""

PackedTrace = tuple[int, int, tuple[int, ...]]
"""First and last time in ms, and alerts."""
trace_decoder = msgspec.msgpack.Decoder(dict[int, PackedTrace])


def pack_trace(trace: JobTrace) -> PackedTrace:
    """A trace in few bytes."""
    return to_ms(trace.first_time), to_ms(trace.last_time), trace.alert_ids


def unpack_trace(packed: PackedTrace) -> JobTrace:
    """The trace of which `pack_trace` made bytes."""
    return JobTrace(from_ms(packed[0]), from_ms(packed[1]), tuple(packed[2]))


async def insert_run(tx: Transaction, run: Run, outcomes: bytes, traces: Mapping[int, JobTrace]) -> None:
    """Keeps a committed chunk.

    Args:
        outcomes: One byte for each job.
        traces: By the job's place in the chunk.
    """
    await tx.execute(
        evaluation_runs.insert(),
        {
            "partition": run.partition,
            "from_offset": run.from_offset,
            "to_offset": run.to_offset,
            "start_time": run.start_time,
            "complete_time": run.complete_time,
            "outcomes": outcomes,
            "traces": msgspec.msgpack.encode({place: pack_trace(trace) for place, trace in traces.items()}),
        },
    )


async def find_result(tx: Transaction, partition: int, offset: int) -> JobResult | None:
    """How a job was evaluated; None while it waits, when it was deferred and when it is no longer kept."""
    columns = evaluation_runs.c
    row = (
        await tx.execute(
            select(evaluation_runs)
            .where(columns.partition == partition, columns.from_offset <= offset)
            .order_by(columns.from_offset.desc())
            .limit(1)
        )
    ).one_or_none()
    if row is None or offset >= row.to_offset or row.outcomes[offset - row.from_offset] == DEFERRED:
        return None
    place = offset - row.from_offset
    packed = trace_decoder.decode(row.traces).get(place)
    trace = None if packed is None else unpack_trace(packed)
    return JobResult(OUTCOME_OF[row.outcomes[place]], row.start_time, row.complete_time, trace)


async def delete_runs(tx: Transaction, before: datetime) -> None:
    """Drops chunks committed before a time."""
    await tx.execute(delete(evaluation_runs).where(evaluation_runs.c.complete_time < before))
