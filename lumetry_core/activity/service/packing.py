"""Packs blocks that are full, and lets go of what is old."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from lumetry_core.activity.filters import build_run_filter, build_term_filter
from lumetry_core.activity.lines import line_of, pack
from lumetry_core.activity.model import BLOCK_ITEMS, Item
from lumetry_core.activity.store import blocks as block_store
from lumetry_core.activity.store import items as store
from lumetry_core.activity.store.blocks import Block
from lumetry_core.runtime.database import Transaction

KEPT = timedelta(days=400)
DROPPED_AT_ONCE = 8
"""Blocks whose items are deleted in one transaction."""


async def find_unpacked(tx: Transaction) -> list[tuple[int, int, int]]:
    """Organizations with full blocks that are not packed: with the first of them and how many there are."""
    return [
        (organization_id, packed, count)
        for organization_id, last_id, packed in await store.list_heads(tx)
        if (count := last_id // BLOCK_ITEMS - packed) > 0
    ]


async def read_block(tx: Transaction, organization_id: int, number: int) -> list[Item]:
    """The items of a full block, oldest first."""
    first = number * BLOCK_ITEMS
    items = await store.list_range(tx, organization_id, first, first + BLOCK_ITEMS + 1, BLOCK_ITEMS)
    return items[::-1]


def pack_block(number: int, items: Sequence[Item]) -> Block | None:
    """A block in its packed form; None when nothing is left of it."""
    if not items:
        return None
    lines = [line_of(item) for item in items]
    newest = max(item.create_time for item in items)
    return Block(number, newest, build_term_filter(lines), build_run_filter(lines), pack(lines))


async def store_blocks(tx: Transaction, organization_id: int, first: int, packed: Sequence[Block | None]) -> bool:
    """Adds blocks in a row; False, and nothing done, when another process has done it."""
    if not await store.set_packed(tx, organization_id, first, first + len(packed)):
        return False
    blocks = [block for block in packed if block is not None]
    if blocks:
        await block_store.insert_blocks(tx, organization_id, blocks)
    return True


async def list_organizations(tx: Transaction) -> list[int]:
    """The organizations in which anything ever happened."""
    return [organization_id for organization_id, _, _ in await store.list_heads(tx)]


async def drop_old(tx: Transaction, organization_id: int, now: datetime) -> bool:
    """Deletes the oldest items that are past their time, and blocks of which nothing is left; true when there may be more."""
    since = now - KEPT
    oldest = await store.find_oldest(tx, organization_id)
    if oldest is None or oldest[1] >= since:
        return False
    up_to = oldest[0] + DROPPED_AT_ONCE * BLOCK_ITEMS
    deleted = await store.delete_old(tx, organization_id, up_to, since)
    gone = [number for number, newest in await block_store.list_oldest(tx, organization_id, 2 * DROPPED_AT_ONCE) if newest < since]
    await block_store.delete_blocks(tx, organization_id, gone)
    return deleted > 0
