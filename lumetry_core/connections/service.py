"""The verbs of connections."""

from collections.abc import Sequence
from datetime import datetime

from lumetry_core.access.service.log_keys import list_log_keys
from lumetry_core.access.service.organizations import get_organization
from lumetry_core.connections.describing import (
    describe_channel,
    describe_integration,
    describe_log_key,
    describe_metric_source,
    describe_runtime,
    describe_source,
    describe_webhook,
)
from lumetry_core.connections.model import Connection, ConnectionFilter, Direction, Status
from lumetry_core.containers.places import RuntimeStatus
from lumetry_core.containers.service.watches import find_organization
from lumetry_core.external.service.sources import list_sources
from lumetry_core.metricsources.service.sources import list_sources as list_metric_sources
from lumetry_core.notifications.destinations import TargetKey
from lumetry_core.notifications.dispatch import Dispatch
from lumetry_core.notifications.service.channels import list_channels
from lumetry_core.notifications.service.dispatches import list_page
from lumetry_core.notifications.service.integrations import list_integrations, read_delivery_times
from lumetry_core.notifications.service.webhooks import list_webhooks
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason

RECENT = 20
"""Deliveries, tests included, among which the last success and the last failure are looked for."""


async def list_connections(
    tx: Transaction, caller: Caller, runtime: RuntimeStatus | None, *, direction: str, connector: str, status: str, now: datetime
) -> list[Connection]:
    """The connections by name. Fails with VALIDATION_FAILED (`direction`, `status`).

    Args:
        runtime: What is known of the container runtime.
        direction: Empty: both.
        connector: Empty: any.
        status: Empty: any.
    """
    faults = Faults()
    faults.check(not direction or direction in [*Direction], "direction", f"must be one of {', '.join(Direction)}")
    faults.check(not status or status in [*Status], "status", f"must be one of {', '.join(Status)}")
    faults.raise_if_any()
    chosen = ConnectionFilter(Direction(direction) if direction else None, connector or None, Status(status) if status else None)
    return [connection for connection in await read_connections(tx, caller, runtime, now) if chosen.takes(connection)]


async def get_connection(tx: Transaction, caller: Caller, runtime: RuntimeStatus | None, connection_id: str, now: datetime) -> Connection:
    """A connection. Fails with NOT_FOUND."""
    for connection in await read_connections(tx, caller, runtime, now):
        if connection.id == connection_id:
            return connection
    raise LumetryError(Reason.NOT_FOUND, "Connection not found", type="Connection", id=connection_id)


async def read_connections(tx: Transaction, caller: Caller, runtime: RuntimeStatus | None, now: datetime) -> list[Connection]:
    """All connections of the caller's organization, by name."""
    organization_id = caller.organization_id
    delivery_times = await read_delivery_times(tx, organization_id)
    found = [describe_integration(each, delivery_times.get(each.id)) for each in await list_integrations(tx, organization_id)]
    found += [describe_channel(channel, await read_recent(tx, channel.key)) for channel in await list_channels(tx, organization_id)]
    found += [describe_webhook(webhook, await read_recent(tx, webhook.key)) for webhook in await list_webhooks(tx, organization_id)]
    found += [describe_source(source, health) for source, health in await list_sources(tx, organization_id)]
    found += [describe_metric_source(source) for source in await list_metric_sources(tx, organization_id)]
    found += [describe_log_key(key, now) for key in await list_log_keys(tx, caller, None)]
    if organization_id == await find_organization(tx):
        organization, _ = await get_organization(tx, caller)
        described = describe_runtime(organization_id, runtime, organization.create_time, now)
        found += [] if described is None else [described]
    # Sorted here, as the two databases order text differently.
    return sorted(found, key=lambda connection: (connection.name.lower(), connection.id))


async def read_recent(tx: Transaction, target: TargetKey) -> Sequence[Dispatch]:
    """What a channel or webhook was told last, newest first."""
    return (await list_page(tx, target, None, RECENT)).dispatches
