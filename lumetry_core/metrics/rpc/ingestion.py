"""IngestionService."""

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any

import grpc

from lumetry.metrics.v1 import ingestion_service_pb2, ingestion_service_pb2_grpc
from lumetry_core.metrics.definition import define
from lumetry_core.metrics.dictionary import Dictionaries, SeriesDictionary
from lumetry_core.metrics.model import AcceptedBatch
from lumetry_core.metrics.rpc.columns import read_columns, read_definitions, write_batch, write_result
from lumetry_core.metrics.rpc.times import read_ms
from lumetry_core.metrics.service.appender import Appender
from lumetry_core.metrics.service.ingestion import BatchResult, NumberedPoint, ingest_columns, ingest_numbered, invalid
from lumetry_core.metrics.service.senders import SenderBook
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.errors import LumetryError, Reason
from lumetry_core.runtime.interceptors import charge_current, current_caller
from lumetry_core.runtime.pipeline import answer_in_order

Context = grpc.aio.ServicerContext[Any, Any]
MAX_UNANSWERED = 32
"""Requests of one stream that are worked on at once; the stream's flow control holds its sender back then."""


class IngestionServicer(ingestion_service_pb2_grpc.IngestionServiceServicer):
    """See `lumetry.metrics.v1.IngestionService`. Holds the dictionaries of its senders."""

    def __init__(self, appender: Appender, senders: SenderBook, clock: Clock) -> None:
        self._append = appender.append
        self._senders = senders
        self._clock = clock
        self._dictionaries = Dictionaries()

    async def IngestMetrics(
        self,
        request: ingestion_service_pb2.IngestMetricsRequest,
        context: Context,
    ) -> ingestion_service_pb2.IngestMetricsResponse:
        """Accepts one batch of messages."""
        batch = await self._ingest_points(request.points)
        return ingestion_service_pb2.IngestMetricsResponse(batch=write_batch(batch))

    async def StreamMetrics(
        self,
        request_iterator: AsyncIterator[ingestion_service_pb2.StreamMetricsRequest],
        context: Context,
    ) -> ingestion_service_pb2.StreamMetricsResponse:
        """Accepts batches until the first bad one."""
        batches = points = 0
        async for request in request_iterator:
            prefix = f"[{batches}]."
            await charge_current(1)
            batch = await self._ingest_points(request.points, prefix)
            batches += 1
            points += batch.accepted_count
        return ingestion_service_pb2.StreamMetricsResponse(batch_count=batches, point_count=points)

    async def IngestColumns(
        self,
        request: ingestion_service_pb2.IngestColumnsRequest,
        context: Context,
    ) -> ingestion_service_pb2.IngestColumnsResponse:
        """Accepts batches of columns."""
        results = await self._ingest_columns(request)
        if len(results) == 1 and results[0].faults:
            raise invalid(results[0].faults)
        return ingestion_service_pb2.IngestColumnsResponse(results=[write_result(result) for result in results])

    async def StreamColumns(
        self,
        request_iterator: AsyncIterator[ingestion_service_pb2.StreamColumnsRequest],
        context: Context,
    ) -> AsyncIterator[ingestion_service_pb2.StreamColumnsResponse]:
        """Accepts batches of columns until a request fails as a whole."""

        async def ingest(request: ingestion_service_pb2.StreamColumnsRequest) -> list[BatchResult]:
            return await self._ingest_columns(request.columns)

        async with aclosing(answer_in_order(request_iterator, ingest, MAX_UNANSWERED)) as answers:
            async for answered in answers:
                results = [write_result(result) for of_request in answered for result in of_request]
                yield ingestion_service_pb2.StreamColumnsResponse(results=results)

    async def _ingest_points(self, points: Iterable[ingestion_service_pb2.Point], prefix: str = "") -> AcceptedBatch:
        caller = current_caller()
        marking = await self._senders.mark(caller)
        dictionary = self._dictionaries.of_messages((caller.organization_id, caller.kind, caller.credential_id))
        numbered = read_points(points, dictionary)
        return await ingest_numbered(self._append, self._clock, caller, dictionary, numbered, prefix, marking=marking)

    async def _ingest_columns(self, request: ingestion_service_pb2.IngestColumnsRequest) -> list[BatchResult]:
        await charge_current(len(request.batch_sizes) or 1)
        columns = read_columns(request)
        dictionary = self._dictionaries.update(request.dictionary_id, read_definitions(request.series))
        if len(columns.indexes) and int(columns.indexes.max()) >= len(dictionary.definitions):
            raise LumetryError(
                Reason.UNKNOWN_DICTIONARY,
                "The request uses a series number that was never defined. Send all definitions again under a new id.",
                dictionary_id=request.dictionary_id.hex(),
            )
        caller = current_caller()
        marking = await self._senders.mark(caller)
        return await ingest_columns(
            self._append, self._clock, caller, dictionary, columns, validate_only=request.validate_only, marking=marking
        )


def read_points(points: Iterable[ingestion_service_pb2.Point], dictionary: SeriesDictionary) -> list[NumberedPoint]:
    """Points from their messages; the dictionary learns series that it has not seen."""
    numbers = dictionary.numbers
    read = []
    for point in points:
        key = (point.metric_key, *sorted(point.labels.items()), point.namespace, point.source)
        number = numbers.get(key)
        if number is None:
            labels = tuple(sorted(point.labels.items()))
            number = numbers[key] = dictionary.add(define(point.metric_key, labels, point.namespace, point.source))
        read.append(NumberedPoint(number, read_ms(point.time) if point.HasField("time") else None, point.value))
    return read
