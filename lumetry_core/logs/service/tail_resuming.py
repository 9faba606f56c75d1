"""What a reader who comes back has missed (contract logs 6)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from lumetry_core.logs.columns import id_at, read_entry, unpack
from lumetry_core.logs.entry_id import to_text
from lumetry_core.logs.matching import Matcher
from lumetry_core.logs.model import StoredEntry
from lumetry_core.logs.query import Query
from lumetry_core.logs.service.reading import Search, make_span, pass_filters, size_of
from lumetry_core.logs.store import blocks as block_store
from lumetry_core.logs.store import tail as store
from lumetry_core.logs.store.blocks import Block, Head
from lumetry_core.logs.store.tail import TailHead
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Transaction

REPLAYED_ENTRIES = 1000
REPLAYED = timedelta(hours=1)
MAX_ENTRY_BYTES = 32 * 1024 * 1024
MAX_READ_BYTES = 128 * 1024 * 1024
"""What is looked through at most; more counts as too far back."""
HEADS_AT_ONCE = 256
BLOCKS_AT_ONCE = 8
EXCEEDED, UNKNOWN = "replay_window_exceeded", "unknown_id"


@dataclass(frozen=True, slots=True)
class Reset:
    """Why a reader cannot go on from where it was, and between which identities it could."""

    reason: str
    oldest_id: str
    latest_id: str


class TooMany(Exception):  # noqa: N818 -- an outcome
    """More came than is replayed. `oldest`: from where it would not be too many."""

    def __init__(self, oldest: bytes) -> None:
        super().__init__()
        self.oldest = oldest


async def catch_up(
    tx: Transaction, organization_id: int, query: Query, matcher: Matcher, after: bytes, now: datetime
) -> Sequence[StoredEntry] | Reset:
    """The matching entries that arrived after one, in that order."""
    latest = await store.find_latest(tx, organization_id)
    hour_ago = (to_ms(now - REPLAYED) << 80).to_bytes(16, "big")
    if latest is None or after > latest or after < hour_ago:
        oldest = await store.find_oldest_since(tx, organization_id, hour_ago)
        reason = EXCEEDED if latest is not None and after < hour_ago else UNKNOWN
        return Reset(reason, to_text(oldest) if oldest else "", to_text(latest) if latest else "")
    try:
        found = await collect(tx, Search(organization_id, query, matcher, make_span(query, None), None, 0), after)
    except TooMany as exceeded:
        return Reset(EXCEEDED, to_text(exceeded.oldest), to_text(latest))
    return [entry for _, entry in sorted(found.items())]


async def collect(tx: Transaction, search: Search, after: bytes) -> dict[bytes, StoredEntry]:
    """Looks through the blocks, those that hold the latest entries first. Raises `TooMany`."""
    found: dict[bytes, StoredEntry] = {}
    last: TailHead | None = None
    bytes_left, entry_bytes_left = MAX_READ_BYTES, MAX_ENTRY_BYTES
    while True:
        heads = await store.list_arrived(tx, search.organization_id, after, last, HEADS_AT_ONCE)
        rough = [Head(head.id, 0, 0, head.byte_count) for head in heads if head.level_mask & search.matcher.level_mask]
        chosen = [candidate.head for candidate in await pass_filters(tx, search, rough)]
        for start in range(0, len(chosen), BLOCKS_AT_ONCE):
            part = chosen[start : start + BLOCKS_AT_ONCE]
            bytes_left -= sum(head.byte_count for head in part)
            blocks = await block_store.read_blocks(tx, search.organization_id, [head.id for head in part])
            arrived = await asyncio.to_thread(find_after, search.matcher, blocks, after)
            found |= arrived
            entry_bytes_left -= sum(map(size_of, arrived.values()))
            if len(found) > REPLAYED_ENTRIES or bytes_left < 0 or entry_bytes_left < 0:
                raise TooMany(sorted(found)[-REPLAYED_ENTRIES:][0] if found else heads[0].last_id)
        if len(heads) < HEADS_AT_ONCE:
            return found
        last = heads[-1]


def find_after(matcher: Matcher, blocks: Sequence[Block], after: bytes) -> dict[bytes, StoredEntry]:
    """The latest matching entries that arrived after one, with one more than are replayed at most."""
    places = []
    high = np.uint64(int.from_bytes(after[:8], "big"))
    for block in blocks:
        for batch in unpack(block.project_id, block.first_id, block.payload):
            found = np.asarray(matcher.find(batch), np.int64)
            places += [(id_at(batch, index), batch, index) for index in found[batch.highs[found] >= high].tolist()]
    places = [place for place in places if place[0] > after]
    places.sort(key=lambda place: place[0])
    return {identity: read_entry(batch, index) for identity, batch, index in places[-REPLAYED_ENTRIES - 1 :]}
