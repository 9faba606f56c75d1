"""Containers for those who look at them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lumetry_core.alerts.monitors import EntityType
from lumetry_core.alerts.service.monitors import find_active_monitored
from lumetry_core.containers.model import Container, ContainerState, GroupSource, State, Transition
from lumetry_core.containers.service.uptime import read_uptime
from lumetry_core.containers.store import containers as store
from lumetry_core.containers.store import transitions as transition_store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found

DEFAULT_SPAN = timedelta(hours=24)
MAX_TRANSITIONS = 500


@dataclass(frozen=True, slots=True)
class Group:
    """Containers that belong together."""

    name: str
    source: GroupSource
    containers: Sequence[Container]


async def list_groups(
    tx: Transaction, caller: Caller, *, archived: bool = False, group: str = "", state: ContainerState | None = None
) -> tuple[list[Group], int]:
    """Containers by group, in the order of names, and how many are archived.

    Args:
        tx: The transaction.
        caller: Who asks.
        archived: Archived ones too.
        group: Only the group of this name; empty: all.
        state: Only in this state.
    """
    states = () if state is None else (state,)
    groups: dict[str, list[Container]] = {}
    sources: dict[str, GroupSource] = {}
    for container in await store.list_containers(tx, caller.organization_id, archived=archived, states=states):
        name, source = container.group
        if group in ("", name):
            groups.setdefault(name, []).append(container)
            # Of a group with two sources the more telling one counts, which is the first of the enumeration.
            sources[name] = min(source, sources.get(name, source), key=list(GroupSource).index)
    listed = [Group(name, sources[name], groups[name]) for name in sorted(groups)]
    return listed, await store.count_archived(tx, caller.organization_id)


async def get_container(tx: Transaction, caller: Caller, container_id: int) -> Container:
    """One container, archived ones too. Fails with NOT_FOUND."""
    found = await store.find_containers(tx, caller.organization_id, [container_id])
    if container_id not in found:
        raise not_found("Container", container_id)
    return found[container_id]


async def get_detail(
    tx: Transaction, caller: Caller, container_id: int, transitions_days: int, now: datetime
) -> tuple[Container, dict[str, float | None]]:
    """One container with its uptime by window. Fails with NOT_FOUND."""
    container = await get_container(tx, caller, container_id)
    return container, await read_uptime(tx, container, transitions_days, now)


async def list_transitions(
    tx: Transaction,
    caller: Caller,
    container_id: int,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    offset: int,
    now: datetime,
) -> tuple[list[Transition], int]:
    """A page of the transitions of a container, newest first, and how many there are. Fails with VALIDATION_FAILED and NOT_FOUND."""
    faults = Faults()
    faults.check(1 <= limit <= MAX_TRANSITIONS, "limit", f"must be between 1 and {MAX_TRANSITIONS}")
    faults.check(offset >= 0, "offset", "must be at least 0")
    faults.raise_if_any()
    container = await get_container(tx, caller, container_id)
    first, last = since or now - DEFAULT_SPAN, until or now
    page = await transition_store.list_transitions(tx, caller.organization_id, container.id, first, last, limit, offset)
    return page, await transition_store.count_transitions(tx, caller.organization_id, container.id, first, last)


async def list_containers(
    tx: Transaction,
    organization_id: int,
    *,
    archived: bool = False,
    ignored: bool = False,
    states: Collection[ContainerState] = (),
) -> list[Container]:
    """Containers by name; archived and ignored ones only when asked for."""
    return await store.list_containers(tx, organization_id, archived=archived, ignored=ignored, states=states)


async def find_containers(tx: Transaction, organization_id: int, container_ids: Collection[int]) -> dict[int, Container]:
    """Containers by number, archived and ignored ones too; unknown ones are left out."""
    return await store.find_containers(tx, organization_id, container_ids)


async def find_by_external_id(tx: Transaction, organization_id: int, external_id: str) -> Container | None:
    """The container with the runtime's number, archived ones too; of several the one that is there or was last."""
    return await store.find_by_external_id(tx, organization_id, external_id)


async def find_states(tx: Transaction, organization_id: int, container_ids: Collection[int]) -> dict[int, State]:
    """How containers are; unknown ones are left out, and ignored ones, which nobody watches."""
    found = await store.find_containers(tx, organization_id, container_ids)
    active = await find_active_monitored(tx, organization_id, EntityType.CONTAINER, set(found))
    alerting = {alert.entity_id for alert in active}
    return {
        number: State(
            name=container.name,
            status=container.state.value,
            is_alerting=number in alerting,
            topology_node_id=container.topology_node_id,
            health=None if container.health is None else container.health.value,
            is_archived=container.is_archived,
        )
        for number, container in found.items()
        if not container.is_ignored
    }
