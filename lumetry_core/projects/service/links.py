"""The verbs of links: what belongs to projects, and what projects something belongs to.

An alert belongs to the projects that link its monitor, its metric, its topology node or a node above that. What is named is not checked
here: the areas that know it stand above.
"""

from collections.abc import Collection, Mapping, Sequence

from lumetry_core.projects.links import Links, LinkType, Ref, Subject
from lumetry_core.projects.store import links as store
from lumetry_core.projects.store import projects as project_store
from lumetry_core.runtime.database import Transaction


async def find_linked_projects(
    tx: Transaction,
    organization_id: int,
    *,
    monitors: Collection[tuple[str, int]] = (),
    node_ids: Collection[int] = (),
    metric_keys: Collection[str] = (),
) -> list[str]:
    """The projects (UUIDs in the order of their creation) that link any of these.

    Args:
        monitors: Types (`container`, `endpoint`, `heartbeat`, `certificate`) and numbers.
        node_ids: Nodes; a node belongs to the projects of those above it, which are to be named too.
    """
    refs = {ref for monitor in monitors for ref in Subject(monitor=monitor).refs()}
    refs |= Subject(node_ids=frozenset(node_ids)).refs()
    refs |= {(LinkType.METRIC, key) for key in metric_keys}
    if not refs or not await store.has_links(tx, organization_id):
        return []
    return await store.find_projects_of(tx, organization_id, refs)


async def has_links(tx: Transaction, organization_id: int) -> bool:
    """Whether any project of the organization links anything."""
    return await store.has_links(tx, organization_id)


async def list_links(tx: Transaction, organization_id: int, project_id: str) -> Mapping[LinkType, Sequence[str]]:
    """What a project links, every type named."""
    return await store.list_links(tx, organization_id, project_id)


async def list_all_links(tx: Transaction, organization_id: int) -> Mapping[Ref, Sequence[str]]:
    """By what is linked: the projects that have it, in the order of their creation."""
    return await store.list_all_links(tx, organization_id)


async def list_project_ids(tx: Transaction, organization_id: int) -> list[str]:
    """Every project, in the order of their creation."""
    return await project_store.list_ids(tx, organization_id)


async def list_hidden_projects(tx: Transaction, organization_id: int, user_id: int | None) -> frozenset[str]:
    """The private projects of others, whose records the user does not see."""
    return await project_store.list_hidden(tx, organization_id, user_id)


async def replace_links(tx: Transaction, organization_id: int, project_id: str, links: Links) -> None:
    """Replaces what a project links of the types that are named, and leaves the other types alone."""
    await store.replace_links(tx, organization_id, project_id, links)


async def drop_links(tx: Transaction, organization_id: int, refs: Collection[Ref]) -> None:
    """Takes what is gone out of every project."""
    await store.delete_links(tx, organization_id, refs)


async def list_linking_organizations(tx: Transaction) -> list[int]:
    """The organizations whose projects link anything, ascending."""
    return await store.list_organizations(tx)
