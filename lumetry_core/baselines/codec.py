"""How learned statistics and points to learn are packed in the store. Changing a format needs a new version byte.

Statistics of an hour hold only buckets that know something, sorted by member, then minute, as columns in byte planes, exact to the bit.
When all values that were learned have few decimals, then means times counts, and deviations times counts, are whole numbers but for
rounding as well: these are stored as differences, and what rounding left as a distance in representable numbers. Other columns are XORed
with their predecessor.
"""

import struct

import numpy as np
from numpy.typing import NDArray

from lumetry_core.baselines.candidates import Candidates
from lumetry_core.baselines.statistics import Statistics
from lumetry_core.metrics.codec import check_version, compression, shuffle, unshuffle
from lumetry_core.metrics.model import Floats, Integers

STATISTICS_HEAD = struct.Struct("<BBBxI")
"""Version, decimals, which columns are stored as whole numbers (a bit each), bucket count."""
STATISTICS_VERSION = 1
JOURNAL_HEAD = struct.Struct("<BxxxI")
"""Version, point count."""
JOURNAL_VERSION = 1
MINUTES = 60
COLUMNS = 5
MAX_DECIMALS = 4
MAX_WHOLE = 2.0**52
NOTHING = np.zeros(0, np.uint64)


def pack_statistics(statistics: Statistics) -> bytes:
    """Packs an hour given as (minute, member)."""
    members, minutes = np.nonzero(statistics.counts.T > 0)
    columns = [column[minutes, members] for column in statistics.columns]
    exponent = find_exponent(np.concatenate((columns[3], columns[4])))
    parts = [shuffle(np.diff(members * MINUTES + minutes, prepend=0))]
    whole_columns = 0
    for place, (column, weights) in enumerate(zip(columns, weigh(columns[0], exponent or 0), strict=True)):
        scaled = scale(column, weights) if exponent is not None else None
        if scaled is None:
            bits = column.view(np.uint64)
            parts.append(shuffle(bits ^ np.concatenate((np.zeros(1, np.uint64), bits[:-1]))))
        else:
            whole_columns |= 1 << place
            left = column.view(np.int64) - (scaled / weights).view(np.int64)
            parts += [shuffle(fold_sign(np.diff(scaled, prepend=0))), shuffle(fold_sign(left))]
    head = STATISTICS_HEAD.pack(STATISTICS_VERSION, exponent or 0, whole_columns, len(members))
    return head + compression.compress(b"".join(parts))


def unpack_statistics(payload: bytes) -> tuple[Integers, Integers, Statistics]:
    """Unpacks members, minutes and statistics of the buckets that hold something, as parallel columns."""
    version, exponent, whole_columns, count = STATISTICS_HEAD.unpack_from(payload)
    check_version(version, STATISTICS_VERSION)
    body = compression.decompress(payload[STATISTICS_HEAD.size :])
    planes = (unshuffle(body, start, count) for start in range(0, len(body), max(8 * count, 1)))
    members, minutes = np.divmod(np.cumsum(next(planes, NOTHING).view(np.int64)), MINUTES)
    columns: list[Floats] = []
    for place in range(COLUMNS):
        if whole_columns >> place & 1:
            scaled = np.cumsum(unfold_sign(next(planes, NOTHING)))
            weights = weigh(columns[0] if place else scaled, exponent)[place]
            columns.append(((scaled / weights).view(np.int64) + unfold_sign(next(planes, NOTHING))).view(np.float64))
        else:
            columns.append(np.bitwise_xor.accumulate(next(planes, NOTHING)).view(np.float64))
    return members, minutes, Statistics(*columns)


def find_exponent(values: Floats) -> int | None:
    """The number of decimals that all values have; None when they have more than `MAX_DECIMALS`, or are too large."""
    for exponent in range(MAX_DECIMALS + 1):
        scaled = scale(values, np.full(len(values), 10.0**exponent))
        if scaled is None:
            return None
        if (scaled / 10.0**exponent == values).all():
            return exponent
    return None


def weigh(counts: Floats | Integers, exponent: int) -> list[Floats]:
    """By what each column must be multiplied to be nearly whole, if values have so many decimals."""
    power = 10.0**exponent
    of_values = np.full(len(counts), power)
    of_sums: Floats = counts * of_values
    return [np.ones(len(counts)), of_sums, of_sums * of_values, of_values, of_values]


def scale(values: Floats, weights: Floats) -> Integers | None:
    """The whole numbers nearest to weighted values; None when one has none that a float holds exactly."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        scaled = np.rint(values * weights)
    return scaled.astype(np.int64) if (np.abs(scaled) < MAX_WHOLE).all() else None


def fold_sign(numbers: Integers) -> Integers:
    """Numbers of which small ones of either sign have high bytes of zero."""
    folded: Integers = (numbers << 1) ^ (numbers >> 63)
    return folded


def unfold_sign(folded: NDArray[np.uint64]) -> Integers:
    """What `fold_sign` folded."""
    return (folded >> np.uint64(1)).view(np.int64) ^ -(folded & np.uint64(1)).view(np.int64)


def pack_journal(candidates: Candidates) -> bytes:
    """Packs points in their order: numbers as differences, values XORed with their predecessor, all in byte planes."""
    bits = candidates.values.view(np.uint64)
    integers = (candidates.baseline_ids, candidates.members.astype(np.int64), candidates.times_ms)
    parts = [shuffle(np.diff(column, prepend=0)) for column in integers]
    parts.append(shuffle(bits ^ np.concatenate((np.zeros(1, np.uint64), bits[:-1]))))
    parts.append(np.packbits(candidates.breached).tobytes())
    return JOURNAL_HEAD.pack(JOURNAL_VERSION, len(candidates)) + compression.compress(b"".join(parts))


def unpack_journal(payload: bytes) -> Candidates:
    """Unpacks what `pack_journal` packed."""
    version, count = JOURNAL_HEAD.unpack_from(payload)
    check_version(version, JOURNAL_VERSION)
    body = compression.decompress(payload[JOURNAL_HEAD.size :])
    planes = [unshuffle(body, 8 * count * place, count) for place in range(4)]
    baseline_ids, members, times_ms = (np.cumsum(column.view(np.int64)) for column in planes[:3])
    breached = np.unpackbits(np.frombuffer(body, np.uint8, offset=32 * count), count=count)
    values = np.bitwise_xor.accumulate(planes[3]).view(np.float64)
    return Candidates(baseline_ids, members.astype(np.int32), times_ms, values, breached)
