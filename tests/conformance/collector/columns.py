"""Columns of points as a server reads them."""

import struct
from dataclasses import dataclass, field

from lumetry.metrics.v1 import ingestion_service_pb2 as pb


class UnknownDictionaryError(Exception):
    """A request uses a number that was never defined."""


@dataclass(slots=True)
class ColumnReader:
    """The dictionaries of senders."""

    dictionaries: dict[bytes, list[pb.SeriesDefinition]] = field(default_factory=dict)

    def read(self, request: pb.IngestColumnsRequest) -> pb.IngestMetricsRequest:
        """The same batch as messages. Raises UnknownDictionaryError."""
        known = self.dictionaries.setdefault(request.dictionary_id, [])
        for definition in request.series:
            if definition.index > len(known):
                raise UnknownDictionaryError
            if definition.index == len(known):
                known.append(definition)
        count = len(request.values) // 8
        batch = pb.IngestMetricsRequest()
        columns = (("I", request.series_indexes), ("q", request.times), ("d", request.values))
        for number, time, value in zip(*(struct.unpack(f"<{count}{code}", column) for code, column in columns), strict=True):
            if number >= len(known):
                raise UnknownDictionaryError
            series = known[number]
            labels = dict(zip(series.label_names, series.label_values, strict=True))
            point = batch.points.add(
                metric_key=series.metric_key, value=value, labels=labels, namespace=series.namespace, source=series.source
            )
            point.time.FromNanoseconds(time)
        return batch
