"""Filters of blocks: they tell what a block of items cannot hold, and err only towards looking into one for nothing.

A block has two Bloom filters. One holds, of each item, every combination of its kind, agent, machine and projects, so that what seldom
occurs together is told from what often occurs alone. The other holds all runs of one to three bytes of the texts of each kind.
"""

import zlib
from collections.abc import Collection, Iterable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lumetry_core.activity.lines import FIELD, SEPARATOR, Line, folded
from lumetry_core.activity.model import ACTIONS, ItemFilter

PROBES = 4
LARGEST_BITS = 1 << 18
SMALLEST_BITS = 1 << 9
TERM_DENSITY, RUN_DENSITY = 0.2, 0.4
"""How many of its bits a filter may have set: a combination is one key, a search mostly has several, all of which would have to mislead."""
KIND_NUMBER = {kind: number for number, kind in enumerate(ACTIONS, 1)}
"""Part of the stored format: new kinds go to the end."""
SEPARATOR_BYTE = ord(SEPARATOR)
MAX_RUNS = 24
"""So many of the runs of a search are asked for: the rest would not tell more."""
Hashes = NDArray[np.uint64]


def build_term_filter(lines: Iterable[Line]) -> bytes:
    """The filter of combinations."""
    terms: set[bytes] = set()
    for key in {line.key for line in lines}:
        kind, agent, machine, projects = key.split(FIELD)
        combinations = product({kind, ""}, {agent, ""}, {machine, ""}, {"", *projects.split(",")})
        terms.update(spell_term(*combination) for combination in combinations)
    return build_filter(np.array([zlib.crc32(term) for term in terms], np.uint64), TERM_DENSITY)


def build_run_filter(lines: Sequence[Line]) -> bytes:
    """The filter of runs of bytes."""
    texts = [line.text.encode() + SEPARATOR.encode() for line in lines]
    kinds = np.repeat(
        np.array([KIND_NUMBER[line.key.partition(FIELD)[0]] for line in lines], np.uint64),
        np.array([len(text) for text in texts], np.int64),
    )
    return build_filter(hash_runs(np.frombuffer(b"".join(texts), np.uint8), kinds), RUN_DENSITY)


def hash_runs(text: NDArray[np.uint8], kinds: Hashes) -> Hashes:
    """The runs of one, two and three bytes, with their kinds; those across a separator are left out."""
    codes = text.astype(np.uint64)
    found = []
    for length in (1, 2, 3):
        count = len(codes) - length + 1
        if count < 1:
            break
        runs = kinds[:count] << np.uint64(2) | np.uint64(length)
        within = np.ones(count, np.bool_)
        for offset in range(length):
            part = codes[offset : offset + count]
            runs = runs << np.uint64(8) | part
            within &= part != SEPARATOR_BYTE
        found.append(runs[within])
    return np.concatenate(found) if found else np.zeros(0, np.uint64)


class Filters:
    """Filters of one sort of many blocks, ready to be asked."""

    def __init__(self, filters: Sequence[tuple[int, bytes]]) -> None:
        """Takes numbers of blocks with their filters."""
        by_size: dict[int, list[tuple[int, bytes]]] = {}
        for number, packed in filters:
            by_size.setdefault(len(packed), []).append((number, packed))
        self._parts = [
            (
                size * 8,
                np.array([number for number, _ in of]),
                np.frombuffer(b"".join([packed for _, packed in of]), np.uint8).reshape(-1, size),
            )
            for size, of in by_size.items()
        ]
        self.byte_count = sum(len(packed) for _, packed in filters)

    def find(self, alternatives: Sequence[Hashes]) -> set[int]:
        """The blocks that may hold all the keys of any alternative."""
        found: set[int] = set()
        for size, numbers, matrix in self._parts:
            is_found = np.zeros(len(numbers), np.bool_)
            for keys in alternatives:
                rows = np.flatnonzero(~is_found)
                for place in probe(keys, size).tolist():
                    rows = rows[matrix[rows, place >> 3] & (128 >> (place & 7)) != 0]
                    if not len(rows):
                        break
                is_found[rows] = True
            found.update(numbers[is_found].tolist())
        return found


class Probe:
    """Asks filters of blocks whether they may hold what is looked for."""

    def __init__(self, wanted: ItemFilter, kinds: Collection[str]) -> None:
        """Takes the kinds among which texts are searched."""
        self.has_terms = wanted.is_exact
        self.has_runs = bool(wanted.search)
        project, machine = wanted.project_id or "", folded(wanted.machine or "").replace(FIELD, " ")
        terms = [spell_term(kind, wanted.agent_id or "", machine, project) for kind in sorted(wanted.kinds) or [""]]
        self._terms = [np.array([zlib.crc32(term)], np.uint64) for term in terms] if wanted.is_exact else []
        self._runs = [find_runs(folded(wanted.search).encode(), kind) for kind in sorted(kinds)] if wanted.search else []

    def find(self, terms: Filters, runs: Filters) -> list[int]:
        """The blocks that may hold anything, newest first. Filters that are not asked for may be empty."""
        found = [filters.find(keys) for filters, keys in ((terms, self._terms), (runs, self._runs)) if keys]
        return sorted(set.intersection(*found), reverse=True)


def find_runs(search: bytes, kind: str) -> Hashes:
    """The runs of a searched text: the longest there are, spread over the text."""
    length = min(len(search), 3)
    code = np.uint64(KIND_NUMBER[kind])
    codes = np.frombuffer(search, np.uint8)
    hashes = np.unique(hash_runs(codes, np.full(len(codes), code, np.uint64)))
    longest: Hashes = hashes[(hashes >> np.uint64(8 * length)) & np.uint64(3) == length]
    step = len(longest) // MAX_RUNS + 1
    return longest[::step]


def build_filter(keys: Hashes, density: float) -> bytes:
    """A filter that holds keys. Its size is a power of two, so that blocks of similar content have filters of one size.

    It is made large and then folded, as the places of a key in half the size are those in the whole one, modulo the half.
    """
    bits = np.zeros(LARGEST_BITS, np.bool_)
    bits[probe(keys, LARGEST_BITS)] = True
    while len(bits) > SMALLEST_BITS:
        half = bits[: len(bits) // 2] | bits[len(bits) // 2 :]
        if half.mean() > density:
            break
        bits = half
    return np.packbits(bits).tobytes()


def probe(keys: Hashes, size: int) -> NDArray[np.uint64]:
    """The places of keys in a filter of so many bits."""
    hashes = keys * np.uint64(0x9E3779B97F4A7C15)
    hashes ^= hashes >> np.uint64(32)
    hashes *= np.uint64(0xD6E8FEB86659FD93)
    hashes ^= hashes >> np.uint64(32)
    first, step = hashes & np.uint64(0xFFFFFFFF), hashes >> np.uint64(32) | np.uint64(1)
    return np.concatenate([(first + np.uint64(number) * step) & np.uint64(size - 1) for number in range(PROBES)])


def spell_term(kind: str, agent: str, machine: str, project: str) -> bytes:
    """A combination; what is empty is not part of it."""
    return FIELD.join((kind, agent, machine, project)).encode()
