"""Containers as this area sees them, and how people name one."""

from collections.abc import Collection, Sequence

from lumetry_core.containers.model import Container, ContainerState
from lumetry_core.containers.service.reading import find_by_external_id, find_containers, list_containers
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import not_found
from lumetry_core.updates.image import parse_image
from lumetry_core.updates.model import Target
from lumetry_core.updates.options import read_options

KUBERNETES = "kubernetes"
MAX_NUMBER_DIGITS = 15
"""Longer texts are ids of runtimes even when they are all digits."""


async def list_targets(tx: Transaction, organization_id: int) -> list[Target]:
    """All containers that are not archived, ignored ones included, by name."""
    found = await list_containers(tx, organization_id, ignored=True)
    return sorted((to_target(each) for each in found), key=lambda target: (target.name, target.container_id))


async def find_targets(tx: Transaction, organization_id: int, ids: Collection[int]) -> dict[int, Target]:
    """Containers by number; unknown ones are left out."""
    return {number: to_target(each) for number, each in (await find_containers(tx, organization_id, ids)).items()}


async def find_target(tx: Transaction, organization_id: int, name: str) -> Target:
    """The container of an id of its runtime, or of a number in decimal. Fails with NOT_FOUND."""
    found = await find_by_external_id(tx, organization_id, name)
    if found is None and name.isascii() and name.isdecimal() and len(name) <= MAX_NUMBER_DIGITS:
        found = (await find_containers(tx, organization_id, [int(name)])).get(int(name))
    if found is None:
        raise not_found("Container", name)
    return to_target(found)


def running(targets: Sequence[Target]) -> list[Target]:
    """Those that a scan looks at."""
    return [target for target in targets if target.is_running and not target.is_archived]


def to_target(container: Container) -> Target:
    """A container as this area sees it."""
    return Target(
        container_id=container.id,
        external_id=container.external_id,
        name=container.name,
        image=container.image,
        reference=parse_image(container.image),
        known_digests=tuple(container.image_digests),
        options=read_options(container.labels),
        is_running=container.state is ContainerState.RUNNING,
        is_ignored=container.is_ignored,
        is_archived=container.is_archived,
        runtime_type=container.runtime_type,
        namespace=container.namespace or "",
        controller_kind=container.controller_kind or "",
        unit=unit_of(container),
        channels=container.channel_names,
        topology_node_id=container.topology_node_id,
    )


def unit_of(container: Container) -> str:
    """The compose service or the Kubernetes controller of a container; empty without. Services of a swarm are neither."""
    is_composed = any(label.endswith("compose.service") for label in container.labels)
    return container.orchestration_unit or "" if is_composed or container.runtime_type == KUBERNETES else ""
