"""Identities of entries: UUIDs of version 7 that ascend with arrival, in runs that are known by their first one.

The 74 bits after the time hold a count of 32 bits within the millisecond, then 42 random bits that all entries of a run share. So the
identities of a run follow from its first, and an identity tells in which run it can only be.
"""

import secrets
import uuid
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Halves = NDArray[np.uint64]
LOW_COUNT_BITS = 20
TAIL_BITS = 42
VARIANT = 1 << 63
VERSION = 7 << 12


@dataclass(frozen=True, slots=True)
class IdRun:
    """Identities of entries that arrived together: `count` ascending from `first`."""

    ms: int
    first: int
    tail: int
    count: int

    @property
    def first_id(self) -> bytes:
        """The lowest identity."""
        return self.id_at(0)

    @property
    def last_id(self) -> bytes:
        """The highest identity."""
        return self.id_at(self.count - 1)

    def id_at(self, position: int) -> bytes:
        """The identity of one entry."""
        count = self.first + position
        high = self.ms << 16 | VERSION | count >> LOW_COUNT_BITS
        low = VARIANT | (count & 0xFFFFF) << TAIL_BITS | self.tail
        return (high << 64 | low).to_bytes(16, "big")


class IdSource:
    """Gives runs that ascend, whatever the clock does."""

    def __init__(self) -> None:
        self._ms = 0
        self._next = 0

    def take(self, now_ms: int, count: int) -> IdRun:
        """The next run of so many."""
        if now_ms > self._ms:
            self._ms, self._next = now_ms, 0
        run = IdRun(self._ms, self._next, secrets.randbits(TAIL_BITS), count)
        self._next += count
        return run


def expand_run(first_id: bytes, count: int) -> tuple[Halves, Halves]:
    """All identities of a run as upper and lower halves."""
    value = int.from_bytes(first_id, "big")
    high, low = value >> 64, value & 0xFFFF_FFFF_FFFF_FFFF
    first = (high & 0xFFF) << LOW_COUNT_BITS | low >> TAIL_BITS & 0xFFFFF
    counts = np.arange(first, first + count, dtype=np.uint64)
    highs = (counts >> np.uint64(LOW_COUNT_BITS)) | np.uint64(high & ~0xFFF)
    lows = ((counts & np.uint64(0xFFFFF)) << np.uint64(TAIL_BITS)) | np.uint64(VARIANT | low & (1 << TAIL_BITS) - 1)
    return highs, lows


def to_bytes(high: int, low: int) -> bytes:
    """An identity from its halves."""
    return (high << 64 | low).to_bytes(16, "big")


def to_text(identity: bytes) -> str:
    """An identity as people see it."""
    return str(uuid.UUID(bytes=identity))


def from_text(text: str) -> bytes | None:
    """Reads a UUID in its canonical form, letters of either case; None when it is none."""
    try:
        read = uuid.UUID(text)
    except ValueError:
        return None
    return read.bytes if str(read) == text.lower() else None


def receive_ms(high: int) -> int:
    """When the entry arrived, from the upper half."""
    return high >> 16
