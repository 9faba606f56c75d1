"""Certificates that labels of containers name (contract monitoring 18, `tls.certificates`)."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from lumetry_core.alerts.monitors import Entity, EntityType
from lumetry_core.certificates.hostnames import HostError, read_target
from lumetry_core.certificates.model import CHANNEL, DEFAULT_INTERVAL_SECONDS, DEFAULT_THRESHOLDS, HTTPS_PORT, Monitor, Source
from lumetry_core.certificates.service.removing import UNLABELED, let_go
from lumetry_core.certificates.store import monitors as store
from lumetry_core.certificates.telling import tell_monitor
from lumetry_core.feed.service import tell
from lumetry_core.runtime.database import Transaction

MAX_TARGETS = 100
"""Of one label."""
Target = tuple[str, int]


async def apply_labels(
    tx: Transaction,
    organization_id: int,
    external_id: str,
    container_id: int,
    targets_text: str | None,
    topology_node_id: int | None,
    now: datetime,
    *,
    container_name: str = "",
    alert_channels: tuple[str, ...] = (),
) -> list[str]:
    """Watches what a container's label names, and no longer what it named before.

    A certificate that HTTPS checks watch becomes the label's; those of people and of other containers stay theirs.

    Args:
        external_id: The runtime's id of the container.
        targets_text: Hosts with or without ports, separated by commas.

    Returns:
        The parts of the label that name no host, each with what is wrong with it.
    """
    wanted, faults = read_targets(targets_text or "")
    container = Entity(EntityType.CONTAINER, container_id, container_name)
    mine = {(each.hostname, each.port): each for each in await store.read_of_containers(tx, organization_id, [container_id])}
    await let_go(tx, organization_id, [each for target, each in mine.items() if target not in wanted], UNLABELED, now)
    known: Mapping[Target, Monitor] = {}
    if wanted:
        hosts = {host for host, _ in wanted}
        known = {(each.hostname, each.port): each for each in await store.read_targets(tx, organization_id, hosts, lock=True)}
    changed = []
    for host, port in wanted:
        before = known.get((host, port)) or Monitor(
            id=0,
            organization_id=organization_id,
            hostname=host,
            port=port,
            source=Source.LABEL,
            check_interval_seconds=DEFAULT_INTERVAL_SECONDS,
            warning_thresholds=DEFAULT_THRESHOLDS,
            next_check_time=now,
            create_time=now,
        )
        if before.id and before.source is not Source.AUTO and (host, port) not in mine:
            continue
        after = replace(
            before,
            source=Source.LABEL,
            external_id=external_id,
            container=container,
            alert_channels=alert_channels,
            inherited_node_id=topology_node_id,
            endpoint_id=None,
            next_check_time=now if before.source is Source.AUTO else before.next_check_time,
        )
        if before.id == 0:
            await add(tx, after, now)
        elif after != before:
            changed.append(after)
    await store.update_monitors(tx, changed)
    await tell(tx, organization_id, [tell_monitor("certificate.updated", each) for each in changed], now)
    tx.wake(CHANNEL)
    return faults


async def remove_labels(tx: Transaction, organization_id: int, container_ids: Collection[int], now: datetime) -> None:
    """Containers are gone, and their labels with them."""
    await let_go(tx, organization_id, await store.read_of_containers(tx, organization_id, container_ids), UNLABELED, now)


async def add(tx: Transaction, monitor: Monitor, now: datetime) -> None:
    """Adds a monitor, unless somebody else has just done so."""
    number = await store.insert_monitor(tx, monitor)
    if number is not None:
        await tell(tx, monitor.organization_id, [tell_monitor("certificate.created", replace(monitor, id=number))], now)


def read_targets(text: str) -> tuple[list[Target], list[str]]:
    """Hosts and ports of a label, each once, and what is wrong with the parts that are none."""
    found: dict[Target, None] = {}
    faults = []
    for part in [part.strip() for part in text.split(",") if part.strip()][:MAX_TARGETS]:
        try:
            host, port = read_target(part)
        except HostError as error:
            faults.append(f"{part} {error}")
        else:
            found[host, port or HTTPS_PORT] = None
    return list(found), faults
