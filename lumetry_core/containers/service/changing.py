"""Records what became of a container, with all that follows from it, in one transaction."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.containers.lifecycle import transition_between
from lumetry_core.containers.model import Container, ContainerState, Transition
from lumetry_core.containers.service import alerting, attached, nodes
from lumetry_core.containers.shares import count_seconds
from lumetry_core.containers.store import containers as store
from lumetry_core.containers.store import transitions as transition_store
from lumetry_core.containers.telling import Told, tell_archived, tell_changes, tell_discovered
from lumetry_core.endpoints.sealing import Rules
from lumetry_core.feed.service import tell
from lumetry_core.runtime.database import Transaction
from lumetry_core.uptime.model import DayCount, MonitorType
from lumetry_core.uptime.service import count


async def add_container(tx: Transaction, new: Container, rules: Rules, now: datetime) -> Container:
    """Records a container that was not known. Its history begins with its creation."""
    node_id = await nodes.find_node(tx, new)
    container = replace(new, topology_node_id=node_id)
    container = replace(container, id=await store.insert_container(tx, container))
    first = transition_between(replace(container, state=ContainerState.CREATED, health=None), container, now, None)
    if first is not None:
        await transition_store.insert_transition(tx, first)
    if not container.is_ignored:
        await tell(tx, container.organization_id, [tell_discovered(container)], now)
    await attached.follow(tx, None, container, rules, now)
    await alerting.judge_health(tx, container, None, now)
    return container


async def change_container(
    tx: Transaction,
    before: Container,
    after: Container,
    rules: Rules,
    now: datetime,
    *,
    time: datetime | None = None,
    snippet: str | None = None,
) -> Container:
    """Records a change of a container, if there is one.

    Args:
        tx: The transaction.
        before: As it is recorded.
        after: As it is.
        rules: What the deployment says of endpoints.
        now: The present.
        time: When it happened; None: when the state changed last.
        snippet: The end of its log, of a container that ended.
    """
    if after == before:
        return before
    after = replace(after, topology_node_id=await nodes.find_node(tx, after))
    moment = time or (after.last_state_change_time if before.state is not after.state else now)
    transition = transition_between(before, after, moment, snippet)
    came_back = before.is_archived and not after.is_archived
    after = replace(after, counted_time=now) if came_back else await count_until(tx, before, after, moment, transition)
    await store.update_container(tx, after)
    if transition is not None:
        await transition_store.insert_transition(tx, transition)
    await tell(tx, after.organization_id, list_told(before, after, now), now)
    await attached.follow(tx, before, after, rules, now)
    if attached.is_watched(after):
        await alerting.judge_change(tx, before, after, transition, now)
    return after


def list_told(before: Container, after: Container, now: datetime) -> Sequence[Told]:
    """What is told of a change; of containers that are ignored nothing."""
    if after.is_ignored:
        return []
    told = tell_changes(before, after)
    if after.is_archived and not before.is_archived:
        told.append(tell_archived(after, after.archive_time or now))
    elif (before.is_archived and not after.is_archived) or before.is_ignored:
        told.insert(0, tell_discovered(after))
    return told


async def count_until(tx: Transaction, before: Container, after: Container, moment: datetime, transition: Transition | None) -> Container:
    """Counts the time that passed in the state before, and the incident that the change is."""
    if before.is_archived or (transition is None and before.is_archived == after.is_archived):
        return after
    counts, counted = count_seconds(before, moment)
    if transition is not None and transition.is_incident:
        counts.append(DayCount(after.id, moment.date(), 0, 0, 1))
    await count(tx, after.organization_id, MonitorType.CONTAINER, counts)
    return replace(after, counted_time=counted)
