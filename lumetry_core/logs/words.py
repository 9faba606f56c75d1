"""Words: what searches compare, and filters that tell of a block which words it cannot hold.

A word is a row of letters, digits and `_`, joined by `.` and `-`, without case. A filter is a Bloom filter over the words of
texts, names of metadata included, and over the beginnings of these words; of a number such as `7.0` it knows `7` as well. It errs only
towards reading for nothing. Each frame of a block has several filters, its *slices*, of which a word belongs to one: so a search reads a
small part of what the words of a block take.

A word's hash is a polynomial of its bytes: running sums give the hashes of all words of a text at once, without an object for any.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from lumetry_core.logs.columns import Columns

Hashes = NDArray[np.uint64]

WORD = re.compile(r"\w++(?:[.-]++\w++)*+")
ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)")
PART, JOINER = 1, 2
KINDS = bytes(
    PART if (character := chr(code)).isascii() and (character.isalnum() or character == "_") else JOINER if character in ".-" else 0
    for code in range(256)
)
"""What each byte of a text in ASCII is to words."""
ZERO, POINT = ord("0"), ord(".")
BITS_PER_WORD = 16
PROBES = 7
SLICES = 16
BEGINNING = 3
"""Characters of the beginnings that filters know: more would be as many as there are identities."""
CHUNK = 1 << 17
"""Bytes of text that are hashed at once, unless a line is longer."""
BASE = 0x9E3779B97F4A7C15
INVERSE = pow(BASE, -1, 1 << 64)
MASK = (1 << 64) - 1
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(list[bytes]).decode


def words_of(text: str) -> list[str]:
    """The words of a text, in order."""
    return WORD.findall(text.casefold())


def canonical(text: str) -> str:
    """The words of a text between single spaces, so that words and phrases are found as parts of it; empty without words."""
    words = words_of(text)
    return f" {' '.join(words)} " if words else ""


def block_hashes(columns: Columns) -> Hashes:
    """Hashes of all words of entries and of their beginnings, ascending; some words more: names in JSON count like values."""
    documents = b"\n".join(document for document in (*columns.metadata, *columns.errors) if document).decode()
    traces = {traces[0] for traces in columns.traces if traces is not None and traces[0] is not None}
    together = "\n".join((*columns.messages, *traces, ESCAPE.sub(" ", documents) if "\\" in documents else documents))
    groups = hash_words(map(group_word, columns.fingerprints))
    if together.isascii():
        return distinct(np.concatenate((hash_text(together), groups)))
    lines = together.split("\n")
    others = {word for line in lines if not line.isascii() for word in words_of(line)}
    words = [word.encode() for word in others] + [word.removesuffix(".0").encode() for word in others if word.endswith(".0")]
    plain = hash_text("\n".join(line for line in lines if line.isascii()))
    return distinct(np.concatenate((plain, hash_words(words), hash_beginnings(others), groups)))


def group_word(fingerprint: bytes) -> bytes:
    """What stands in filters for an error group; no text has it."""
    return b"\0" + fingerprint


def hash_text(text: str) -> Hashes:
    """Hashes of all words of a text in ASCII and of their beginnings, in any order and repeated."""
    encoded = text.lower().encode()
    found = [np.empty(0, np.uint64)]
    start = 0
    while start < len(encoded):
        end = len(encoded) if len(encoded) - start <= CHUNK else encoded.rfind(b"\n", start, start + CHUNK) + 1
        if end <= start:  # a line longer than that
            end = encoded.find(b"\n", start) + 1 or len(encoded)
        found.append(distinct(hash_chunk(encoded[start:end])))
        start = end
    return np.concatenate(found)


def hash_chunk(encoded: bytes) -> Hashes:
    """The same of some lines in lower case."""
    codes, kinds = np.frombuffer(encoded, np.uint8), np.frombuffer(encoded.translate(KINDS), np.uint8)
    starts, ends = find_words(kinds)
    powers, inverses = powers_for(len(encoded))
    sums = np.zeros(len(encoded) + 1, np.uint64)
    np.cumsum(codes * powers[: len(encoded)], out=sums[1:])
    before, inverse = sums[starts], inverses[starts]
    long = ends - starts >= BEGINNING
    beginnings = distinct((sums[starts[long] + BEGINNING] - before[long]) * inverse[long])
    whole = np.flatnonzero((codes[ends - 1] == ZERO) & (codes[np.maximum(ends - 2, 0)] == POINT) & (ends - starts > len(".0")))
    integers = (sums[ends[whole] - len(".0")] - before[whole]) * inverse[whole]
    return np.concatenate((mix(np.concatenate(((sums[ends] - before) * inverse, integers))), mix(beginnings + np.uint64(BEGINNING))))


def find_words(kinds: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the words of a text start and end: rows of parts, with joiners between them and nothing else."""
    first, last = edges(kinds == PART)
    if not len(first):
        return first, last
    gaps = np.cumsum(kinds == 0, dtype=np.int32)
    apart = gaps[first[1:]] != gaps[last[:-1] - 1]
    return first[np.concatenate(([True], apart))], last[np.concatenate((apart, [True]))]


