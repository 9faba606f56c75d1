"""Columns, definitions and results as messages."""

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np

from lumetry.metrics.v1 import ingestion_service_pb2
from lumetry_core.metrics.columns import Columns, PointFault
from lumetry_core.metrics.definition import Definition, define
from lumetry_core.metrics.dictionary import UnreadDefinition
from lumetry_core.metrics.model import AcceptedBatch
from lumetry_core.metrics.service.ingestion import BatchResult
from lumetry_core.runtime.errors import Faults

DICTIONARY_ID_BYTES = 16
NS_PER_MS = 1_000_000


def read_columns(request: ingestion_service_pb2.IngestColumnsRequest) -> Columns:
    """Columns from their bytes. Fails with VALIDATION_FAILED when they do not fit together."""
    faults = Faults()
    count = len(request.values) // 8
    faults.check(len(request.dictionary_id) == DICTIONARY_ID_BYTES, "dictionaryId", f"must have {DICTIONARY_ID_BYTES} bytes")
    faults.check(len(request.values) == count * 8, "values", "must have 8 bytes per point")
    faults.check(len(request.times) == count * 8, "times", "must have 8 bytes for each value")
    faults.check(len(request.series_indexes) == count * 4, "seriesIndexes", "must have 4 bytes for each value")
    sizes = np.array(request.batch_sizes or [count], np.int64)
    faults.check(int(sizes.sum()) == count, "batchSizes", "must sum up to the number of points")
    faults.check(count > 0, "metrics", "must hold at least one point")
    faults.raise_if_any("The columns are not usable.")
    return Columns(
        np.frombuffer(request.series_indexes, "<u4"),
        np.frombuffer(request.times, "<i8") // NS_PER_MS,
        np.frombuffer(request.values, "<f8"),
        sizes,
    )


def read_definitions(definitions: Iterable[ingestion_service_pb2.SeriesDefinition]) -> Iterable[UnreadDefinition]:
    """Definitions with their numbers, read only when needed."""
    for definition in definitions:
        yield definition.index, partial(read_definition, definition)


def read_definition(definition: ingestion_service_pb2.SeriesDefinition) -> Definition:
    """A definition from its message; unpaired label names make it faulty."""
    pairs = list(zip(definition.label_names, definition.label_values, strict=False))
    defined = define(definition.metric_key, pairs, definition.namespace, definition.source)
    if len(definition.label_names) == len(definition.label_values):
        return defined
    faults = (*defined.faults, ("labels", "label names and values must come in pairs"))
    return Definition(defined.metric_key, defined.labels, defined.namespace, defined.source, faults)


def write_result(result: BatchResult) -> ingestion_service_pb2.ColumnBatchResult:
    """A result as its message."""
    batch = None if result.batch is None else write_batch(result.batch)
    return ingestion_service_pb2.ColumnBatchResult(batch=batch, faults=write_faults(result.faults))


def write_faults(faults: Sequence[PointFault]) -> list[ingestion_service_pb2.PointFault]:
    """Faults as their messages."""
    return [ingestion_service_pb2.PointFault(point_index=fault.point_index, field=fault.field, message=fault.message) for fault in faults]


def write_batch(batch: AcceptedBatch) -> ingestion_service_pb2.AcceptedBatch:
    """A receipt as its message."""
    return ingestion_service_pb2.AcceptedBatch(batch_id=batch.batch_id, accepted_count=batch.accepted_count, job_ids=batch.job_ids)
