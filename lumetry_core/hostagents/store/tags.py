"""Tags, and which agents bear them."""

import re
from collections.abc import Collection, Sequence

from sqlalchemy import BigInteger, Column, Index, Table, Text, UniqueConstraint, delete, func, select

from lumetry_core.hostagents.model import Tag
from lumetry_core.runtime.database import Id, Transaction, metadata

agent_tags = Table(
    "agent_tags",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    UniqueConstraint("organization_id", "name_key"),
    sqlite_autoincrement=True,
)
host_agent_tags = Table(
    "host_agent_tags",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("agent_id", BigInteger, primary_key=True, autoincrement=False),
    Column("tag_id", BigInteger, primary_key=True, autoincrement=False),
    Index("ix_host_agent_tags_organization_id_tag_id", "organization_id", "tag_id", "agent_id"),
)

tags, links = agent_tags.c, host_agent_tags.c
MANY_DIGITS = re.compile(r"[0-9]{1,15}", re.ASCII)


def name_key(name: str) -> str:
    """What must be unique of a name."""
    return name.lower()


async def insert_tag(tx: Transaction, organization_id: int, name: str) -> int | None:
    """Adds a tag and answers its number; None when its name is taken."""
    values = {"organization_id": organization_id, "name": name, "name_key": name_key(name)}
    added = tx.insert(agent_tags).values(values).on_conflict_do_nothing().returning(tags.id)
    return (await tx.execute(added)).scalar_one_or_none()


async def list_tags(tx: Transaction, organization_id: int) -> list[tuple[Tag, int]]:
    """All tags by name, each with the number of agents that bear it."""
    counted = (
        select(links.tag_id, func.count().label("agents")).where(links.organization_id == organization_id).group_by(links.tag_id).subquery()
    )
    statement = (
        select(tags.id, tags.name, func.coalesce(counted.c.agents, 0).label("agents"))
        .outerjoin(counted, counted.c.tag_id == tags.id)
        .where(tags.organization_id == organization_id)
    )
    found = [(Tag(row.id, row.name), row.agents) for row in await tx.execute(statement)]
    return sorted(found, key=lambda pair: (name_key(pair[0].name), pair[0].id))


async def find_tags(tx: Transaction, organization_id: int, ids: Collection[int]) -> dict[int, Tag]:
    """Tags by number; unknown ones are left out."""
    if not ids:
        return {}
    statement = select(tags.id, tags.name).where(tags.organization_id == organization_id, tags.id.in_(sorted(ids)))
    return {row.id: Tag(row.id, row.name) for row in await tx.execute(statement)}


async def find_tag_id(tx: Transaction, organization_id: int, name: str) -> int | None:
    """The number of the tag with a name, ignoring case."""
    statement = select(tags.id).where(tags.organization_id == organization_id, tags.name_key == name_key(name))
    number: int | None = (await tx.execute(statement)).scalar_one_or_none()
    return number


async def list_tags_of(tx: Transaction, organization_id: int, agent_ids: Collection[int]) -> dict[int, list[Tag]]:
    """The tags of agents by their number, each by name; agents without any are left out."""
    if not agent_ids:
        return {}
    statement = (
        select(links.agent_id, tags.id, tags.name)
        .join(agent_tags, (tags.organization_id == links.organization_id) & (tags.id == links.tag_id))
        .where(links.organization_id == organization_id, links.agent_id.in_(sorted(agent_ids)))
    )
    found: dict[int, list[Tag]] = {}
    for row in await tx.execute(statement):
        found.setdefault(row.agent_id, []).append(Tag(row.id, row.name))
    for of_agent in found.values():
        of_agent.sort(key=lambda tag: (name_key(tag.name), tag.id))
    return found


async def list_bearers(tx: Transaction, organization_id: int, tag: str) -> set[int]:
    """The numbers of the agents that bear a tag.

    Args:
        tag: Its name, ignoring case, or its number.
    """
    is_meant = tags.name_key == name_key(tag)
    if MANY_DIGITS.fullmatch(tag):
        is_meant |= tags.id == int(tag)
    statement = (
        select(links.agent_id)
        .join(agent_tags, (tags.organization_id == links.organization_id) & (tags.id == links.tag_id))
        .where(links.organization_id == organization_id, is_meant)
    )
    return set((await tx.execute(statement)).scalars())


async def replace_tags(tx: Transaction, organization_id: int, agent_id: int, tag_ids: Sequence[int]) -> None:
    """Writes which tags an agent bears."""
    await tx.execute(delete(host_agent_tags).where(links.organization_id == organization_id, links.agent_id == agent_id))
    rows = [{"organization_id": organization_id, "agent_id": agent_id, "tag_id": tag_id} for tag_id in sorted(set(tag_ids))]
    if rows:
        await tx.execute(host_agent_tags.insert(), rows)
