"""Senders' dictionaries of series, kept in memory only."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lumetry_core.metrics.definition import Definition, identity_of
from lumetry_core.metrics.id_column import IdColumn
from lumetry_core.metrics.partition import partition_of
from lumetry_core.runtime.errors import LumetryError, Reason

MAX_DICTIONARY_BYTES = 256 * 1024 * 1024
"""All dictionaries together; the one unused for the longest time goes first."""
MAX_MESSAGE_BYTES = 32 * 1024 * 1024
"""One dictionary of a sender of messages, which cannot say itself when to begin another."""
DEFINITION_BYTES = 300
"""Memory of a definition besides its labels, about."""
MAX_RESOLUTIONS = 64
"""Organizations and markings that one dictionary serves at once; a forgotten one is resolved anew."""


class Marks(Hashable, Protocol):
    """What the platform makes of a sender's definitions; equal ones make the same of them."""

    def mark(self, definition: Definition) -> Definition:
        """The series that a definition stands for."""


UnreadDefinition = tuple[int, Callable[[], Definition]]
"""Number of a series and how to read its definition, which is only done for new ones."""


class Resolution:
    """The series and partitions that a dictionary's numbers stand for under one organization and marking; series 0 is unknown."""

    def __init__(self, dictionary: "SeriesDictionary", organization_id: int, marking: Marks) -> None:
        self.organization_id = organization_id
        self._dictionary = dictionary
        self._marking = marking
        self._identities: dict[int, bytes] = {}
        self._ids = IdColumn(np.int64)
        self._partitions = IdColumn(np.int64)
        self._partitioned = 0

    @property
    def ids(self) -> NDArray[np.int64]:
        """Series ids by number; written by the appender once they are durable."""
        self._ids.reserve(len(self._dictionary.definitions) - 1)
        return self._ids.values

    def partitions(self, partition_count: int) -> NDArray[np.int64]:
        """Partitions by number."""
        definitions = self._dictionary.definitions
        self._partitions.reserve(len(definitions) - 1)
        for number in range(self._partitioned, len(definitions)):
            self._partitions.values[number] = partition_of(self.organization_id, definitions[number].metric_key, partition_count)
        self._partitioned = len(definitions)
        return self._partitions.values

    def definition(self, number: int) -> Definition:
        """What a number stands for."""
        return self._marking.mark(self._dictionary.definitions[number])

    def identity(self, number: int) -> bytes:
        """The stored series that a number stands for."""
        known = self._identities.get(number)
        if known is None:
            definition = self.definition(number)
            known = self._identities[number] = identity_of(self.organization_id, definition.metric_key, definition.labels)
        return known


class SeriesDictionary:
    """Definitions by number, and their resolutions."""

    def __init__(self) -> None:
        self.definitions: list[Definition] = []
        self.faulty: NDArray[np.int64] = np.zeros(0, np.int64)
        """Numbers whose definition is not valid, ascending."""
        self.size_bytes = 0
        self.counted_bytes = 0
        """Size when room was last made for it."""
        self.numbers: dict[Hashable, int] = {}
        """Numbers by what messages say of a series; empty where senders number their series."""
        self._resolutions: OrderedDict[tuple[int, Marks], Resolution] = OrderedDict()

    def add(self, definition: Definition) -> int:
        """Gives the next number to a definition."""
        number = len(self.definitions)
        self.definitions.append(definition)
        self.size_bytes += DEFINITION_BYTES + len(definition.labels) + len(definition.metric_key)
        if definition.faults:
            self.faulty = np.append(self.faulty, number)
        return number

    def resolution(self, organization_id: int, marking: Marks) -> Resolution:
        """What the numbers stand for under an organization and what the platform makes of the sender's definitions."""
        key = (organization_id, marking)
        found = self._resolutions.get(key)
        if found is None:
            found = self._resolutions[key] = Resolution(self, organization_id, marking)
            if len(self._resolutions) > MAX_RESOLUTIONS:
                self._resolutions.popitem(last=False)
        self._resolutions.move_to_end(key)
        return found


class Dictionaries:
    """The dictionaries of all senders."""

    def __init__(self, max_bytes: int = MAX_DICTIONARY_BYTES) -> None:
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._dictionaries: OrderedDict[Hashable, SeriesDictionary] = OrderedDict()

    def update(self, dictionary_id: bytes, definitions: Iterable[UnreadDefinition]) -> SeriesDictionary:
        """Finds a dictionary and adds what it does not have yet; a number it has keeps its meaning.

        Fails with UNKNOWN_DICTIONARY when numbers are missing before the first new one.
        """
        dictionary = self._dictionaries.get(dictionary_id) or SeriesDictionary()
        for number, read in definitions:
            if number > len(dictionary.definitions):
                raise unknown_dictionary(dictionary_id)
            if number == len(dictionary.definitions):
                dictionary.add(read())
        if not dictionary.definitions:
            raise unknown_dictionary(dictionary_id)
        self._keep(dictionary_id, dictionary)
        return dictionary

    def of_messages(self, sender: Hashable) -> SeriesDictionary:
        """The dictionary that remembers the series of a sender of messages."""
        dictionary = self._dictionaries.get(sender)
        if dictionary is not None and dictionary.size_bytes > MAX_MESSAGE_BYTES:
            self._size_bytes -= dictionary.counted_bytes
            dictionary = None
        if dictionary is None:
            dictionary = SeriesDictionary()
        self._keep(sender, dictionary)
        return dictionary

    def _keep(self, key: Hashable, dictionary: SeriesDictionary) -> None:
        self._dictionaries[key] = dictionary
        self._dictionaries.move_to_end(key)
        self._size_bytes += dictionary.size_bytes - dictionary.counted_bytes
        dictionary.counted_bytes = dictionary.size_bytes
        while len(self._dictionaries) > 1 and self._size_bytes > self._max_bytes:
            _, dropped = self._dictionaries.popitem(last=False)
            self._size_bytes -= dropped.counted_bytes


def unknown_dictionary(dictionary_id: bytes) -> LumetryError:
    """The failure that makes a sender define everything anew."""
    return LumetryError(
        Reason.UNKNOWN_DICTIONARY,
        "The series dictionary is not known. Send all definitions again under a new id.",
        dictionary_id=dictionary_id.hex(),
    )
