"""The page that followers of the event stream know, in the database."""

from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import BigInteger, Column, LargeBinary, Table, select, update

from lumetry_core.runtime.database import Time, Transaction, metadata
from lumetry_core.statuspages.page import Page

pages = Table(
    "status_pages",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("content", LargeBinary),
    Column("last_event_id", BigInteger, nullable=False),
    Column("update_time", Time, nullable=False),
)
encoder = msgspec.msgpack.Encoder()
decoder = msgspec.msgpack.Decoder(Page)


@dataclass(frozen=True, slots=True)
class Told:
    """The page as it was told; None before the first time. `last_event_id` is the number of the last event that told of it."""

    page: Page | None = None
    last_event_id: int = 0


async def read_page(tx: Transaction, organization_id: int) -> Told:
    """What was told last."""
    row = (await tx.execute(select(pages).where(pages.c.organization_id == organization_id))).one_or_none()
    return Told() if row is None else to_told(row.content, row.last_event_id)


async def lock_page(tx: Transaction, organization_id: int, now: datetime) -> Told:
    """What was told last; nobody else tells anything until the transaction ends."""
    empty = {"organization_id": organization_id, "content": None, "last_event_id": 0, "update_time": now}
    await tx.execute(tx.insert(pages).on_conflict_do_nothing(), empty)
    row = (await tx.execute(select(pages).where(pages.c.organization_id == organization_id).with_for_update())).one()
    return to_told(row.content, row.last_event_id)


async def write_page(tx: Transaction, organization_id: int, told: Told, now: datetime) -> None:
    """Records what is told; the row is there since it was locked."""
    values = {"content": encoder.encode(told.page), "last_event_id": told.last_event_id, "update_time": now}
    await tx.execute(update(pages).where(pages.c.organization_id == organization_id).values(values))


def to_told(content: bytes | None, last_event_id: int) -> Told:
    """What a row tells."""
    return Told(None if content is None else decoder.decode(content), last_event_id)
