"""How the monitors behind components are."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Protocol, TypeVar

from lumetry_core.certificates.service.reading import find_states as find_certificates
from lumetry_core.containers.service.reading import find_states as find_containers
from lumetry_core.endpoints.service.reading import find_states as find_endpoints
from lumetry_core.heartbeats.service.reading import find_states as find_heartbeats
from lumetry_core.runtime.database import Transaction
from lumetry_core.statuspages.model import MonitorKey, MonitorKind, Reading

Reader = Callable[[Transaction, int, Collection[int]], Awaitable[Mapping[int, Reading]]]
"""How the monitors of one kind are, by number; those that do not exist are left out."""
ARCHIVED = "archived"


class State(Protocol):
    """What every area of monitors tells of one."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def status(self) -> str:
        """How it is."""

    @property
    def is_alerting(self) -> bool:
        """Whether it has an alert."""

    @property
    def topology_node_id(self) -> int | None:
        """The node that it is about."""


S = TypeVar("S", bound=State)


def reader(find: Callable[[Transaction, int, Collection[int]], Awaitable[Mapping[int, S]]]) -> Reader:
    """Reads monitors whose state is all there is to know."""

    async def read(tx: Transaction, organization_id: int, ids: Collection[int]) -> dict[int, Reading]:
        found = await find(tx, organization_id, ids)
        return {
            number: Reading(state.name, state.status, state.is_alerting, node_id=state.topology_node_id) for number, state in found.items()
        }

    return read


async def read_containers(tx: Transaction, organization_id: int, ids: Collection[int]) -> dict[int, Reading]:
    """Containers have a health besides. One that is archived runs no more, whatever its state was last."""
    return {
        number: Reading(
            state.name, ARCHIVED if state.is_archived else state.status, state.is_alerting, state.health, state.topology_node_id
        )
        for number, state in (await find_containers(tx, organization_id, ids)).items()
    }


READERS: Mapping[MonitorKind, Reader] = {
    MonitorKind.CONTAINER: read_containers,
    MonitorKind.ENDPOINT: reader(find_endpoints),
    MonitorKind.HEARTBEAT: reader(find_heartbeats),
    MonitorKind.CERTIFICATE: reader(find_certificates),
}


async def read_states(tx: Transaction, organization_id: int, keys: Iterable[MonitorKey]) -> dict[MonitorKey, Reading]:
    """How monitors are; those that do not exist are left out."""
    wanted: defaultdict[MonitorKind, set[int]] = defaultdict(set)
    for kind, number in keys:
        wanted[kind].add(number)
    found: dict[MonitorKey, Reading] = {}
    for kind, numbers in wanted.items():
        found |= {(kind, number): reading for number, reading in (await READERS[kind](tx, organization_id, numbers)).items()}
    return found
