"""Which entries of a block a query finds. Cheap tests go first; only entries that pass them are read exactly."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lumetry_core.logs.columns import Batch, error_decode
from lumetry_core.logs.model import RANK_OF
from lumetry_core.logs.query import Field, FieldTerm, Query, TextTerm
from lumetry_core.logs.words import canonical, group_word, hash_beginnings, hash_words, words_of

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
PLAIN_FRACTION = re.compile(r"-?[0-9]{1,9}\.[0-9]{0,4}[1-9]")
MAX_CERTAIN_DIGITS = 15
"""Longer numbers may be stored with an exponent."""
LITERALS: Mapping[str, object] = {"true": True, "false": False, "null": None}
NO_GROUPS: Mapping[str, bytes] = MappingProxyType({})
GAP = "\0"
"""Between the texts of entries, which have none."""
TRACE_KEYS = ("trace_id", "traceId")
decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode

Test = Callable[["View"], bool]


class View:
    """One entry, of which no more is read than the tests ask for."""

    __slots__ = ("_canonical", "_metadata", "batch", "index")

    def __init__(self, batch: Batch, index: int) -> None:
        self.batch = batch
        self.index = index
        self._metadata: dict[str, Any] | None = None
        self._canonical: str | None = None

    @property
    def metadata(self) -> dict[str, Any]:
        """Metadata, read."""
        if self._metadata is None:
            document = self.batch.columns.metadata[self.index]
            self._metadata = decode(document) if document else {}
        return self._metadata

    @property
    def canonical(self) -> str:
        """The words of all texts, one text on each line."""
        if self._canonical is None:
            self._canonical = "\n".join(map(canonical, self._texts()))
        return self._canonical

    def _texts(self) -> Iterator[str]:
        columns = self.batch.columns
        yield columns.messages[self.index]
        if columns.errors[self.index]:
            error = error_decode(columns.errors[self.index])
            yield from (error.type or "", error.message or "", *error.stack_trace)
        if columns.metadata[self.index]:
            yield from leaves(self.metadata)


def leaves(value: Any) -> Iterator[str]:  # noqa: ANN401 -- JSON
    """The texts of all values at any depth; numbers and booleans as they are written."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif value is not None:
            yield encode(value).decode()


@dataclass(frozen=True, slots=True)
class Matcher:
    """A query made ready.

    Attributes:
        tests: What an entry must pass.
        beginnings: Texts that are somewhere in every match, without case.
        hashes: Of words that a filter must hold.
    """

    level_mask: int
    start_ns: int | None
    end_ns: int | None
    tests: Sequence[Test]
    beginnings: Sequence[str]
    hashes: NDArray[np.uint64]

    def find(self, batch: Batch) -> list[int]:
        """Positions of the entries that the query finds."""
        chosen = (1 << batch.levels.astype(np.int64)) & self.level_mask != 0
        if self.start_ns is not None:
            chosen &= batch.times >= self.start_ns
        if self.end_ns is not None:
            chosen &= batch.times < self.end_ns
        positions = np.flatnonzero(chosen).tolist()
        if not positions or not self.tests:
            return positions
        if self.beginnings:
            positions = self._find_roughly(batch, positions)
        return [position for position in positions if self._passes(View(batch, position))]

    def _find_roughly(self, batch: Batch, positions: list[int]) -> list[int]:
        """Those among the positions whose texts hold all beginnings anywhere."""
        columns = batch.columns
        kinds = [GAP.join(columns.messages).casefold()]
        kinds += [GAP.encode().join(column).decode().casefold() for column in (columns.metadata, columns.errors) if any(column)]
        if not all(any(beginning in kind for kind in kinds) for beginning in self.beginnings):
            return []
        rows = [kind.split(GAP) for kind in kinds]
        for beginning in self.beginnings:
            holding: set[int] = set()
            for row in rows:
                holding.update([position for position in positions if beginning in row[position]])
            positions = [position for position in positions if position in holding]
            if not positions:
                break
        return positions

    def _passes(self, view: View) -> bool:
        return all(test(view) for test in self.tests)


