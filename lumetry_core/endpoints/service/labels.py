"""Endpoints that labels of containers name: what containers tell as they start, stop, change and go (contract monitoring 5.4, 18)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lumetry_core.alerts.monitors import EntityType
from lumetry_core.alerts.service.monitors import end_for_entities
from lumetry_core.certificates.service.observing import release_endpoints
from lumetry_core.endpoints.drafts import EndpointDraft, check_config
from lumetry_core.endpoints.facts import Told, tell_config_error, tell_discovered, tell_removed, tell_status, tell_updated
from lumetry_core.endpoints.judging import reset
from lumetry_core.endpoints.labels import LabelEndpoint, read_endpoints
from lumetry_core.endpoints.model import CONTAINER_STOPPED, WAKE, Endpoint, Owner, Removal, Source, Status
from lumetry_core.endpoints.schedule import plan_first
from lumetry_core.endpoints.sealing import Rules, open_sealed, seal_headers
from lumetry_core.endpoints.service.reading import list_container_endpoints
from lumetry_core.endpoints.service.standalone import AT_ONCE, is_another
from lumetry_core.endpoints.store import endpoints as store
from lumetry_core.feed.service import tell
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError

__all__ = ["LabelOwner", "apply_labels", "deactivate_endpoints", "list_container_endpoints", "pause_endpoints"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelOwner:
    """The container whose labels are read."""

    container_id: int
    container_name: str
    external_id: str
    orchestration_group: str | None = None
    orchestration_unit: str | None = None
    topology_node_id: int | None = None
    alert_channels: tuple[str, ...] = ()
    alert_severity: str = "warning"
    """Of the container's own alerts; endpoints are always critical."""


async def apply_labels(
    tx: Transaction,
    organization_id: int,
    owner: LabelOwner,
    labels: Mapping[str, str],
    is_running: bool,  # noqa: FBT001 -- a state of the container
    now: datetime,
    *,
    rules: Rules,
) -> None:
    """Makes the endpoints of a container those that its labels name. What does not change goes on as it was, checks under way too."""
    known = {each.owner.slot: each for each in await store.find_of_containers(tx, organization_id, [owner.container_id], lock=True)}
    events: list[Told] = []
    wanted: set[str] = set()
    for named in read_endpoints(labels):
        before = known.get(named.slot)
        try:
            after = build(organization_id, owner, named, before, rules, now)
        except LumetryError as failure:
            events.append(tell_config_error(owner.container_name, named.label_key, spell_faults(failure)))
            continue
        wanted.add(named.slot)
        after = replace(after, is_paused=not is_running)
        events += await put(tx, before, after if is_running else stopped(after), now)
    gone = [each for each in known.values() if each.is_active and each.owner.slot not in wanted]
    await deactivate(tx, organization_id, gone, Removal.LABEL_REMOVED, now)
    await tell(tx, organization_id, events, now)
    if wanted:
        tx.wake(WAKE)


async def pause_endpoints(tx: Transaction, organization_id: int, container_ids: Collection[int], now: datetime) -> None:
    """Stops the checks of containers that stand still; nothing is known of their endpoints meanwhile."""
    found = await store.find_of_containers(tx, organization_id, container_ids, lock=True)
    events: list[Told] = []
    for before in found:
        if not before.is_active or before.is_paused:
            continue
        after = stopped(replace(before, is_paused=True))
        await store.update_endpoint(tx, after, None)
        if before.progress.status is not Status.UNKNOWN:
            events.append(tell_status(after, before))
    await tell(tx, organization_id, events, now)


async def deactivate_endpoints(
    tx: Transaction, organization_id: int, container_ids: Collection[int], reason: Removal | str, now: datetime
) -> None:
    """Ends the checks of containers that are gone, and resolves their alerts."""
    found = await store.find_of_containers(tx, organization_id, container_ids, lock=True)
    await deactivate(tx, organization_id, [each for each in found if each.is_active], Removal(reason), now)


async def deactivate(tx: Transaction, organization_id: int, endpoints: Sequence[Endpoint], reason: Removal, now: datetime) -> None:
    """Ends the checks of active endpoints."""
    if not endpoints:
        return
    for before in endpoints:
        await store.update_endpoint(tx, replace(before, is_active=False, progress=reset(before.progress), last_seen_time=now), None)
    why = "The container is gone" if reason is Removal.CONTAINER_DESTROYED else "The label was removed"
    await end_for_entities(tx, organization_id, EntityType.ENDPOINT, [each.id for each in endpoints], why, now)
    await release_endpoints(tx, organization_id, [each.id for each in endpoints], now)
    await tell(tx, organization_id, [tell_removed(each, reason) for each in endpoints], now)


