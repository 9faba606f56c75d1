"""Finding entries again: searches over fresh and sealed blocks of one snapshot, and single entries (contract logs 5)."""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter

import numpy as np

from lumetry_core.logs.columns import Batch, id_at, read_entry, split_frames, unpack, unpack_frame
from lumetry_core.logs.cursor import HIGHEST_ID, LOWEST_ID, Position, digest, read_cursor, write_cursor
from lumetry_core.logs.entry_id import from_text
from lumetry_core.logs.matching import Matcher, make_matcher
from lumetry_core.logs.model import GROUPED, StoredEntry
from lumetry_core.logs.query import Field, Query, Request, read_query
from lumetry_core.logs.store import blocks as store
from lumetry_core.logs.store import groups as group_store
from lumetry_core.logs.store.blocks import SEALED, Block, Head, Span
from lumetry_core.logs.store.filters import read_filters
from lumetry_core.logs.words import Probe, find_frames, make_probes
from lumetry_core.projects.service import find_project
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Fault, Faults, LumetryError, Reason, not_found

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_GROUP_ID = 2**63 - 1
FIRST_NS, LAST_NS = -(2**63), 2**63 - 1
HEADS_AT_ONCE = 256
FILTERS_AT_ONCE = 8
BLOCKS_AT_ONCE = 8
GROWTH = 4
"""So many times as many filters or blocks are read at once as before: what is common is found soon, what is rare late."""
INLINE_BYTES = 64 * 1024
"""Blocks of less are searched at once, of more beside the event loop."""
MAX_READ_BYTES = 128 * 1024 * 1024
"""Packed bytes that a request reads before it answers with what it has, as long as that is progress …"""
MAX_SECONDS = 0.2
"""… or how long it reads."""
MAX_PAGE_BYTES = 3 * 1024 * 1024
"""Texts of a page, unless a single entry has more."""


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in order, and the cursor of the next page; empty at the end."""

    entries: Sequence[StoredEntry]
    next_cursor: str


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry that was found."""

    position: Position
    entry: StoredEntry


@dataclass(frozen=True, slots=True)
class Candidate:
    """A block that may hold what is searched for; `frames` where it may; None: anywhere."""

    head: Head
    frames: frozenset[int] | None = None


@dataclass(slots=True)
class Search:
    """A search under way. `edge`: positions strictly before it, in its order, have all been looked at."""

    organization_id: int
    query: Query
    matcher: Matcher
    span: Span
    start: Position | None
    wanted: int
    hits: list[Hit] = field(default_factory=list)
    edge: Position | None = None
    """None: everything has been looked at."""

    def is_before(self, one: Position, other: Position) -> bool:
        """Whether a position comes earlier in the order of the search."""
        return one < other if self.query.is_ascending else one > other

    def nearest(self, head: Head) -> Position:
        """Before the first position that a block, or any block after it, can hold."""
        return Position(head.first_ns, LOWEST_ID) if self.query.is_ascending else Position(head.last_ns, HIGHEST_ID)

    def is_full_before(self, head: Head) -> bool:
        """Whether no entry from this block on can be among those wanted."""
        return len(self.hits) >= self.wanted and self.is_before(self.hits[self.wanted - 1].position, self.nearest(head))

    def keep(self, found: Sequence[Hit]) -> None:
        """Adds what was found and drops what is too far away."""
        self.hits = sorted((*self.hits, *found), key=lambda hit: hit.position, reverse=not self.query.is_ascending)[: self.wanted]


async def search_logs(tx: Transaction, organization_id: int, request: Request) -> Page:
    """One page of what a request asks for. Fails with VALIDATION_FAILED, OUT_OF_RANGE."""
    faults = Faults()
    query = read_query(request, faults)
    digest_of_query = digest(organization_id, query)
    start = read_cursor(request.cursor, digest_of_query) if request.cursor else None
    faults.check(not request.cursor or start is not None, "cursor", "is not one of this search")
    faults.check_range(request.limit is None or 1 <= request.limit <= MAX_LIMIT, "limit", f"must be between 1 and {MAX_LIMIT}")
    faults.raise_if_any()
    limit = request.limit or DEFAULT_LIMIT
    matcher = await prepare_matcher(tx, organization_id, query)
    search = Search(organization_id, query, matcher, make_span(query, start), start, limit + 1)
    await run(tx, search)
    page = make_page(search, limit, digest_of_query)
    return replace(page, entries=await add_groups(tx, organization_id, page.entries))


