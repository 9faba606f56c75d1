"""Sealing: turning many small blocks into few large ones, sorted by time, of one UTC day each, with a filter of their words.

Blocks are merged in three steps: read, merge (work for the processor only), store. Storing fails when another process has replaced a source
meanwhile, so nothing is lost or doubled without a lease.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from lumetry_core.logs.columns import VERSION, Batch, Columns, Labels, codec, join_frames, mask_of, shuffle, unpack
from lumetry_core.logs.entry_id import to_bytes
from lumetry_core.logs.model import DAY_NS, BlockGroup
from lumetry_core.logs.store import blocks as store
from lumetry_core.logs.store.blocks import FRESH, Block
from lumetry_core.logs.words import block_words, build_filter
from lumetry_core.runtime.database import Transaction

FULL_ENTRIES = 8192
"""Entries of a sealed block at most …"""
FULL_BYTES = 1024 * 1024
"""… and about the packed bytes from which merging it is not worth it."""
FRESH_BLOCKS = 16
FRESH_AGE = timedelta(seconds=20)
"""Fresh blocks are sealed when there are so many, or so many entries as fill a block, or when the oldest is so old."""
MIN_RUN = 8
"""Sealed blocks of one level that are merged into the next."""
FULL_LEVEL = 9
"""Level of blocks that are large enough."""
MAX_SOURCES = 64
MAX_SOURCE_BYTES = 16 * 1024 * 1024


class BlocksChanged(Exception):  # noqa: N818 -- an event, not a fault
    """A source was replaced meanwhile: nothing of the transaction may stay."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What replaces the sources."""

    sources: Sequence[Block]
    results: Sequence[Block]


async def find_due(tx: Transaction, organization_id: int, now: datetime) -> list[BlockGroup]:
    """Groups of blocks that are to be merged."""
    return [group for group in await store.list_groups(tx, organization_id, FULL_LEVEL) if is_due(group, now)]


def is_due(group: BlockGroup, now: datetime) -> bool:
    """Whether the blocks of a group are to be merged."""
    if group.level == FRESH:
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
    level = sources[0].level + 1
    results = []
    for members in np.split(order, np.flatnonzero(np.diff(days)) + 1):
        for start in range(0, len(members), FULL_ENTRIES):
            chosen = members[start : start + FULL_ENTRIES]
            columns = gather(batches, chosen)
            columns.times = times[chosen].astype("<i8").tobytes()
            columns.highs, columns.lows = shuffle(highs[chosen]), shuffle(lows[chosen])
            results.append(build_block(sources, columns, times[chosen], highs[chosen], lows[chosen], level))
    return Sealed(sources, results)


def gather(batches: Sequence[Batch], chosen: NDArray[np.int64]) -> Columns:
    """The columns of chosen entries, numbered over all batches one after another, but for times and identities."""
    ends = np.cumsum([len(batch.times) for batch in batches])
    of = np.searchsorted(ends, chosen, side="right")
    inside = chosen - np.concatenate(([0], ends[:-1]))[of]
    numbers: dict[Labels, int] = {}
    columns = Columns(VERSION, b"", b"", [], [], [], [], [], [], {})
    levels = bytearray()
    for number, index in zip(of.tolist(), inside.tolist(), strict=True):
        source = batches[number].columns
        rest = source.rest.get(index)
        if rest is not None:
            columns.rest[len(columns.messages)] = rest
        levels.append(source.levels[index])
        columns.messages.append(source.messages[index])
        columns.metadata.append(source.metadata[index])
        columns.errors.append(source.errors[index])
        columns.labels.append(numbers.setdefault(source.label_sets[source.labels[index]], len(numbers)))
        columns.traces.append(source.traces[index])
    columns.levels = bytes(levels)
    columns.label_sets = list(numbers)
    return columns


def build_block(
    sources: Sequence[Block],
    columns: Columns,
    times: NDArray[np.int64],
    highs: NDArray[np.uint64],
    lows: NDArray[np.uint64],
    level: int,
) -> Block:
    """A sealed block of entries sorted by time."""
    payload = join_frames([codec.sealed(codec.encode(columns))])
    by_id = np.lexsort((lows, highs))
    is_full = len(times) >= FULL_ENTRIES // 2 or len(payload) >= FULL_BYTES
    return Block(
        organization_id=sources[0].organization_id,
        project_id=sources[0].project_id,
        level=FULL_LEVEL if is_full else min(level, FULL_LEVEL),
        day=int(times[0] // DAY_NS),
        first_ns=int(times[0]),
        last_ns=int(times[-1]),
        level_mask=mask_of(columns.levels),
        entry_count=len(times),
        first_id=to_bytes(int(highs[by_id[0]]), int(lows[by_id[0]])),
        last_id=to_bytes(int(highs[by_id[-1]]), int(lows[by_id[-1]])),
        create_time=min(source.create_time for source in sources),
        words=build_filter(block_words(columns)),
        payload=payload,
    )


async def replace_blocks(tx: Transaction, sealed: Sealed) -> None:
    """Puts the results in the place of their sources. Raises `BlocksChanged`, which rolls everything back."""
    ids: Iterable[int] = (source.id for source in sealed.sources)
    if await store.delete_by_id(tx, sealed.sources[0].organization_id, sorted(ids)) != len(sealed.sources):
        raise BlocksChanged
    await store.insert_blocks(tx, sealed.results)
