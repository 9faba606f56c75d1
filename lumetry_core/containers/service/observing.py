"""Takes in what was seen of containers, and what happened to them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.containers.engine import EngineEvent, Inspected
from lumetry_core.containers.lifecycle import apply_event, apply_sighting, discover, moment_of, plan_reconcile
from lumetry_core.containers.model import Container
from lumetry_core.containers.service.changing import add_container, change_container
from lumetry_core.containers.service.nodes import find_nodes
from lumetry_core.containers.store import containers as store
from lumetry_core.endpoints.sealing import Rules
from lumetry_core.runtime.database import Transaction


async def reconcile(tx: Transaction, organization_id: int, seen: Sequence[Inspected], rules: Rules, now: datetime) -> None:
    """Brings the records to what the runtime has: archives what vanished, adds what is new, records what changed.

    Args:
        tx: The transaction.
        organization_id: Whose runtime it is.
        seen: All containers that there are.
        rules: What the deployment says of endpoints.
        now: The present.
    """
    records = await store.list_containers(tx, organization_id, archived=True, ignored=True)
    plan = plan_reconcile(records, seen)
    for container in plan.vanished:
        await change_container(tx, container, replace(container, archive_time=now), rules, now)
    for container, sighting in plan.known:
        await change_container(tx, container, apply_sighting(container, sighting, now), rules, now)
    for sighting in plan.new:
        await add_container(tx, discover(organization_id, sighting, now), rules, now)


async def take_event(
    tx: Transaction,
    organization_id: int,
    event: EngineEvent,
    seen: Inspected | None,
    rules: Rules,
    now: datetime,
    *,
    oom_killed: bool = False,
    snippet: str | None = None,
) -> bool:
    """Records what happened to a container; False when no record has its number, so that a reconcile has to find it.

    Args:
        tx: The transaction.
        organization_id: Whose runtime it is.
        event: What happened.
        seen: What a look at the container just after showed.
        rules: What the deployment says of endpoints.
        now: The present.
        oom_killed: Whether the runtime ended it because memory ran out.
        snippet: The end of its log, of a container that ended.
    """
    container = await find_present(tx, organization_id, event.external_id)
    if container is None:
        return event.action == "destroy"
    if event.action == "update":
        if seen is not None:
            await change_container(tx, container, apply_sighting(container, seen, now), rules, now, snippet=snippet)
        return True
    moment = moment_of(event, container, now)
    after = apply_event(container, event, seen, oom_killed=oom_killed, time=moment)
    await change_container(tx, container, after, rules, now, time=moment, snippet=snippet)
    return True


async def find_present(tx: Transaction, organization_id: int, external_id: str) -> Container | None:
    """The container with an engine's number, unless it is gone."""
    found = await store.find_by_external_id(tx, organization_id, external_id)
    return None if found is None or found.is_archived else found


async def refresh_nodes(tx: Transaction, organization_id: int, rules: Rules, now: datetime) -> None:
    """Brings the nodes of containers to what the topology has now."""
    containers = await store.list_containers(tx, organization_id)
    nodes = await find_nodes(tx, organization_id, containers)
    for container in containers:
        after = replace(container, topology_node_id=nodes.get(container.id))
        await change_container(tx, container, after, rules, now)