def build(organization_id: int, owner: LabelOwner, named: LabelEndpoint, before: Endpoint | None, rules: Rules, now: datetime) -> Endpoint:
    """The endpoint that a label names. Fails with VALIDATION_FAILED when its target cannot be checked."""
    draft, faults = named.draft, Faults()
    checked = check_config(draft, None, rules.policy, faults)
    if faults:
        # Faulty options take their defaults; what is left is the target's.
        faults = Faults()
        draft = keep_valid(draft, rules)
        checked = check_config(draft, None, rules.policy, faults)
    if checked.objection is not None:
        faults.add("target", checked.objection)
    faults.raise_if_any()
    sealed = None if before is None else before.sealed
    if before is None or dict(draft.headers or {}) != stored_headers(before, rules):
        sealed = seal_headers(draft.headers, None, organization_id, rules.vault, faults)
    made = Owner(
        container_id=owner.container_id,
        container_name=owner.container_name,
        label_key=named.label_key,
        slot=named.slot,
        external_id=owner.external_id,
        orchestration_group=owner.orchestration_group,
        orchestration_unit=owner.orchestration_unit,
        alert_channels=owner.alert_channels,
    )
    if before is not None:
        progress = reset(before.progress) if not before.is_active or is_another(before.config, checked.config) else before.progress
        return replace(
            before,
            config=checked.config,
            sealed=sealed,
            owner=made,
            progress=progress,
            topology_node_id=owner.topology_node_id,
            is_active=True,
            last_seen_time=now,
        )
    return Endpoint(
        id=0,
        organization_id=organization_id,
        source=Source.LABEL,
        name=None,
        config=checked.config,
        sealed=sealed,
        owner=made,
        topology_node_id=owner.topology_node_id,
        first_seen_time=now,
        last_seen_time=now,
    )


async def put(tx: Transaction, before: Endpoint | None, after: Endpoint, now: datetime) -> list[Told]:
    """Writes what became of an endpoint; what is told of it."""
    due = None if after.is_paused else plan_first(now, AT_ONCE)
    if before is None:
        created = replace(after, id=await store.insert_endpoint(tx, after, due))
        return [tell_discovered(created)]
    if before.is_active and before.is_paused == after.is_paused and is_same_check(before, after):
        await store.update_sighting(tx, after)
        return []
    if before.is_active and is_another(before.config, after.config):
        await end_for_entities(tx, after.organization_id, EntityType.ENDPOINT, [after.id], "The label was changed", now)
        await release_endpoints(tx, after.organization_id, [after.id], now)
    await store.update_endpoint(tx, after, due)
    if not before.is_active:
        return [tell_discovered(after)]
    events = [] if is_same_check(before, after) else [tell_updated(after)]
    if before.progress.status is not after.progress.status:
        events.append(tell_status(after, before))
    return events


def is_same_check(before: Endpoint, after: Endpoint) -> bool:
    """Whether nothing of the check itself changed."""
    return (before.config, before.sealed) == (after.config, after.sealed)


def stopped(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose container stands still. Its counters stay, as the failure may go on when it starts."""
    return replace(endpoint, progress=replace(endpoint.progress, status=Status.UNKNOWN, last_error=CONTAINER_STOPPED))


def keep_valid(draft: EndpointDraft, rules: Rules) -> EndpointDraft:
    """A draft without the options that are faulty."""
    kept = EndpointDraft(target=draft.target, endpoint_type=draft.endpoint_type)
    for name in ("interval_seconds", "timeout_seconds", "expected_status", "headers"):
        option = {name: getattr(draft, name)}
        faults = Faults()
        check_config(
            replace(EndpointDraft(target="http://host/", interval_seconds=kept.interval_seconds), **option), None, rules.policy, faults
        )
        if not faults:
            kept = replace(kept, **option)
    numbers = ("failure_threshold", "recovery_threshold", "method", "tls_verify", "max_redirects")
    return replace(kept, **{name: getattr(draft, name) for name in numbers})


def stored_headers(endpoint: Endpoint, rules: Rules) -> dict[str, str]:
    """The headers that an endpoint has now, values and all."""
    return {**endpoint.config.headers, **open_sealed(endpoint, rules.vault)}


def spell_faults(failure: LumetryError) -> str:
    """What is wrong, for people."""
    return "; ".join(f"{fault.path} {fault.message}" for fault in failure.faults)
