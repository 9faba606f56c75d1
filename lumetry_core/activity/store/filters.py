"""Filters of packed blocks: in the database, and those of whole segments, which never change, for a while in memory."""

from collections import OrderedDict
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Column, Engine, select

from lumetry_core.activity.filters import Filters
from lumetry_core.activity.store.blocks import blocks
from lumetry_core.runtime.database import Transaction

SEGMENT = 256
"""Blocks with numbers in a row whose filters are asked together: 0 to 255, 256 to 511 …"""
KEPT_BYTES = 48 << 20
"""Of filters in memory: those of about two million items."""
NOTHING = Filters([])

Name = tuple[int, int, str]
"""Organization, segment, column."""


class FilterCache:
    """Filters of whole segments of one database. Those used least recently make room."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Name, Filters] = OrderedDict()
        self._byte_count = 0

    def find(self, name: Name) -> Filters | None:
        """Filters that are kept."""
        if name in self._kept:
            self._kept.move_to_end(name)
        return self._kept.get(name)

    def keep(self, name: Name, filters: Filters) -> None:
        """Keeps filters."""
        self._kept[name] = filters
        self._byte_count += filters.byte_count
        while self._byte_count > KEPT_BYTES and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._byte_count -= gone.byte_count


caches: WeakKeyDictionary[Engine, FilterCache] = WeakKeyDictionary()


async def read_filters(tx: Transaction, organization_id: int, first: int, last: int, *, terms: bool, runs: bool) -> tuple[Filters, Filters]:
    """Filters of the blocks from one to another; those that are not asked for are empty."""
    wanted: list[Column[Any]] = [*([blocks.terms] if terms else []), *([blocks.runs] if runs else [])]
    conditions = (blocks.organization_id == organization_id, blocks.number >= first, blocks.number <= last)
    rows: list[tuple[Any, ...]] = [tuple(row) for row in await tx.execute(select(blocks.number, *wanted).where(*conditions))]
    return (
        Filters([(row[0], row[1]) for row in rows]) if terms else NOTHING,
        Filters([(row[0], row[len(wanted)]) for row in rows]) if runs else NOTHING,
    )


async def read_segment(
    tx: Transaction, organization_id: int, segment: int, packed_blocks: int, *, terms: bool, runs: bool
) -> tuple[Filters, Filters]:
    """Filters of a segment, as `read_filters`.

    Args:
        packed_blocks: How many blocks of the organization are packed: those of the last segment may become more.
    """
    first, last = segment * SEGMENT, (segment + 1) * SEGMENT - 1
    if last >= packed_blocks:
        return await read_filters(tx, organization_id, first, last, terms=terms, runs=runs)
    cache = caches.setdefault(tx.connection.sync_engine, FilterCache())
    term_name, run_name = (organization_id, segment, "terms"), (organization_id, segment, "runs")
    of_terms = cache.find(term_name) if terms else NOTHING
    of_runs = cache.find(run_name) if runs else NOTHING
    if of_terms is None or of_runs is None:
        found = await read_filters(tx, organization_id, first, last, terms=of_terms is None, runs=of_runs is None)
        if of_terms is None:
            of_terms = found[0]
            cache.keep(term_name, of_terms)
        if of_runs is None:
            of_runs = found[1]
            cache.keep(run_name, of_runs)
    return of_terms, of_runs
