"""Which entries of a batch may hold a secret: one pass over all texts at once, so that ordinary entries cost next to nothing.

Each rule has three characters without which it finds nothing. They are looked up by a hash at every position of the joined texts; an
entry in which any of them seems to occur is read by the rules themselves.
"""

from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lumetry_core.logs.secret_rules import MIN_CARD, RULES

GAP = b"\0"
"""Between entries; their texts have none."""
HASH = 0x9E3779B1
SHIFT = 12
"""Leaves enough bits of the hash that chance hits are rare."""

KEY_TRIPLES = ("ssw", "swd", "pwd", "ssp", "ecr", "pik", "ssk", "oke", "riz", "kie", "tek", "ngk", "tca", "rdn", "cvv", "cvc")
"""As the hints of the rules, for names of values, which are compared without separators."""


def spell(triple: str) -> list[str]:
    """Three characters in every mixture of cases."""
    return ["".join(characters) for characters in product(*({character.lower(), character.upper()} for character in triple))]


def build_table(triples: Iterable[str]) -> NDArray[np.bool_]:
    """Which hashes of three characters are suspicious."""
    table = np.zeros(1 << (32 - SHIFT), np.bool_)
    codes = np.array([int.from_bytes(triple.encode(), "little") for triple in triples], np.uint32)
    table[hash_triples(codes)] = True
    return table


def hash_triples(codes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Hashes of three bytes each, the fourth ignored."""
    hashes = codes << np.uint32(8)  # which drops the fourth
    hashes *= np.uint32(HASH)
    hashes >>= np.uint32(SHIFT)
    return hashes


TEXT_TABLE = build_table(triple for rule in RULES for hint in rule.hints for triple in (spell(hint) if rule.ignores_case else (hint,)))
KEY_TABLE = build_table(triple for key in KEY_TRIPLES for triple in spell(key))
DIGITS_AS_ZERO = bytes.maketrans(b"123456789", b"000000000")
CARD_LENGTH = b"0" * MIN_CARD
FRACTION = b"0." + CARD_LENGTH
"""Long fractions of numbers are common and no cards."""


def find_suspects(texts: Sequence[bytes], documents: Sequence[bytes]) -> list[int]:
    """Positions of entries that may hold a secret, ascending.

    Args:
        texts: All there is to scrub of each entry.
        documents: Of each entry the JSON whose keys count; a part of its text.
    """
    return sorted(find_in_texts(GAP.join(texts)) | find_in_keys(GAP.join(documents)))


def find_suspicious(messages: bytes, documents: bytes) -> list[int]:
    """The same of entries that have a message and a document and nothing else, joined already."""
    return sorted(find_in_texts(messages) | find_in_texts(documents) | find_in_keys(documents))


def find_in_texts(joined: bytes) -> set[int]:
    """Which of the joined texts may hold a secret."""
    suspects = find_triples(joined, TEXT_TABLE)
    digits = joined.translate(DIGITS_AS_ZERO, b" -")
    if CARD_LENGTH in digits:
        suspects |= {position for position, text in enumerate(digits.split(GAP)) if text.count(CARD_LENGTH) > text.count(FRACTION)}
    return suspects


def find_in_keys(joined: bytes) -> set[int]:
    """Which of the joined documents may hold a secret under a name that says so."""
    return find_triples(joined.translate(None, b"_-. "), KEY_TABLE)


def find_triples(joined: bytes, table: NDArray[np.bool_]) -> set[int]:
    """Which of the joined entries have a suspicious triple."""
    padded = np.frombuffer(joined + GAP * (8 - len(joined) % 4), np.uint8)
    hits = []
    for offset in range(4):
        codes = padded[offset : offset + (len(padded) - 4) // 4 * 4].view("<u4")
        hits.append(np.flatnonzero(table.take(hash_triples(codes))) * 4 + offset)
    found = np.concatenate(hits)
    if not len(found):
        return set()
    return set(np.searchsorted(np.flatnonzero(padded == 0), found).tolist())