async def prepare_matcher(tx: Transaction, organization_id: int, query: Query) -> Matcher:
    """A query made ready, with what it names looked up."""
    names = {value for term in query.fields if term.field is Field.PROJECT for value in term.values}
    projects = {name: await find_project(tx, organization_id, name) for name in names}
    numbers = {value for term in query.fields if term.field is Field.GROUP for value in term.values}
    groups = await group_store.find_groups(tx, organization_id, {int(number) for number in numbers if int(number) <= MAX_GROUP_ID})
    known = {group.id: group.fingerprint for group in groups}
    return make_matcher(
        query,
        {name: project.id for name, project in projects.items() if project is not None},
        {number: known[int(number)] for number in numbers if int(number) in known},
    )


async def add_groups(tx: Transaction, organization_id: int, entries: Sequence[StoredEntry]) -> Sequence[StoredEntry]:
    """Entries with the numbers of their error groups; one that has just arrived may have none yet."""
    keys = {(entry.key_project_id, entry.fingerprint) for entry in entries if entry.fingerprint is not None}
    if not keys:
        return entries
    ids = await group_store.find_ids(tx, organization_id, keys)
    return [
        entry if entry.fingerprint is None else replace(entry, group_id=ids.get((entry.key_project_id, entry.fingerprint)))
        for entry in entries
    ]


def make_span(query: Query, start: Position | None) -> Span:
    """The times that a page can hold."""
    first = FIRST_NS if query.start_ns is None else query.start_ns
    last = LAST_NS if query.end_ns is None else query.end_ns - 1
    if start is not None and query.is_ascending:
        first = max(first, start.time_ns)
    elif start is not None:
        last = min(last, start.time_ns)
    is_of_group = any(term.field is Field.GROUP and not term.is_excluded for term in query.fields)
    return Span(max(first, FIRST_NS), min(last, LAST_NS), GROUPED if is_of_group else query.level_mask, query.is_ascending)


async def run(tx: Transaction, search: Search) -> None:
    """Reads block after block, the nearest first, until the page is full, all is read or it takes too long."""
    after: Head | None = None
    budget = MAX_READ_BYTES
    clock = asyncio.get_running_loop().time
    seconds_left = MAX_SECONDS
    looked_at, read_at_once = FILTERS_AT_ONCE, 1
    while True:
        heads = await store.list_heads(tx, search.organization_id, search.span, after, HEADS_AT_ONCE)
        position = 0
        while position < len(heads):
            if search.is_full_before(heads[position]):
                search.edge = search.nearest(heads[position])
                return
            passed = await pass_filters(tx, search, heads[position : position + looked_at])
            position += looked_at
            looked_at = min(looked_at * GROWTH, HEADS_AT_ONCE)
            while passed:
                chosen, passed = passed[:read_at_once], passed[read_at_once:]
                read_at_once = min(read_at_once * GROWTH, BLOCKS_AT_ONCE)
                first = chosen[0].head
                if search.is_full_before(first) or ((budget <= 0 or seconds_left <= 0) and is_progress(search, first)):
                    search.edge = search.nearest(first)
                    return
                budget -= sum(candidate.head.byte_count for candidate in chosen)
                begin = clock()
                await read_into(tx, search, chosen)
                seconds_left -= clock() - begin
        if len(heads) < HEADS_AT_ONCE:
            return
        after = heads[-1]


async def pass_filters(tx: Transaction, search: Search, heads: Sequence[Head]) -> list[Candidate]:
    """The blocks that may hold the words searched for; those that are not sealed always may."""
    candidates = [Candidate(head) for head in heads]
    for number, probes in make_probes(search.matcher.hashes):
        if not candidates:
            break
        filters = await read_filters(tx, search.organization_id, number, [candidate.head.id for candidate in candidates])
        candidates = [
            narrowed
            for candidate in candidates
            if (narrowed := narrow(candidate, filters.get(candidate.head.id), probes)).frames is None or narrowed.frames
        ]
    return candidates


def narrow(candidate: Candidate, packed: bytes | None, probes: Sequence[Probe]) -> Candidate:
    """A block as far as it may hold further words."""
    if packed is None:
        return candidate
    found = find_frames(packed, probes)
    return Candidate(candidate.head, found if candidate.frames is None else candidate.frames & found)


async def read_into(tx: Transaction, search: Search, candidates: Sequence[Candidate]) -> None:
    """Adds what blocks hold to the hits."""
    frames = {candidate.head.id: candidate.frames for candidate in candidates}
    blocks = [(block, frames[block.id]) for block in await store.read_blocks(tx, search.organization_id, frames)]
    if sum(len(block.payload) for block, _ in blocks) <= INLINE_BYTES:
        search.keep(find_hits(search, blocks))
    else:
        search.keep(await asyncio.to_thread(find_hits, search, blocks))


