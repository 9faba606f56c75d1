"""The gateway's dictionary of series: on the wire to the core a series that was seen before is a number."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from lumetry.metrics.v1 import ingestion_service_pb2

MAX_SERIES = 1_000_000
MAX_BYTES = 256 * 1024 * 1024
DEFINITION_BYTES = 400
"""Memory of a definition besides its labels, about."""

SeriesKey = tuple[str, bytes]
"""Metric key and labels as JSON text. Two texts of one label set are two keys, which costs memory but is right."""

labels_decoder = msgspec.json.Decoder(dict[str, str] | None)


@dataclass(frozen=True, slots=True)
class Definition:
    """What a number stands for. Empty namespace and source mean their defaults."""

    key: SeriesKey
    namespace: str
    source: str

    def labels(self) -> Mapping[str, str]:
        """The label pairs; of a repeated name the last one counts."""
        return labels_decoder.decode(self.key[1]) or {}


class SeriesDictionary:
    """Numbers of series, dense from 0, under one random id. It only grows."""

    def __init__(self) -> None:
        self.id = secrets.token_bytes(16)
        self.numbers: dict[SeriesKey, int] = {}
        self.definitions: list[Definition] = []
        self.size_bytes = 0
        self.acknowledged = 0
        """Definitions before this number are known to the core."""

    @property
    def is_full(self) -> bool:
        """Whether it should give way to a new one."""
        return len(self.definitions) >= MAX_SERIES or self.size_bytes >= MAX_BYTES

    def number_of(self, definition: Definition) -> int:
        """The number of a series, given now if it has none."""
        number = self.numbers.get(definition.key)
        if number is None:
            number = self.numbers[definition.key] = len(self.definitions)
            self.definitions.append(definition)
            self.size_bytes += DEFINITION_BYTES + len(definition.key[0]) + len(definition.key[1])
        return number

    def messages(self, start: int, end: int) -> list[ingestion_service_pb2.SeriesDefinition]:
        """Definitions of a range of numbers as the core reads them."""
        messages = []
        for number in range(start, end):
            definition = self.definitions[number]
            labels = definition.labels()
            messages.append(
                ingestion_service_pb2.SeriesDefinition(
                    index=number,
                    metric_key=definition.key[0],
                    label_names=labels.keys(),
                    label_values=labels.values(),
                    namespace=definition.namespace,
                    source=definition.source,
                )
            )
        return messages


@dataclass(slots=True)
class SeriesBook:
    """The dictionary in use, for all clients."""

    current: SeriesDictionary

    def open(self) -> SeriesDictionary:
        """The dictionary for new points; a full one is left to those who still hold it."""
        if self.current.is_full:
            self.current = SeriesDictionary()
        return self.current

    def renew(self, unknown: SeriesDictionary) -> None:
        """Leaves a dictionary that the core does not know any more."""
        if self.current is unknown:
            self.current = SeriesDictionary()


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """One batch of points in order of arrival."""

    dictionary: SeriesDictionary
    numbers: npt.NDArray[np.uint32]
    times: npt.NDArray[np.int64]
    """Nanoseconds since the Unix epoch."""
    values: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.values)

    def under(self, dictionary: SeriesDictionary) -> "Columns":
        """The same points with the numbers of another dictionary."""
        if dictionary is self.dictionary:
            return self
        used, positions = np.unique(self.numbers, return_inverse=True)
        numbers = [dictionary.number_of(self.dictionary.definitions[number]) for number in used.tolist()]
        return Columns(dictionary, np.array(numbers, "<u4")[positions], self.times, self.values)