def edges(inside: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where rows of true start, and where they end."""
    padded = np.zeros(len(inside) + 2, np.int8)
    padded[1:-1] = inside
    changes = np.flatnonzero(padded[1:] != padded[:-1])
    return changes[::2], changes[1::2]


class Powers:
    """Powers of the base and of its inverse, as many as were needed so far."""

    def __init__(self) -> None:
        self.base = np.ones(1, np.uint64)
        self.inverse = np.ones(1, np.uint64)


known = Powers()


def powers_for(count: int) -> tuple[Hashes, Hashes]:
    """At least so many powers of each, from the 0th; longer texts than usual are rare, and theirs are not kept."""
    if len(known.base) < min(count, CHUNK):
        known.base, known.inverse = make_powers(BASE, CHUNK), make_powers(INVERSE, CHUNK)
    if count <= len(known.base):
        return known.base, known.inverse
    return make_powers(BASE, count), make_powers(INVERSE, count)


def make_powers(base: int, count: int) -> Hashes:
    """Powers of a number, without what overflows."""
    factors = np.full(count, base, np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)


def hash_word(word: bytes) -> int:
    """What a running sum makes of a word, before it is mixed."""
    value = 0
    for byte in reversed(word):
        value = (value * BASE + byte) & MASK
    return value


def hash_words(words: Iterable[bytes]) -> Hashes:
    """A hash of each word."""
    return mix(np.array([hash_word(word) for word in words], np.uint64))


def hash_beginnings(words: Iterable[str]) -> Hashes:
    """A hash of the beginning of each word that is long enough."""
    beginnings = (word[:BEGINNING].encode() for word in words if len(word) >= BEGINNING)
    return mix(np.array([hash_word(beginning) + BEGINNING & MASK for beginning in beginnings], np.uint64))


def mix(hashes: Hashes) -> Hashes:
    """Spreads what differs over all bits."""
    hashes ^= hashes >> np.uint64(32)
    hashes *= np.uint64(0xD6E8FEB86659FD93)
    hashes ^= hashes >> np.uint64(32)
    hashes *= np.uint64(0xD6E8FEB86659FD93)
    hashes ^= hashes >> np.uint64(32)
    return hashes


def distinct(hashes: Hashes) -> Hashes:
    """The same hashes, mostly without repetitions, which is much cheaper than to be sure."""
    bits = max(len(hashes).bit_length() - 1, 8)
    places = (hashes >> np.uint64(64 - bits)).astype(np.intp)
    table, written = np.zeros(1 << bits, np.uint64), np.zeros(1 << bits, np.bool_)
    table[places] = hashes
    written[places] = True
    return np.concatenate((table[written], hashes[table[places] != hashes]))


def slices_of(hashes: Hashes) -> NDArray[np.intp]:
    """The slice that each word belongs to."""
    return (hashes >> np.uint64(60)).astype(np.intp)


def build_filters(frames: Sequence[Hashes]) -> list[bytes]:
    """The filters of a block by slice, each packed: one for each of its frames."""
    slices: list[list[bytes]] = [[] for _ in range(SLICES)]
    for hashes in frames:
        order = np.argsort(slices_of(hashes).astype(np.uint8), kind="stable")
        ends = np.cumsum(np.bincount(slices_of(hashes), minlength=SLICES))
        for packed, members in zip(slices, np.split(hashes[order], ends[:-1]), strict=True):
            packed.append(build_filter(members))
    return [encode(packed) for packed in slices]


def build_filter(hashes: Hashes) -> bytes:
    """A filter that holds words; empty: none."""
    if not len(hashes):
        return b""
    size = (len(hashes) * BITS_PER_WORD // 64 + 1) * 64
    bits = np.zeros(size, np.bool_)
    bits[places_of(hashes, size)] = True
    return np.packbits(bits).tobytes()


Probe = tuple[int, int]
"""Where a word is looked up: the first place and the steps between all of them, before a filter's size is known."""


def make_probes(hashes: Hashes) -> list[tuple[int, Sequence[Probe]]]:
    """Probes of words, by slice."""
    probes: dict[int, list[Probe]] = {}
    for word in hashes.tolist():
        probes.setdefault(word >> 60, []).append((word & 0xFFFFFFFF, word >> 28 & 0xFFFFFFFF | 1))
    return sorted(probes.items())


def find_frames(packed: bytes, probes: Sequence[Probe]) -> frozenset[int]:
    """Numbers of the frames that may hold all the words, by the filters of the slice that these belong to."""
    return frozenset(number for number, words in enumerate(decode(packed)) if all(may_hold(words, probe) for probe in probes))


def may_hold(words: bytes, probe: Probe) -> bool:
    """Whether a filter may hold a word."""
    place, step = probe
    size = len(words) * 8
    if not size:
        return False
    for _ in range(PROBES):
        at = place % size
        if not words[at >> 3] >> (7 - (at & 7)) & 1:
            return False
        place += step
    return True


def places_of(hashes: Hashes, size: int) -> NDArray[np.uint64]:
    """The places of words in a filter of so many bits."""
    first, step = hashes & np.uint64(0xFFFFFFFF), (hashes >> np.uint64(28) & np.uint64(0xFFFFFFFF)) | np.uint64(1)
    return np.concatenate([(first + np.uint64(number) * step) % np.uint64(size) for number in range(PROBES)])
