"""Sharing of calls between waiting batches."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from gateway.transcode.channel import open_core
from gateway.transcode.failures import Failure, Reason
from gateway.transcode.lanes import MAX_CALLS, Ingestor
from gateway.transcode.series import Columns, Definition, SeriesBook, SeriesDictionary
from lumetry.metrics.v1 import ingestion_service_pb2 as pb
from lumetry_core.runtime import errors

METADATA = (("authorization", "Bearer lmt_1"),)


@dataclass
class Gate:
    """Holds calls back until opened; batches holding the value 13 are faulty."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    sizes: list[list[int]] = field(default_factory=list)
    refuse_together: bool = False

    async def __call__(self, request: pb.IngestColumnsRequest, _context: Any) -> Any:
        self.sizes.append(list(request.batch_sizes))
        self.arrived.release()
        await self.opened.wait()
        values = np.frombuffer(request.values, "<f8").tolist()
        if self.refuse_together and 13.0 in values:
            return errors.LumetryError(errors.Reason.VALIDATION_FAILED, "unusable")
        results, start = [], 0
        for size in request.batch_sizes:
            batch, start = values[start : start + size], start + size
            faults = [pb.PointFault(point_index=batch.index(13.0), field="value")] if 13.0 in batch else []
            accepted = None if faults else pb.AcceptedBatch(batch_id=str(batch[0]), accepted_count=size)
            results.append(pb.ColumnBatchResult(batch=accepted, faults=faults))
        return pb.IngestColumnsResponse(results=results)


@pytest.fixture
def gate(core: Any) -> Gate:
    made = Gate()
    core.answers["IngestColumns"] = made
    return made


@pytest.fixture
async def ingestor(core: Any) -> AsyncIterator[Ingestor]:
    opened = open_core(core.address)
    made = Ingestor(opened, SeriesBook(SeriesDictionary()))
    await made.admit(METADATA)
    yield made
    await made.drain()
    await opened.channel.close()


def batch(ingestor: Ingestor, *values: float) -> Columns:
    dictionary = ingestor.book.open()
    number = dictionary.number_of(Definition(("cpu", b"null"), "", ""))
    count = len(values)
    return Columns(dictionary, np.full(count, number, "<u4"), np.zeros(count, "<i8"), np.array(values, "<f8"))


async def test_share_calls_while_three_are_under_way(ingestor: Ingestor, gate: Gate) -> None:
    """Three calls go at once, everything else waits and goes together; each batch keeps its own result."""
    waiting = [asyncio.create_task(ingestor.submit(batch(ingestor, *[float(size)] * size), METADATA)) for size in range(1, 7)]
    for _ in range(MAX_CALLS):
        await gate.arrived.acquire()
    gate.opened.set()
    results = await asyncio.gather(*waiting)
    assert [result.batch.accepted_count for result in results] == [1, 2, 3, 4, 5, 6]
    assert [result.batch.batch_id for result in results] == ["1.0", "2.0", "3.0", "4.0", "5.0", "6.0"]
    assert sorted(gate.sizes[:3]) == [[1], [2], [3]]
    assert gate.sizes[3:] == [[4, 5, 6]]


async def test_keep_faults_of_one_batch_from_others(ingestor: Ingestor, gate: Gate) -> None:
    """A faulty batch in a shared call gets its faults, the others are accepted."""
    waiting = [asyncio.create_task(ingestor.submit(batch(ingestor, value), METADATA)) for value in (1.0, 2.0, 3.0, 13.0, 5.0)]
    gate.opened.set()
    results = await asyncio.gather(*waiting)
    assert [len(result.faults) for result in results] == [0, 0, 0, 1, 0]


async def test_resend_alone_after_refusal_together(ingestor: Ingestor, gate: Gate) -> None:
    """When a shared call is unusable as a whole, each batch is sent alone."""
    gate.refuse_together = True
    waiting = [asyncio.create_task(ingestor.submit(batch(ingestor, value), METADATA)) for value in (1.0, 2.0, 7.0, 3.0, 13.0, 5.0)]
    for _ in range(MAX_CALLS):
        await gate.arrived.acquire()
    gate.opened.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [result.reason if isinstance(result, Failure) else None for result in results] == [
        None,
        None,
        None,
        None,
        Reason.VALIDATION_FAILED,
        None,
    ]
    assert gate.sizes[3:] == [[1, 1, 1], [1], [1], [1]]


async def test_fail_all_of_a_call(ingestor: Ingestor, core: Any) -> None:
    """When the store is away every batch of the call fails alike."""
    core.answers["IngestColumns"] = errors.LumetryError(errors.Reason.STORE_UNAVAILABLE, "away")
    waiting = [asyncio.create_task(ingestor.submit(batch(ingestor, value), METADATA)) for value in (1.0, 2.0, 3.0)]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(result) for result in results] == ["away"] * 3


async def test_send_many_definitions_ahead(ingestor: Ingestor, core: Any) -> None:
    """More definitions than fit into a message go ahead of the points, with a point that is not stored."""
    accepted = pb.ColumnBatchResult(batch=pb.AcceptedBatch(accepted_count=1))
    core.answers["IngestColumns"] = pb.IngestColumnsResponse(results=[accepted])
    dictionary = ingestor.book.open()
    for number in range(25_000):
        dictionary.number_of(Definition((f"m{number}", b"null"), "", ""))
    columns = Columns(dictionary, np.array([24_999], "<u4"), np.zeros(1, "<i8"), np.zeros(1, "<f8"))
    assert await ingestor.submit(columns, METADATA) == accepted
    requests = core.requests("IngestColumns")
    assert [(len(request.series), request.validate_only) for request in requests] == [(10_000, True), (10_000, True), (5_000, False)]
    assert dictionary.acknowledged == 25_000


async def test_replace_full_dictionary(ingestor: Ingestor, core: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full dictionary gives way; batches that still use it are renumbered."""
    core.answers["IngestColumns"] = lambda request, _context: pb.IngestColumnsResponse(
        results=[pb.ColumnBatchResult(batch=pb.AcceptedBatch(batch_id=request.series[0].metric_key))]
    )
    old = batch(ingestor, 1.0)
    monkeypatch.setattr("gateway.transcode.series.MAX_SERIES", 1)
    fresh = ingestor.book.open()
    assert fresh is not old.dictionary
    fresh.number_of(Definition(("other", b"null"), "", ""))
    assert (await ingestor.submit(old, METADATA)).batch.batch_id == "other"
    assert [one.metric_key for one in core.requests("IngestColumns")[0].series] == ["other", "cpu"]
