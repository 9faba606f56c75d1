"""Finds the topology nodes of containers (contract monitoring 9.5)."""

from collections.abc import Collection

from lumetry_core.containers.model import Container
from lumetry_core.containers.options import read_options
from lumetry_core.runtime.database import Transaction
from lumetry_core.topology.service.nodes import find_node_ids


async def find_node(tx: Transaction, container: Container) -> int | None:
    """The topology node of a container: the one that its label names, else the one of its name, else of its unit (9.5)."""
    return (await find_nodes(tx, container.organization_id, [container])).get(container.id)


async def find_nodes(tx: Transaction, organization_id: int, containers: Collection[Container]) -> dict[int, int]:
    """The topology nodes of containers; those without one are left out."""
    wanted = {container.id: node_names(container) for container in containers}
    found = await find_node_ids(tx, organization_id, {name for names in wanted.values() for name in names})
    nodes = {}
    for container_id, names in wanted.items():
        node_id = next((found[name] for name in names if name in found), None)
        if node_id is not None:
            nodes[container_id] = node_id
    return nodes


def node_names(container: Container) -> tuple[str, ...]:
    """The external ids under which a topology may know a container, the one that counts most first."""
    named = read_options(container.labels).node
    return (*((named,) if named else ()), *container.node_names)
