"""Items of the activity feed in the database, and how many there are."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, String, Table, Text, delete, insert, select, update

from lumetry_core.activity.model import MAX_SUMMARY, MAX_TITLE, Actor, ActorType, Draft, Item, Resource, Severity
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Time, Transaction, metadata
from lumetry_core.runtime.rows import RowStatement

activity_heads = Table(
    "activity_heads",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("last_id", BigInteger, nullable=False),
    Column("packed_blocks", BigInteger, nullable=False, server_default="0"),
)
activity_items = Table(
    "activity_items",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(20), nullable=False),
    Column("action", String(30), nullable=False),
    Column("title", String(MAX_TITLE), nullable=False),
    Column("summary", String(MAX_SUMMARY)),
    Column("severity", String(10)),
    Column("actor_type", String(10), nullable=False),
    Column("actor_id", String(40)),
    Column("actor_name", String(300), nullable=False),
    Column("agent_id", String(36)),
    Column("project_ids", Text),
    Column("machine", String(300)),
    Column("incident_id", BigInteger),
    Column("alert_id", BigInteger),
    Column("resource_type", String(40)),
    Column("resource_id", String(300)),
    Column("create_time", Time, nullable=False),
)
items, heads = activity_items.c, activity_heads.c
NAMES = tuple(column.name for column in activity_items.columns)
INSERT = RowStatement(insert(activity_items), NAMES)
LOST = "\ufffd"
ALL = select(*activity_items.columns)

Values = tuple[Any, ...]
"""An item as its row has it, without organization and number."""


def values_of(draft: Draft, now: datetime) -> Values:
    """An item as its row has it."""
    actor, resource = draft.actor, draft.resource
    return (
        draft.kind,
        draft.action,
        storable(draft.title)[:MAX_TITLE],
        None if draft.summary is None else storable(draft.summary)[:MAX_SUMMARY],
        None if draft.severity is None else draft.severity.value,
        actor.type.value,
        actor.id,
        storable(actor.name)[:300],
        draft.agent_id,
        ",".join(draft.project_ids) or None,
        None if draft.machine is None else storable(draft.machine)[:300],
        draft.incident_id,
        draft.alert_id,
        None if resource is None else resource.type,
        None if resource is None else resource.id,
        to_ms(now),
    )


def storable(text: str) -> str:
    """Text as every database takes it: without NUL and halves of characters."""
    if text.isprintable():
        return text
    return text.replace("\0", LOST).encode("utf-8", "replace").decode()


async def append_items(tx: Transaction, organization_id: int, drafts: Sequence[Values]) -> tuple[int, int]:
    """Appends items in order under the organization's next numbers. Answers the number of the last one before, and of the last one."""
    advance = (
        tx.insert(activity_heads)
        .values(organization_id=organization_id, last_id=len(drafts))
        .on_conflict_do_update(index_elements=["organization_id"], set_={"last_id": heads.last_id + len(drafts)})
        .returning(heads.last_id)
    )
    last_id: int = (await tx.execute(advance)).scalar_one()
    before = last_id - len(drafts)
    await INSERT.execute(tx, [(organization_id, number, *values) for number, values in enumerate(drafts, before + 1)])
    return before, last_id


async def read_head(tx: Transaction, organization_id: int) -> tuple[int, int]:
    """The number of the newest item, 0 while there is none, and how many blocks are packed."""
    row = (await tx.execute(select(activity_heads).where(heads.organization_id == organization_id))).one_or_none()
    return (0, 0) if row is None else (row.last_id, row.packed_blocks)


async def set_packed(tx: Transaction, organization_id: int, before: int, after: int) -> bool:
    """Counts packed blocks on; False when another process has done it."""
    same = (heads.organization_id == organization_id, heads.packed_blocks == before)
    changed: int = (await tx.execute(update(activity_heads).where(*same).values(packed_blocks=after))).rowcount
    return changed == 1


async def list_heads(tx: Transaction) -> list[tuple[int, int, int]]:
    """Organization, newest number and packed blocks of all, ascending."""
    rows = await tx.execute(select(activity_heads).order_by(heads.organization_id))
    return [(row.organization_id, row.last_id, row.packed_blocks) for row in rows]


async def list_range(tx: Transaction, organization_id: int, after: int, before: int, limit: int) -> list[Item]:
    """The newest items with numbers between two, which are left out; newest first."""
    wanted = (items.organization_id == organization_id, items.id > after, items.id < before)
    rows = await tx.execute(ALL.where(*wanted).order_by(items.id.desc()).limit(limit))
    return [item_of(row) for row in rows]


async def read_items(tx: Transaction, organization_id: int, ids: Collection[int]) -> list[Item]:
    """Items by number, newest first; those that are gone are left out."""
    if not ids:
        return []
    wanted = (items.organization_id == organization_id, items.id.in_(sorted(ids)))
    return [item_of(row) for row in await tx.execute(ALL.where(*wanted).order_by(items.id.desc()))]


async def delete_old(tx: Transaction, organization_id: int, up_to: int, since: datetime) -> int:
    """Deletes the items with numbers up to one that are older than a time; answers how many."""
    old = (items.organization_id == organization_id, items.id <= up_to, items.create_time < since)
    deleted: int = (await tx.execute(delete(activity_items).where(*old))).rowcount
    return deleted


async def find_oldest(tx: Transaction, organization_id: int) -> tuple[int, datetime] | None:
    """Number and time of the oldest item."""
    statement = select(items.id, items.create_time).where(items.organization_id == organization_id).order_by(items.id).limit(1)
    row = (await tx.execute(statement)).first()
    return None if row is None else (row.id, row.create_time)


def item_of(row: Any) -> Item:  # noqa: ANN401 -- a row
    """The item of a row."""
    draft = Draft(
        kind=row.kind,
        action=row.action,
        title=row.title,
        summary=row.summary,
        severity=None if row.severity is None else Severity(row.severity),
        actor=Actor(ActorType(row.actor_type), row.actor_name, row.actor_id),
        agent_id=row.agent_id,
        project_ids=() if row.project_ids is None else tuple(row.project_ids.split(",")),
        machine=row.machine,
        incident_id=row.incident_id,
        alert_id=row.alert_id,
        resource=None if row.resource_type is None else Resource(row.resource_type, row.resource_id),
    )
    return Item(row.id, draft, row.create_time)
