"""Sealing: turning many small blocks into few large ones, sorted by time, of one UTC day each, with a filter of their words.

Blocks are merged in three steps: read, merge (work for the processor only), store. Storing fails when another process has replaced a source
meanwhile, so nothing is lost or doubled without a lease.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

import numpy as np
from numpy.typing import NDArray

from lumetry_core.logs.columns import VERSION, Batch, Columns, Labels, codec, join_frames, mask_of, shuffle, unpack
from lumetry_core.logs.entry_id import to_bytes
from lumetry_core.logs.model import DAY_NS, BlockGroup, BlocksChanged
from lumetry_core.logs.store import blocks as store
from lumetry_core.logs.store.blocks import FORMER_FRESH, Block
from lumetry_core.logs.store.filters import insert_filters
from lumetry_core.logs.words import block_hashes, build_filters
from lumetry_core.runtime.database import Transaction

FULL_ENTRIES = 8192
"""Entries of a sealed block at most …"""
FULL_BYTES = 1024 * 1024
"""… and about the packed bytes from which merging it is not worth it."""
FRAME_ENTRIES = 1024
"""Entries that are packed, and have filters, together: what is rare is found without unpacking a whole block."""
FRESH_BLOCKS = 16
FRESH_AGE = timedelta(seconds=20)
"""Fresh blocks are sealed when there are so many, or so many entries as fill a block, or when the oldest is so old."""
MIN_RUN = 8
"""Sealed blocks of one level that are merged into the next."""
FULL_LEVEL = 9
"""Level of blocks that are large enough."""
MAX_SOURCES = 64
MAX_SOURCE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sealed:
    """What replaces the sources."""

    sources: Sequence[Block]
    results: Sequence[tuple[Block, Sequence[bytes]]]
    """Blocks and their filters."""


async def find_due(tx: Transaction, organization_id: int, now: datetime) -> list[BlockGroup]:
    """Groups of blocks that are to be merged."""
    return [group for group in await store.list_groups(tx, organization_id, FULL_LEVEL) if is_due(group, now)]


def is_due(group: BlockGroup, now: datetime) -> bool:
    """Whether the blocks of a group are to be merged."""
    if group.level <= FORMER_FRESH:
        return group.block_count >= FRESH_BLOCKS or group.entry_count >= FULL_ENTRIES or now - group.oldest >= FRESH_AGE
    return group.block_count >= MIN_RUN


async def read_sources(tx: Transaction, group: BlockGroup) -> list[Block]:
    """The oldest blocks of a group, as many as are merged at once."""
    sources: list[Block] = []
    size = 0
    for block in await store.read_group(tx, group, MAX_SOURCES):
        size += len(block.payload)
        if sources and size > MAX_SOURCE_BYTES:
            break
        sources.append(block)
    return sources


def merge(sources: Sequence[Block]) -> Sealed:
    """Makes sealed blocks of blocks of one project and level."""
    batches = [batch for block in sources for batch in unpack(block.project_id, block.first_id, block.payload)]
    times = np.concatenate([batch.times for batch in batches])
    highs = np.concatenate([batch.highs for batch in batches])
    lows = np.concatenate([batch.lows for batch in batches])
    order = np.lexsort((lows, highs, times))
    days = times[order] // DAY_NS
    level = max(sources[0].level, FORMER_FRESH) + 1
    results = []
    for members in np.split(order, np.flatnonzero(np.diff(days)) + 1):
        for start in range(0, len(members), FULL_ENTRIES):
            chosen = members[start : start + FULL_ENTRIES]
            frames = []
            for first in range(0, len(chosen), FRAME_ENTRIES):
                inside = chosen[first : first + FRAME_ENTRIES]
                columns = gather(batches, inside)
                columns.times = times[inside].astype("<i8").tobytes()
                columns.highs, columns.lows = shuffle(highs[inside]), shuffle(lows[inside])
                frames.append(columns)
            block = build_block(sources, frames, times[chosen], highs[chosen], lows[chosen], level)
            results.append((block, build_filters([block_hashes(columns) for columns in frames])))
    return Sealed(sources, results)


def gather(batches: Sequence[Batch], chosen: NDArray[np.int64]) -> Columns:
    """The columns of chosen entries, numbered over all batches one after another, but for times and identities."""
    ends = np.cumsum([len(batch.times) for batch in batches])
    of = np.searchsorted(ends, chosen, side="right")
    inside = chosen - np.concatenate(([0], ends[:-1]))[of]
    # Entries mostly come in order, so long rows of them are copied at once.
    breaks = np.flatnonzero((np.diff(of) != 0) | (np.diff(inside) != 1)) + 1
    starts = np.concatenate(([0], breaks)).tolist()
    lengths = np.diff(np.concatenate((starts, [len(chosen)]))).tolist()
    numbers: dict[Labels, int] = {}
    fingerprints: dict[bytes, int] = {}
    columns = Columns(VERSION, b"", b"", [], [], [], [], [], [], {})
    levels = bytearray()
    for start, length in zip(starts, lengths, strict=True):
        source, first = batches[of[start]].columns, int(inside[start])
        row = slice(first, first + length)
        levels += source.levels[row]
        columns.messages += source.messages[row]
        columns.metadata += source.metadata[row]
        columns.errors += source.errors[row]
        columns.traces += source.traces[row]
        places = [numbers.setdefault(labels, len(numbers)) for labels in source.label_sets]
        columns.labels += [places[number] for number in source.labels[row]]
        for index in few(source.rest, row):
            columns.rest[start + index - first] = source.rest[index]
        for index in few(source.grouped, row):
            fingerprint = source.fingerprints[source.grouped[index]]
            columns.grouped[start + index - first] = fingerprints.setdefault(fingerprint, len(fingerprints))
    columns.levels = bytes(levels)
    columns.label_sets = list(numbers)
    columns.fingerprints = list(fingerprints)
    return columns


def few(column: Mapping[int, object], row: slice) -> list[int]:
    """Which entries of a row have what few have, however many entries there are."""
    if len(column) < row.stop - row.start:
        return [index for index in column if row.start <= index < row.stop]
    return [index for index in range(row.start, row.stop) if index in column]


def build_block(
    sources: Sequence[Block],
    frames: Sequence[Columns],
    times: NDArray[np.int64],
    highs: NDArray[np.uint64],
    lows: NDArray[np.uint64],
    level: int,
) -> Block:
    """A sealed block of entries sorted by time."""
    payload = join_frames([codec.compress(codec.encode(columns)) for columns in frames])
    by_id = np.lexsort((lows, highs))
    is_full = len(times) >= FULL_ENTRIES // 2 or len(payload) >= FULL_BYTES
    return Block(
        organization_id=sources[0].organization_id,
        project_id=sources[0].project_id,
        level=FULL_LEVEL if is_full else min(level, FULL_LEVEL),
        day=int(times[0] // DAY_NS),
        first_ns=int(times[0]),
        last_ns=int(times[-1]),
        level_mask=reduce(or_, map(mask_of, frames)),
        entry_count=len(times),
        first_id=to_bytes(int(highs[by_id[0]]), int(lows[by_id[0]])),
        last_id=to_bytes(int(highs[by_id[-1]]), int(lows[by_id[-1]])),
        create_time=min(source.create_time for source in sources),
        payload=payload,
    )


async def replace_blocks(tx: Transaction, sealed: Sealed) -> None:
    """Puts the results in the place of their sources. Raises `BlocksChanged`, which rolls everything back."""
    ids: Iterable[int] = (source.id for source in sealed.sources)
    if await store.delete_by_id(tx, sealed.sources[0].organization_id, sorted(ids)) != len(sealed.sources):
        raise BlocksChanged
    for block, filters in sealed.results:
        await insert_filters(tx, block.organization_id, await store.insert_block(tx, block), filters)
