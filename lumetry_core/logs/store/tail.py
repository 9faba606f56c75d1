"""Reading blocks as they appear, for those who follow entries."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select

from lumetry_core.logs.store.blocks import FORMER_FRESH, log_blocks
from lumetry_core.runtime.database import Transaction

columns = log_blocks.c


@dataclass(frozen=True, slots=True)
class TailHead:
    """A block without its contents."""

    id: int
    level: int
    level_mask: int
    byte_count: int
    first_id: bytes
    last_id: bytes
    create_time: datetime

    @property
    def is_sealed(self) -> bool:
        """Whether it was made of others."""
        return self.level > FORMER_FRESH


HEAD = tuple(columns[name] for name in TailHead.__dataclass_fields__)


async def list_after(tx: Transaction, organization_id: int, floor: int, limit: int) -> list[TailHead]:
    """Blocks of higher numbers, ascending."""
    statement = select(*HEAD).where(columns.organization_id == organization_id, columns.id > floor).order_by(columns.id).limit(limit)
    return [TailHead(**row._mapping) for row in await tx.execute(statement)]


async def list_newest(tx: Transaction, organization_id: int, limit: int) -> list[TailHead]:
    """The blocks of the highest numbers, descending."""
    statement = select(*HEAD).where(columns.organization_id == organization_id).order_by(columns.id.desc()).limit(limit)
    return [TailHead(**row._mapping) for row in await tx.execute(statement)]


async def list_arrived(tx: Transaction, organization_id: int, after: bytes, before: TailHead | None, limit: int) -> list[TailHead]:
    """Blocks with entries that arrived after one, those that hold the latest first; `before`: the last of the page before."""
    conditions = [columns.organization_id == organization_id, columns.last_id > after]
    if before is not None:
        same = and_(columns.last_id == before.last_id, columns.id < before.id)
        conditions.append(or_(columns.last_id < before.last_id, same))
    statement = select(*HEAD).where(*conditions).order_by(columns.last_id.desc(), columns.id.desc()).limit(limit)
    return [TailHead(**row._mapping) for row in await tx.execute(statement)]


async def find_latest(tx: Transaction, organization_id: int) -> bytes | None:
    """The identity of the entry that arrived last."""
    statement = select(columns.last_id).where(columns.organization_id == organization_id).order_by(columns.last_id.desc()).limit(1)
    return (await tx.execute(statement)).scalar_one_or_none()


async def find_oldest_since(tx: Transaction, organization_id: int, identity: bytes) -> bytes | None:
    """An identity at or after one, at which the first block that reaches so far begins."""
    statement = select(columns.first_id).where(columns.organization_id == organization_id, columns.last_id >= identity)
    found = (await tx.execute(statement.order_by(columns.last_id).limit(1))).scalar_one_or_none()
    return None if found is None else max(found, identity)
