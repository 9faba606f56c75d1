"""Rows of links: which project has what."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import BigInteger, Column, Index, String, Table, and_, delete, or_, select

from lumetry_core.projects.links import LinkType, Ref
from lumetry_core.projects.store.projects import alive, projects
from lumetry_core.runtime.database import Transaction, metadata

project_links = Table(
    "project_links",
    metadata,
    Column("organization_id", BigInteger, primary_key=True, autoincrement=False),
    Column("project_id", String(36), primary_key=True),
    Column("type", String(20), primary_key=True),
    Column("ref", String(300), primary_key=True),
    Index("ix_project_links_organization_ref", "organization_id", "type", "ref"),
)
REFS_PER_STATEMENT = 5000

T = TypeVar("T")


async def has_links(tx: Transaction, organization_id: int) -> bool:
    """Whether any project of the organization links anything."""
    return (
        await tx.execute(select(project_links.c.ref).where(project_links.c.organization_id == organization_id).limit(1))
    ).first() is not None


async def list_links(tx: Transaction, organization_id: int, project_id: str) -> dict[LinkType, list[str]]:
    """What a project links, numbers ascending, keys in the order of their letters."""
    columns = project_links.c
    rows = await tx.execute(
        select(columns.type, columns.ref).where(columns.organization_id == organization_id, columns.project_id == project_id)
    )
    found: dict[LinkType, list[str]] = {kind: [] for kind in LinkType}
    for row in rows:
        found[LinkType(row.type)].append(row.ref)
    for refs in found.values():
        refs.sort(key=lambda ref: (int(ref), "") if ref.isdecimal() else (0, ref))
    return found


async def list_all_links(tx: Transaction, organization_id: int) -> dict[Ref, list[str]]:
    """By what is linked: the projects that have it, in the order of their creation."""
    columns = project_links.c
    of_project = and_(projects.c.organization_id == columns.organization_id, projects.c.id == columns.project_id)
    statement = (
        select(columns.type, columns.ref, columns.project_id)
        .join(projects, of_project)
        .where(alive(organization_id), columns.organization_id == organization_id)
        .order_by(projects.c.create_time, projects.c.id)
    )
    found: dict[Ref, list[str]] = {}
    for row in await tx.execute(statement):
        found.setdefault((LinkType(row.type), row.ref), []).append(row.project_id)
    return found


async def find_projects_of(tx: Transaction, organization_id: int, refs: Collection[Ref]) -> list[str]:
    """The projects that link any of these, in the order of their creation."""
    columns = project_links.c
    found: dict[str, tuple[datetime, str]] = {}
    for part in parts(sorted(refs)):
        by_type: dict[str, list[str]] = {}
        for kind, ref in part:
            by_type.setdefault(kind.value, []).append(ref)
        wanted = or_(*(and_(columns.type == kind, columns.ref.in_(same)) for kind, same in by_type.items()))
        of_project = and_(projects.c.organization_id == columns.organization_id, projects.c.id == columns.project_id)
        statement = (
            select(projects.c.id, projects.c.create_time)
            .distinct()
            .join(project_links, of_project)
            .where(alive(organization_id), columns.organization_id == organization_id, wanted)
        )
        found |= {row.id: (row.create_time, row.id) for row in await tx.execute(statement)}
    return sorted(found, key=lambda project_id: found[project_id])


async def replace_links(tx: Transaction, organization_id: int, project_id: str, links: Mapping[LinkType, Collection[str]]) -> None:
    """Replaces what a project links of the types that are named."""
    columns = project_links.c
    of_project = and_(columns.organization_id == organization_id, columns.project_id == project_id)
    await tx.execute(delete(project_links).where(of_project, columns.type.in_([kind.value for kind in links])))
    rows = [
        {"organization_id": organization_id, "project_id": project_id, "type": kind.value, "ref": ref}
        for kind, refs in links.items()
        for ref in sorted(set(refs))
    ]
    if rows:
        await tx.execute(project_links.insert(), rows)


async def delete_links(tx: Transaction, organization_id: int, refs: Collection[Ref]) -> None:
    """Takes what is named out of every project."""
    columns = project_links.c
    by_type: dict[LinkType, list[str]] = {}
    for kind, ref in sorted(refs):
        by_type.setdefault(kind, []).append(ref)
    for kind, same in by_type.items():
        for part in parts(same):
            named = (columns.organization_id == organization_id, columns.type == kind.value, columns.ref.in_(part))
            await tx.execute(delete(project_links).where(*named))


async def delete_links_of(tx: Transaction, organization_id: int, project_id: str) -> None:
    """Takes everything out of a project."""
    columns = project_links.c
    await tx.execute(delete(project_links).where(columns.organization_id == organization_id, columns.project_id == project_id))


async def list_organizations(tx: Transaction) -> list[int]:
    """The organizations that have links, ascending."""
    rows = await tx.execute(select(project_links.c.organization_id).distinct().order_by(project_links.c.organization_id))
    return list(rows.scalars())


def parts(values: Sequence[T]) -> Iterable[Sequence[T]]:
    """Values in parts, as databases limit the parameters of a statement."""
    return (values[start : start + REFS_PER_STATEMENT] for start in range(0, len(values), REFS_PER_STATEMENT))