def find_hits(search: Search, blocks: Sequence[tuple[Block, Collection[int] | None]]) -> list[Hit]:
    """What blocks hold in those of their frames that may hold anything, after the start."""
    hits: list[Hit] = []
    for block, frames in blocks:
        for batch in open_frames(block, frames, is_ascending=search.query.is_ascending):
            indexes = nearest_of(search, batch, search.matcher.find(batch))
            places = [(Position(int(batch.times[index]), id_at(batch, index)), index) for index in indexes]
            if search.start is not None:
                places = [place for place in places if search.is_before(search.start, place[0])]
            places.sort(key=itemgetter(0), reverse=not search.query.is_ascending)
            # Read here and now: a few entries must not keep whole frames in memory.
            hits += [Hit(position, read_entry(batch, index)) for position, index in places[: search.wanted]]
            if block.level >= SEALED and len(places) >= search.wanted:
                break  # what follows in the block is further away
    return hits


def open_frames(block: Block, frames: Collection[int] | None, *, is_ascending: bool) -> Iterator[Batch]:
    """The entries of a block, or of some of its frames; those of sealed ones in the order of a search."""
    if block.level < SEALED:
        yield from unpack(block.project_id, block.first_id, block.payload)
        return
    packed = list(enumerate(split_frames(block.payload)))
    for number, frame in packed if is_ascending else reversed(packed):
        if frames is None or number in frames:
            yield unpack_frame(block.project_id, frame, block.first_id)


def nearest_of(search: Search, batch: Batch, indexes: list[int]) -> list[int]:
    """Those that can be among the wanted: far more may match, and each costs."""
    times = batch.times[indexes]
    if search.start is not None:
        past = times >= search.start.time_ns if search.query.is_ascending else times <= search.start.time_ns
        indexes, times = np.asarray(indexes)[past].tolist(), times[past]
    # Entries at the time of the start may have been on the page before.
    wanted = search.wanted + (0 if search.start is None else int(np.count_nonzero(times == search.start.time_ns)))
    if len(indexes) <= wanted:
        return indexes
    ranked = np.sort(times) if search.query.is_ascending else -np.sort(-times)
    last = ranked[wanted - 1]
    near = times <= last if search.query.is_ascending else times >= last
    return [index for index, is_near in zip(indexes, near.tolist(), strict=True) if is_near]


def make_page(search: Search, limit: int, digest_of_query: bytes) -> Page:
    """The page and where the next one starts."""
    sure = [hit for hit in search.hits if search.edge is None or search.is_before(hit.position, search.edge)]
    shown: list[StoredEntry] = []
    size = 0
    for hit in sure[:limit]:
        size += size_of(hit.entry)
        if shown and size > MAX_PAGE_BYTES:
            break
        shown.append(hit.entry)
    if len(shown) < len(sure):
        return Page(shown, write_cursor(sure[len(shown) - 1].position, digest_of_query))
    return Page(shown, "" if search.edge is None else write_cursor(just_before(search, search.edge), digest_of_query))


def is_progress(search: Search, head: Head) -> bool:
    """Whether a page that ends before a block leads on from where it started."""
    return search.start is None or search.is_before(search.start, just_before(search, search.nearest(head)))


def just_before(search: Search, edge: Position) -> Position:
    """The last position before an edge."""
    return Position(edge.time_ns - 1, HIGHEST_ID) if search.query.is_ascending else Position(edge.time_ns + 1, LOWEST_ID)


def size_of(entry: StoredEntry) -> int:
    """Roughly the bytes of an entry."""
    size = len(entry.message) + len(entry.metadata)
    if entry.error is not None:
        size += len(entry.error.message or "") + len(entry.error.context) + sum(map(len, entry.error.stack_trace))
    return size


async def get_log(tx: Transaction, organization_id: int, entry_id: str) -> StoredEntry:
    """One entry. Fails with NOT_FOUND, VALIDATION_FAILED."""
    identity = from_text(entry_id)
    if identity is None:
        raise LumetryError(Reason.VALIDATION_FAILED, "The id is not valid.", faults=(Fault("id", "must be a UUID"),))
    after = 0
    while blocks := await store.find_holding(tx, organization_id, identity, after, BLOCKS_AT_ONCE):
        found = await asyncio.to_thread(find_identity, blocks, identity)
        if found is not None:
            return (await add_groups(tx, organization_id, [found]))[0]
        after = blocks[-1].id
    raise not_found("Log entry", entry_id)


def find_identity(blocks: Sequence[Block], identity: bytes) -> StoredEntry | None:
    """The entry of an identity."""
    value = int.from_bytes(identity, "big")
    high, low = np.uint64(value >> 64), np.uint64(value & 0xFFFF_FFFF_FFFF_FFFF)
    for block in blocks:
        for batch in unpack(block.project_id, block.first_id, block.payload):
            indexes = np.flatnonzero((batch.highs == high) & (batch.lows == low))
            if len(indexes):
                return read_entry(batch, int(indexes[0]))
    return None
