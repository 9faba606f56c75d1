"""What overviews count of a container."""

from dataclasses import dataclass

from lumetry_core.containers.model import ContainerState


@dataclass(frozen=True, slots=True)
class Standing:
    """How a container is."""

    id: int
    state: ContainerState
    is_unhealthy: bool
    runtime_type: str
    topology_node_id: int | None
