"""What hangs on a container: its alerts, the endpoints and certificates that its labels name (contract monitoring 4.3, 18)."""

from collections.abc import Collection
from datetime import datetime

from lumetry_core.alerts.monitors import EntityType
from lumetry_core.alerts.service.monitors import end_for_entities
from lumetry_core.certificates.service.labels import apply_labels as apply_certificate_labels
from lumetry_core.certificates.service.labels import remove_labels
from lumetry_core.containers.model import Container, ContainerState
from lumetry_core.endpoints.facts import tell_config_error
from lumetry_core.endpoints.labels import find_key, read_option
from lumetry_core.endpoints.model import Removal
from lumetry_core.endpoints.sealing import Rules
from lumetry_core.endpoints.service.labels import LabelOwner, apply_labels, deactivate_endpoints, pause_endpoints
from lumetry_core.feed.service import tell
from lumetry_core.runtime.database import Transaction

CERTIFICATES = "tls.certificates"


async def follow(tx: Transaction, before: Container | None, after: Container, rules: Rules, now: datetime) -> None:
    """Lets everything that hangs on a container follow its change.

    Args:
        tx: The transaction.
        before: As it was; None: it is new.
        after: As it is.
        rules: What the deployment says of endpoints.
        now: The present.
    """
    was_watched = before is not None and is_watched(before)
    if not is_watched(after):
        if was_watched:
            reason = "The container is gone" if after.is_archived else "The container is ignored now"
            await release(tx, after.organization_id, [after.id], reason, now)
        return
    is_running = after.state is ContainerState.RUNNING
    was_running = before is not None and before.state is ContainerState.RUNNING
    if before is None or not was_watched or says(before) != says(after) or (is_running and not was_running):
        await read_labels(tx, after, rules, now)
    elif was_running and not is_running:
        await pause_endpoints(tx, after.organization_id, [after.id], now)


async def read_labels(tx: Transaction, container: Container, rules: Rules, now: datetime) -> None:
    """Makes endpoints and certificates of a container those that its labels name."""
    owner = LabelOwner(
        container_id=container.id,
        container_name=container.name,
        external_id=container.external_id,
        orchestration_group=container.orchestration_group,
        orchestration_unit=container.orchestration_unit,
        topology_node_id=container.topology_node_id,
        alert_channels=container.channel_names,
        alert_severity=container.alert_severity.value.lower(),
    )
    is_running = container.state is ContainerState.RUNNING
    await apply_labels(tx, container.organization_id, owner, container.labels, is_running, now, rules=rules)
    faults = await apply_certificate_labels(
        tx,
        container.organization_id,
        container.external_id,
        container.id,
        read_option(container.labels, CERTIFICATES),
        container.topology_node_id,
        now,
        container_name=container.name,
        alert_channels=container.channel_names,
    )
    if faults:
        key = find_key(container.labels, CERTIFICATES)
        await tell(tx, container.organization_id, [tell_config_error(container.name, key, "; ".join(faults))], now)


async def release(tx: Transaction, organization_id: int, container_ids: Collection[int], reason: str, now: datetime) -> None:
    """Ends everything that hangs on containers that are not watched any more."""
    await end_for_entities(tx, organization_id, EntityType.CONTAINER, container_ids, reason, now)
    await deactivate_endpoints(tx, organization_id, container_ids, Removal.CONTAINER_DESTROYED, now)
    await remove_labels(tx, organization_id, container_ids, now)


def is_watched(container: Container) -> bool:
    """Whether anything may hang on it."""
    return not container.is_archived and not container.is_ignored


def says(container: Container) -> tuple[object, ...]:
    """What matters of a container to those that hang on it, its state apart."""
    return container.identity, container.external_id, container.topology_node_id, dict(container.labels)
