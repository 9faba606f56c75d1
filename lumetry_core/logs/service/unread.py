"""New blocks, which grouping and rules have still to read, each once; searches find their entries at once."""

from collections.abc import Collection

from lumetry_core.logs.model import BlocksChanged
from lumetry_core.logs.store import blocks as store
from lumetry_core.logs.store.blocks import Block
from lumetry_core.runtime.database import Transaction

BLOCKS_AT_ONCE = 256
ALL = -1
"""A mask that every block passes."""


async def list_unread(tx: Transaction, organization_id: int, limit_bytes: int, mask: int = ALL) -> list[Block]:
    """The oldest new blocks, one at least if there are any.

    Args:
        limit_bytes: Of payload, about.
        mask: Bits of level masks, such as `GROUPED`. Blocks with none of them come without payload, for there is nothing in them to read;
            they are to be marked as well.
    """
    chosen: list[int] = []
    whole: list[int] = []
    size = 0
    for head in await store.list_new(tx, organization_id, BLOCKS_AT_ONCE):
        if head.level_mask & mask:
            size += head.byte_count
            if whole and size > limit_bytes:
                break
            whole.append(head.id)
        chosen.append(head.id)
    return await store.read_new(tx, organization_id, chosen, whole) if chosen else []


async def mark_read(tx: Transaction, organization_id: int, block_ids: Collection[int]) -> None:
    """Notes that blocks are read, in the transaction of what was made of them. Raises `BlocksChanged`, which rolls everything back."""
    if await store.mark_read(tx, organization_id, block_ids) != len(block_ids):
        raise BlocksChanged
