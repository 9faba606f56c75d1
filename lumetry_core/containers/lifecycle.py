"""Decides what events and sightings make of containers (contract monitoring 4.3). Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lumetry_core.containers.engine import EngineEvent, Inspected
from lumetry_core.containers.model import Container, ContainerState, Health, Transition
from lumetry_core.containers.options import read_options

GRACEFUL = frozenset({0, 137, 143})
"""Exit codes of containers that did their work or were told to stop."""
TRUSTED_LAG = timedelta(minutes=5)
"""An engine's clock that differs more is not believed."""
STATES = {
    "created": ContainerState.CREATED,
    "configured": ContainerState.CREATED,
    "initialized": ContainerState.CREATED,
    "running": ContainerState.RUNNING,
    "stopping": ContainerState.RUNNING,
    "paused": ContainerState.PAUSED,
    "restarting": ContainerState.RESTARTING,
    "dead": ContainerState.DEAD,
    "completed": ContainerState.COMPLETED,
    "failed": ContainerState.EXITED,
}
"""By the words of Docker and Podman, and the last two of workloads; every other word means that it ended."""
MAX_NAME_LENGTH = 255
MAX_ERROR_LENGTH = 500


def end_state(exit_code: int | None, *, oom_killed: bool) -> ContainerState:
    """The state after an end."""
    return ContainerState.COMPLETED if exit_code in GRACEFUL and not oom_killed else ContainerState.EXITED


def state_of(seen: Inspected) -> ContainerState:
    """The state of a container that was looked at."""
    return STATES.get(seen.state) or end_state(seen.exit_code, oom_killed=seen.oom_killed)


def health_of(word: str) -> Health | None:
    """The health by the engine's word; None for others."""
    return Health(word) if word in set(Health) else None


def state_after(state: ContainerState, event: EngineEvent, *, oom_killed: bool) -> ContainerState:
    """The state after an event."""
    match event.action:
        case "start" | "unpause":
            return ContainerState.RUNNING
        case "pause":
            return ContainerState.PAUSED
        case "die":
            return end_state(event.exit_code, oom_killed=oom_killed)
        case "stop":
            return state if state is ContainerState.COMPLETED else ContainerState.EXITED
    return state


def apply_event(container: Container, event: EngineEvent, seen: Inspected | None, *, oom_killed: bool, time: datetime) -> Container:
    """The container after an event.

    Args:
        container: As it is known.
        event: What happened. `destroy` archives.
        seen: What a look at it just after showed; None: it was gone already, or was not looked at.
        oom_killed: Whether the runtime ended it because memory ran out; counts for `die`.
        time: When it happened, by our clock.
    """
    state = state_after(container.state, event, oom_killed=oom_killed)
    after = container
    if seen is not None and event.action in ("start", "rename"):
        after = describe(after, seen)
    if event.action == "start":
        health = health_of(seen.health) if seen else (Health.STARTING if after.has_health_check else None)
        after = replace(after, exit_code=None, oom_killed=False, error_detail=None, health=health)
    elif event.action == "die":
        after = replace(after, exit_code=event.exit_code, oom_killed=oom_killed)
        if seen is not None:
            after = replace(after, error_detail=seen.error[:MAX_ERROR_LENGTH] or None)
    elif event.action == "health_status":
        health = health_of(event.health)
        after = replace(after, health=health, has_health_check=after.has_health_check or health is not None)
    elif event.action == "destroy":
        after = replace(after, archive_time=time)
    if state is not after.state:
        after = replace(after, state=state, last_state_change_time=time)
    return after


def describe(container: Container, seen: Inspected) -> Container:
    """The container with everything that is set when it is made: numbers, name, image, labels."""
    options = read_options(seen.labels)
    _name, group, unit = identity_of(seen)
    workload = seen.workload
    return replace(
        container,
        runtime_type="docker" if workload is None else "kubernetes",
        controller_kind=workload.kind if workload else None,
        namespace=workload.namespace if workload else None,
        pod_count=workload.pod_count if workload else 0,
        ready_count=workload.ready_count if workload else 0,
        external_id=seen.external_id,
        name=seen.name[:MAX_NAME_LENGTH],
        image=seen.image,
        image_id=seen.image_id,
        image_digests=tuple(seen.image_digests) or (container.image_digests if container.image_id == seen.image_id else ()),
        has_health_check=seen.has_health_check,
        orchestration_group=group,
        orchestration_unit=unit,
        custom_group=options.custom_group,
        is_ignored=options.is_ignored,
        alert_severity=options.alert_severity,
        restart_threshold=options.restart_threshold,
        alert_channels=options.alert_channels,
        labels=dict(seen.labels),
    )


