"""Words: what searches compare, and filters that tell of a block which words it cannot hold.

A word is a row of letters, digits and `_`, joined by `.` and `-`, without case. A filter is a Bloom filter over the words of a block's
texts, names of metadata included: it errs only towards reading a block for nothing.
"""

import re
import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lumetry_core.logs.columns import Columns

WORD = re.compile(r"\w++(?:[.-]++\w++)*+")
ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)")
PLAIN_WORDS = bytes(
    ord(character.lower()) if (character := chr(code)).isascii() and (character.isalnum() or character in "_.-") else ord(" ")
    for code in range(256)
)
"""Makes lower-case words between blanks of a text in ASCII; `.` and `-` are still at their edges."""
BITS_PER_WORD = 10
PROBES = 5


def words_of(text: str) -> list[str]:
    """The words of a text, in order."""
    return WORD.findall(text.casefold())


def canonical(text: str) -> str:
    """The words of a text between single spaces, so that words and phrases are found as parts of it; empty without words."""
    words = words_of(text)
    return f" {' '.join(words)} " if words else ""


def block_words(columns: Columns) -> set[bytes]:
    """All words of entries, and some more: names in JSON count like values."""
    documents = [document.decode() for document in (*columns.metadata, *columns.errors) if document]
    traces = {traces[0] for traces in columns.traces if traces is not None and traces[0] is not None}
    texts = [*columns.messages, *traces, *(ESCAPE.sub(" ", document) if "\\" in document else document for document in documents)]
    plain = "\n".join(text for text in texts if text.isascii()).encode()
    words = {row.strip(b".-") for row in set(plain.translate(PLAIN_WORDS).split())}
    words.discard(b"")
    words.update(word.encode() for word in words_of("\n".join(text for text in texts if not text.isascii())))
    return words


def build_filter(words: Iterable[bytes]) -> bytes:
    """A filter that holds the words."""
    hashes = hash_words(words)
    size = (len(hashes) * BITS_PER_WORD // 64 + 1) * 64
    bits = np.zeros(size, np.bool_)
    bits[probe(hashes, size)] = True
    return np.packbits(bits).tobytes()


def may_hold(packed: bytes, hashes: NDArray[np.uint64]) -> bool:
    """Whether a filter may hold all the words of these hashes."""
    bits = np.frombuffer(packed, np.uint8)
    places = probe(hashes, len(packed) * 8)
    return bool(np.all(bits[places >> np.uint64(3)] >> (np.uint64(7) - (places & np.uint64(7))).astype(np.uint8) & 1))


def hash_words(words: Iterable[bytes]) -> NDArray[np.uint64]:
    """A hash of each word."""
    hashes = np.array([zlib.crc32(word) for word in words], np.uint64)
    hashes *= np.uint64(0x9E3779B97F4A7C15)
    hashes ^= hashes >> np.uint64(32)
    hashes *= np.uint64(0xD6E8FEB86659FD93)
    hashes ^= hashes >> np.uint64(32)
    return hashes


def probe(hashes: NDArray[np.uint64], size: int) -> NDArray[np.uint64]:
    """The places of words in a filter of so many bits."""
    first, step = hashes & np.uint64(0xFFFFFFFF), hashes >> np.uint64(32) | np.uint64(1)
    return np.concatenate([(first + np.uint64(number) * step) % np.uint64(size) for number in range(PROBES)])
