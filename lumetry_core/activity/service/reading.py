"""Finding items again, newest first, in bounded time: a search that is not over goes on behind the page's cursor."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from lumetry_core.activity.cursor import read_cursor, write_cursor
from lumetry_core.activity.filters import Probe
from lumetry_core.activity.lines import Matcher
from lumetry_core.activity.model import ACTIONS, BLOCK_ITEMS, LOG_KINDS, Item, ItemFilter, Page, Sight
from lumetry_core.activity.store import blocks as block_store
from lumetry_core.activity.store import filters as filter_store
from lumetry_core.activity.store import items as store
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults

NEAR_FILTERS = 8
"""Filters of blocks that are asked first, as what is looked for is mostly near …"""
MAX_FILTERS = 8_192
"""… and about so many for a page at most (four million items) …"""
OPENED_FIRST, OPENED_AT_ONCE = 4, 16
MAX_OPENED = 64
"""… of which so many blocks are looked into, though they may hold nothing."""
ROWS_AT_ONCE = 256
MAX_ROWS = 4_096
"""Rows of items that are read one by one for a page."""


@dataclass(slots=True)
class Search:
    """A search on its way back in time."""

    organization_id: int
    wanted: ItemFilter
    sight: Sight
    size: int
    """Items that end it."""
    before: int
    """Numbers from here on are done."""
    packed_blocks: int
    matcher: Matcher
    found: list[Item] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether there is one more than the page takes."""
        return len(self.found) >= self.size


async def list_activity(
    tx: Transaction, organization_id: int, wanted: ItemFilter, sight: Sight, *, limit: int = 50, cursor: str = ""
) -> Page:
    """Items, newest first. Fails with VALIDATION_FAILED (`cursor`) when the cursor is malformed or belongs to other filters.

    A page may have fewer items than asked for, even none, and a cursor: what is rare is looked for page by page.

    Args:
        wanted: Its kinds are known ones.
        limit: Items of a page.
    """
    faults = Faults()
    position = read_cursor(cursor, wanted) if cursor else None
    faults.check(not cursor or position is not None, "cursor", "must be the cursor of a page with the same filters")
    faults.raise_if_any()
    last_id, packed_blocks = await store.read_head(tx, organization_id)
    before = min(position or last_id + 1, last_id + 1)
    search = Search(organization_id, wanted, sight, limit + 1, before, packed_blocks, Matcher(wanted, sight))
    kinds = (wanted.kinds or ACTIONS.keys()) - (frozenset() if sight.has_logs else LOG_KINDS)
    if not kinds or wanted.project_id in sight.hidden_projects:
        return Page((), "")
    if wanted.is_exact or wanted.search:
        await read_rows(tx, search, packed_blocks * BLOCK_ITEMS, ROWS_AT_ONCE)
        if not search.is_full and search.before <= packed_blocks * BLOCK_ITEMS + 1:
            await search_blocks(tx, search, Probe(wanted, kinds))
    else:
        await read_rows(tx, search, 0, search.size)
    return make_page(search, limit)


async def read_rows(tx: Transaction, search: Search, after: int, at_once: int) -> None:
    """Looks at items one by one, down to a number, which is left out."""
    seen = 0
    while search.before > after + 1 and seen < MAX_ROWS and not search.is_full:
        rows = await store.list_range(tx, search.organization_id, after, search.before, at_once)
        search.found += [item for item in rows if search.matcher.matches(item)]
        search.before = rows[-1].id if len(rows) == at_once else after + 1
        seen, at_once = seen + at_once, ROWS_AT_ONCE


async def search_blocks(tx: Transaction, search: Search, probe: Probe) -> None:
    """Looks into the packed blocks that may hold something."""
    ids: list[int] = []
    opened, wanted = 0, search.size - len(search.found)
    async for candidates, low in find_candidates(tx, search, probe):
        waiting = candidates
        while waiting and len(ids) < wanted and opened < MAX_OPENED:
            part = waiting[: OPENED_AT_ONCE if opened else OPENED_FIRST]
            ids += await look_into(tx, search, part, wanted - len(ids))
            opened += len(part)
            waiting = [number for number in waiting if number * BLOCK_ITEMS + 1 < search.before]
        if len(ids) >= wanted or opened >= MAX_OPENED:
            break
        search.before = low * BLOCK_ITEMS + 1
    search.found += await store.read_items(tx, search.organization_id, ids)


async def find_candidates(tx: Transaction, search: Search, probe: Probe) -> AsyncIterator[tuple[list[int], int]]:
    """Blocks that may hold something, newest first, part by part, each with the oldest block that was asked."""
    newest = (search.before - 2) // BLOCK_ITEMS
    last = max(newest - MAX_FILTERS, -1)
    low = max(newest - NEAR_FILTERS + 1, 0)
    terms, runs = await filter_store.read_filters(tx, search.organization_id, low, newest, terms=probe.has_terms, runs=probe.has_runs)
    yield probe.find(terms, runs), low
    while low > last + 1:
        newest = low - 1
        segment = newest // filter_store.SEGMENT
        terms, runs = await filter_store.read_segment(
            tx, search.organization_id, segment, search.packed_blocks, terms=probe.has_terms, runs=probe.has_runs
        )
        low = segment * filter_store.SEGMENT
        yield [number for number in probe.find(terms, runs) if number <= newest], low


async def look_into(tx: Transaction, search: Search, numbers: list[int], wanted: int) -> list[int]:
    """The numbers of the newest items that packed blocks, newest first, hold."""
    ids: list[int] = []
    for number, lines in await block_store.read_lines(tx, search.organization_id, numbers):
        ids += [found for found in reversed(search.matcher.find_packed(lines)) if found < search.before]
        if len(ids) >= wanted:
            search.before = ids[wanted - 1]
            return ids[:wanted]
        search.before = number * BLOCK_ITEMS + 1
    search.before = numbers[-1] * BLOCK_ITEMS + 1
    return ids


def make_page(search: Search, limit: int) -> Page:
    """The page, with what of it may be seen."""
    shown = search.found[:limit]
    following = shown[-1].id if len(search.found) > limit else search.before
    hidden = search.sight.hidden_projects
    return Page(tuple(clean(item, hidden) for item in shown), write_cursor(search.wanted, following) if following > 1 else "")


def clean(item: Item, hidden: frozenset[str]) -> Item:
    """The item without projects that are hidden."""
    if hidden.isdisjoint(item.draft.project_ids):
        return item
    return replace(item, draft=replace(item.draft, project_ids=tuple(number for number in item.draft.project_ids if number not in hidden)))
