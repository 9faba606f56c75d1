"""Points as columns over a dictionary of series: what a server takes with a fraction of the work that messages cost it."""

import os
import sys
from array import array

from lumetry.metrics.v1 import ingestion_service_pb2 as pb

DICTIONARY_BYTES = 16
MAX_SERIES = 50_000
"""A dictionary that has grown beyond it is begun anew."""

Key = tuple[object, ...]


class ColumnEncoder:
    """The dictionary of one sender. A series travels in full until a request that defined it was accepted."""

    def __init__(self) -> None:
        self._numbers: dict[Key, int] = {}
        self._defined: list[pb.SeriesDefinition] = []
        self._known = 0
        self._dictionary_id = os.urandom(DICTIONARY_BYTES)

    def encode(self, request: pb.IngestMetricsRequest) -> pb.IngestColumnsRequest:
        """The same batch as columns."""
        if len(self._numbers) > MAX_SERIES:
            self.forget()
        columns = pb.IngestColumnsRequest(dictionary_id=self._dictionary_id)
        indexes, times, values = array("I"), array("q"), array("d")
        for point in request.points:
            indexes.append(self._number(point, columns))
            times.append(point.time.ToNanoseconds())
            values.append(point.value)
        columns.series_indexes = to_little_endian(indexes)
        columns.times = to_little_endian(times)
        columns.values = to_little_endian(values)
        return columns

    def confirm(self, columns: pb.IngestColumnsRequest) -> None:
        """The server has accepted a request, so it knows what that defined."""
        if columns.series and columns.dictionary_id == self._dictionary_id:
            self._known = max(self._known, columns.series[-1].index + 1)

    def forget(self) -> None:
        """Begins another dictionary: the server does not know this one any more."""
        self._dictionary_id = os.urandom(DICTIONARY_BYTES)
        self._numbers.clear()
        self._defined.clear()
        self._known = 0

    def _number(self, point: pb.Point, columns: pb.IngestColumnsRequest) -> int:
        labels = sorted(point.labels.items())
        key = (point.metric_key, *labels, point.namespace, point.source)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._numbers)
            self._defined.append(
                pb.SeriesDefinition(
                    index=number,
                    metric_key=point.metric_key,
                    label_names=[name for name, _ in labels],
                    label_values=[value for _, value in labels],
                    namespace=point.namespace,
                    source=point.source,
                )
            )
        if number >= self._known:
            first = self._known + len(columns.series)
            columns.series.extend(self._defined[first : number + 1])
        return number


def to_little_endian(column: "array[int] | array[float]") -> bytes:
    """A column as it travels."""
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()