@dataclass(frozen=True, slots=True)
class Names:
    """What a query names, as far as it exists."""

    projects: Mapping[str, str]
    """UUIDs of projects by what they are called."""
    groups: Mapping[str, bytes]
    """Fingerprints of error groups by their numbers."""


def make_matcher(query: Query, projects: Mapping[str, str], groups: Mapping[str, bytes] = NO_GROUPS) -> Matcher:
    """Makes a query ready; the mappings are as in `Names`."""
    names = Names(projects, groups)
    # Labels first: they cost least.
    fields = sorted(query.fields, key=lambda term: COST[term.field])
    words = {word for term in query.texts if not term.is_excluded for word in (term.words[:-1] if term.is_prefix else term.words)}
    beginnings = {word for term in query.texts if not term.is_excluded for word in term.words}
    for term in fields:
        certain = certain_words(term)
        words |= certain
        beginnings |= certain if term.field is not Field.TRACE else set()  # it may be a field, which is no text
    tests: list[Test] = [field_test(term, names) for term in fields]
    tests += [text_test(term) for term in query.texts]
    prefixes = [term.words[-1] for term in query.texts if term.is_prefix and not term.is_excluded]
    of_groups = [group_word(fingerprint) for fingerprint in wanted_groups(query, groups)]
    hashes = np.concatenate((hash_words([*map(str.encode, words), *of_groups]), hash_beginnings(prefixes)))
    rarest_first = sorted(beginnings, key=len, reverse=True)
    return Matcher(query.level_mask, query.start_ns, query.end_ns, tests, rarest_first, hashes)


def wanted_groups(query: Query, groups: Mapping[str, bytes]) -> list[bytes]:
    """Fingerprints that an entry must have, all of them; empty, as none is, where there is no such group."""
    terms = [term for term in query.fields if term.field is Field.GROUP and not term.is_excluded]
    return [groups.get(term.values[0], b"") for term in terms]


def certain_words(term: FieldTerm) -> set[str]:
    """Words that an entry must hold to have a field's value; none where a number is written in several ways."""
    if term.is_excluded or term.field not in (Field.ERROR_TYPE, Field.METADATA, Field.TRACE):
        return set()
    (value,) = term.values
    if term.field is Field.METADATA and NUMBER.fullmatch(value):
        return certain_digits(value)
    return set(words_of(value))


def certain_digits(value: str) -> set[str]:
    """The word that every way to write a number has in common: as stored, and as an integer where it has no fraction."""
    integer = value.removesuffix(".0")
    if integer.lstrip("-").isdigit():
        return set(words_of(integer)) if len(integer) <= MAX_CERTAIN_DIGITS else set()
    return set(words_of(value)) if PLAIN_FRACTION.fullmatch(value) else set()


COST = {
    Field.LEVEL: 0,
    Field.ENVIRONMENT: 1,
    Field.PROJECT: 1,
    Field.GROUP: 1,
    Field.ERROR_TYPE: 2,
    Field.TRACE: 3,
    Field.METADATA: 3,
}


def text_test(term: TextTerm) -> Test:
    """Whether the words are there, or are not."""
    wanted = " " + " ".join(term.words) + ("" if term.is_prefix else " ")
    if term.is_excluded:
        return lambda view: wanted not in view.canonical
    return lambda view: wanted in view.canonical


def field_test(term: FieldTerm, names: Names) -> Test:
    """Whether a field has a value, or has not."""
    has = TESTS[term.field](term, names)
    return (lambda view: not has(view)) if term.is_excluded else has


def level_test(term: FieldTerm, _names: Names) -> Test:
    """Whether the level is one of the named."""
    ranks = {RANK_OF.get(value) for value in term.values}
    return lambda view: int(view.batch.levels[view.index]) in ranks