def apply_sighting(container: Container, seen: Inspected, now: datetime) -> Container:
    """The container after a look at it; one that was archived is back."""
    state = state_of(seen)
    is_over = state in (ContainerState.EXITED, ContainerState.COMPLETED, ContainerState.DEAD, ContainerState.RESTARTING)
    after = replace(
        describe(container, seen),
        archive_time=None,
        health=health_of(seen.health),
        exit_code=seen.exit_code if is_over else None,
        oom_killed=seen.oom_killed and is_over,
        error_detail=seen.error[:MAX_ERROR_LENGTH] or None,
    )
    if state is after.state:
        return after
    told = seen.start_time if state is ContainerState.RUNNING else seen.finish_time if is_over else None
    return replace(after, state=state, last_state_change_time=believe(told, container.last_state_change_time, now))


def discover(organization_id: int, seen: Inspected, now: datetime) -> Container:
    """The record of a container that was not known, still without its number."""
    blank = Container(
        id=0,
        organization_id=organization_id,
        external_id=seen.external_id,
        name=seen.name,
        image=seen.image,
        image_id=seen.image_id,
        state=ContainerState.CREATED,
        first_seen_time=now,
        last_state_change_time=now,
        counted_time=now,
    )
    return replace(apply_sighting(blank, seen, now), last_state_change_time=now)


def believe(told: datetime | None, earliest: datetime, now: datetime) -> datetime:
    """When something happened: as the engine tells it where that can be, else now."""
    return told if told is not None and earliest <= told <= now else now


def moment_of(event: EngineEvent, container: Container, now: datetime) -> datetime:
    """When an event happened, by our clock."""
    return believe(event.time if now - event.time <= TRUSTED_LAG else None, container.last_state_change_time, now)


def transition_between(before: Container, after: Container, time: datetime, snippet: str | None) -> Transition | None:
    """The transition from one to the other; None when neither state nor health changed, unless it was away."""
    was_away = before.is_archived and not after.is_archived
    if (before.state, before.health) == (after.state, after.health) and not was_away:
        return None
    return Transition(
        organization_id=after.organization_id,
        container_id=after.id,
        previous_state=before.state,
        new_state=after.state,
        previous_health=before.health,
        new_health=after.health,
        exit_code=after.exit_code if before.state is not after.state else None,
        log_snippet=snippet,
        time=time,
        absent_since=before.archive_time if was_away else None,
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a reconcile does."""

    new: Sequence[Inspected]
    known: Sequence[tuple[Container, Inspected]]
    """Records with what was seen of them, those that are revived or were made anew included."""
    vanished: Sequence[Container]


def plan_reconcile(records: Sequence[Container], seen: Iterable[Inspected]) -> Plan:
    """Finds the record of every container.

    A container belongs to the record of its engine number, unless its name became that of an archived record; without one to the record of
    its name, group and unit that is archived or whose container is gone.
    """
    sightings = {each.external_id: each for each in seen}
    present = {record.external_id: record for record in records if not record.is_archived}
    archived = {record.identity: record for record in sorted(records, key=archived_at) if record.is_archived}
    gone = {record.identity: record for record in present.values() if record.external_id not in sightings}
    new, known = [], []
    kept: set[int] = set()
    for each in sightings.values():
        identity = identity_of(each)
        record = present.get(each.external_id)
        if record is None or (record.identity != identity and identity in archived):
            record = gone.pop(identity, None) or archived.pop(identity, None) or record
        if record is None or record.id in kept:
            new.append(each)
        else:
            kept.add(record.id)
            known.append((record, each))
    return Plan(new, known, [record for record in present.values() if record.id not in kept])


def archived_at(record: Container) -> tuple[datetime, int]:
    """Orders records so that the one that was archived last comes last."""
    return record.archive_time or record.first_seen_time, record.id


def identity_of(seen: Inspected) -> tuple[str, str | None, str | None]:
    """What tells a container from others for good."""
    if seen.workload is not None:
        return seen.name[:MAX_NAME_LENGTH], seen.workload.namespace, seen.workload.unit
    options = read_options(seen.labels)
    return seen.name[:MAX_NAME_LENGTH], options.orchestration_group, options.orchestration_unit