def environment_test(term: FieldTerm, _names: Names) -> Test:
    """Whether the environment is one of the named."""
    names = frozenset(term.values)

    def has(view: View) -> bool:
        columns = view.batch.columns
        label, _, of_key = columns.label_sets[columns.labels[view.index]]
        return (of_key if label is None else label) in names

    return has


def project_test(term: FieldTerm, names: Names) -> Test:
    """Whether the label, or the deciding project by UUID or slug, is one of the named."""
    labels = frozenset(term.values)
    deciding = labels | {names.projects[value] for value in term.values if value in names.projects}

    def has(view: View) -> bool:
        columns = view.batch.columns
        return view.batch.project_id in deciding or columns.label_sets[columns.labels[view.index]][1] in labels

    return has


def trace_test(term: FieldTerm, _names: Names) -> Test:
    """Whether the trace is one of the named, as a field or in metadata."""
    names = frozenset(term.values)
    raw = [encode(name)[1:-1] for name in term.values]

    def has(view: View) -> bool:
        traces = view.batch.columns.traces[view.index]
        if traces is not None and traces[0] in names:
            return True
        document = view.batch.columns.metadata[view.index]
        if not any(name in document for name in raw):
            return False
        found = (view.metadata.get(key) for key in TRACE_KEYS)
        return any(isinstance(value, str) and value in names for value in found)

    return has


def error_type_test(term: FieldTerm, _names: Names) -> Test:
    """Whether the type of the error is one of the named."""
    names = frozenset(term.values)

    def has(view: View) -> bool:
        packed = view.batch.columns.errors[view.index]
        return bool(packed) and error_decode(packed).type in names

    return has


def group_test(term: FieldTerm, names: Names) -> Test:
    """Whether the entry is of one of the named error groups."""
    fingerprints = {names.groups[value] for value in term.values if value in names.groups}

    def has(view: View) -> bool:
        columns = view.batch.columns
        number = columns.grouped.get(view.index)
        return number is not None and columns.fingerprints[number] in fingerprints

    return has


def metadata_test(term: FieldTerm, _names: Names) -> Test:
    """Whether metadata has the value at the path."""
    comparisons = [value_comparison(value) for value in term.values]

    def has(view: View) -> bool:
        if not view.batch.columns.metadata[view.index]:
            return False
        return any(compare(value) for value in resolve(view.metadata, term.path) for compare in comparisons)

    return has


TESTS: Mapping[Field, Callable[[FieldTerm, Names], Test]] = {
    Field.LEVEL: level_test,
    Field.ENVIRONMENT: environment_test,
    Field.PROJECT: project_test,
    Field.TRACE: trace_test,
    Field.ERROR_TYPE: error_type_test,
    Field.GROUP: group_test,
    Field.METADATA: metadata_test,
}


def resolve(document: Mapping[str, Any], path: str) -> Iterator[Any]:
    """The value at a path, if there is one: a literal key with dots is preferred to the path."""
    if path in document:
        yield document[path]
        return
    head, dot, rest = path.partition(".")
    while dot:
        inner = document.get(head)
        if isinstance(inner, dict):
            yield from resolve(inner, rest)
            return
        following, dot, rest = rest.partition(".")
        head = f"{head}.{following}"


def value_comparison(text: str) -> Callable[[Any], bool]:
    """Compares with a parameter: strings exactly, numbers numerically, literals literally, arrays by any of their elements."""
    number = read_number(text)
    is_literal = text in LITERALS
    literal = LITERALS.get(text)

    def equals(value: Any) -> bool:  # noqa: ANN401 -- JSON
        if isinstance(value, list):
            return any(equals(element) for element in value if not isinstance(element, list))
        if isinstance(value, str):
            return value == text and text != "null"  # which is an explicit null only (contract logs, clarification 3)
        if value is None or isinstance(value, bool):
            return is_literal and value is literal
        return number is not None and isinstance(value, (int, float)) and value == number

    return equals


def read_number(text: str) -> int | float | None:
    """The number that a text is, exact where it is an integer."""
    if not NUMBER.fullmatch(text):
        return None
    return int(text) if text.lstrip("-").isdigit() else float(text)
