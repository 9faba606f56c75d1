"""Each kind of object as a connection (contract workspace 7): pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from lumetry_core.access.keys import LogKey
from lumetry_core.connections.model import Connection, Direction, Health, Resource, hide_addresses, identity_of, judge
from lumetry_core.containers.places import RuntimeFault, RuntimeStatus
from lumetry_core.external.model import Health as SourceHealth
from lumetry_core.external.model import Source
from lumetry_core.metricsources.model import PollStatus
from lumetry_core.metricsources.model import Source as MetricSource
from lumetry_core.notifications.destinations import Channel, Webhook
from lumetry_core.notifications.dispatch import Dispatch, DispatchStatus
from lumetry_core.notifications.model import Integration, IntegrationType, LastStatus

CONNECTORS: Mapping[IntegrationType, str] = {
    IntegrationType.WEBHOOK: "webhook",
    IntegrationType.SLACK: "slack",
    IntegrationType.MICROSOFT_TEAMS: "teams",
    IntegrationType.PAGERDUTY: "pagerduty",
    IntegrationType.SERVICENOW: "servicenow",
}
NOT_CONFIGURED = frozenset({RuntimeFault.DISABLED, RuntimeFault.NOT_FOUND})
RUNTIME_ID = "1"
"""A deployment has one container runtime."""


def describe_integration(integration: Integration, delivery_time: datetime | None) -> Connection:
    """An alerting integration; its newest delivery tells how it fares."""
    error = hide_addresses(integration.last_delivery_error)
    has_failed = integration.last_delivery_status is LastStatus.FAILED
    health = Health(None, delivery_time, error, is_failing=True) if has_failed else Health(delivery_time)
    return make(
        integration.organization_id,
        Resource("lumetry", "alerting_integration", str(integration.id)),
        connector=CONNECTORS[integration.type],
        name=integration.name,
        direction=Direction.OUTBOUND,
        health=health,
        is_enabled=integration.is_enabled,
        times=(integration.create_time, integration.update_time),
    )


def describe_channel(channel: Channel, recent: Sequence[Dispatch]) -> Connection:
    """A notification channel.

    Args:
        recent: What it was told last, tests included, newest first.
    """
    return make(
        channel.organization_id,
        Resource("monitoring", "channel", str(channel.id)),
        connector=channel.type.value,
        name=channel.name,
        direction=Direction.OUTBOUND,
        health=read_health(recent),
        is_enabled=channel.is_enabled,
        times=(channel.create_time, channel.update_time),
    )


def describe_webhook(webhook: Webhook, recent: Sequence[Dispatch]) -> Connection:
    """An outbound webhook; arguments as for `describe_channel`."""
    return make(
        webhook.organization_id,
        Resource("monitoring", "webhook", webhook.id),
        connector="webhook",
        name=webhook.name,
        direction=Direction.OUTBOUND,
        health=read_health(recent),
        is_enabled=webhook.is_active,
        times=(webhook.create_time, webhook.update_time),
    )


def read_health(recent: Sequence[Dispatch]) -> Health:
    """The last success and the last failure among deliveries, newest first. A failure counts from when there was something to tell."""
    delivered = next((each for each in recent if each.status is DispatchStatus.DELIVERED), None)
    failed = next((each for each in recent if each.attempts and each.status is not DispatchStatus.DELIVERED and each.error), None)
    success_time = None if delivered is None else delivered.deliver_time or delivered.create_time
    if failed is None:
        return Health(success_time)
    is_over = delivered is not None and recent.index(delivered) < recent.index(failed)
    return Health(success_time, failed.create_time, hide_addresses(failed.error), is_failing=not is_over)


def describe_source(source: Source, known: SourceHealth) -> Connection:
    """An external alert source; its newest request tells how it fares."""
    error = hide_addresses(known.last_error)
    has_failed = bool(known.rejections_in_row) or error is not None
    health = Health(None, known.receive_time, error, is_failing=True) if has_failed else Health(known.receive_time)
    return make(
        source.organization_id,
        Resource("lumetry", "external_alert_source", str(source.id)),
        connector=source.provider_type.value.lower(),
        name=source.name,
        direction=Direction.INBOUND,
        health=health,
        is_enabled=source.is_enabled,
        times=(source.create_time, source.update_time),
    )


def describe_metric_source(source: MetricSource) -> Connection:
    """A metric source; its newest poll tells how it fares."""
    definition, standing = source.definition, source.standing
    if standing.status is PollStatus.FAILED:
        health = Health(standing.success_time, standing.poll_time, hide_addresses(standing.error), is_failing=True)
    else:
        health = Health(standing.success_time)
    return make(
        source.organization_id,
        Resource("lumetry", "metric_source", str(source.id)),
        connector=definition.type.value,
        name=definition.name,
        direction=Direction.INBOUND,
        health=health,
        is_enabled=definition.is_enabled,
        times=(source.create_time, source.update_time),
    )


def describe_log_key(key: LogKey, now: datetime) -> Connection:
    """A log key; its newest use tells how it fares. One that has expired counts as switched off."""
    return make(
        key.organization_id,
        Resource("logs", "log_key", key.id),
        connector="logs",
        name=key.name,
        direction=Direction.INBOUND,
        health=Health(success_time=key.last_used_time),
        is_enabled=key.expire_time is None or key.expire_time > now,
        times=(key.create_time, key.create_time),
    )


def describe_runtime(organization_id: int, status: RuntimeStatus | None, create_time: datetime, now: datetime) -> Connection | None:
    """The container runtime; None when none is configured or it is not known yet.

    Args:
        create_time: Of the organization, which has had its runtime from the beginning.
    """
    if status is None or status.fault in NOT_CONFIGURED:
        return None
    connector = status.runtime_type if status.engine is None else status.engine.name
    error = hide_addresses(status.message)
    health = Health(now) if status.engine is not None else Health(status.detect_time, None, error, is_failing=True)
    return Connection(
        id=identity_of(organization_id, Resource("monitoring", "runtime", RUNTIME_ID)),
        organization_id=organization_id,
        connector=connector,
        name=connector.capitalize(),
        direction=Direction.INBOUND,
        status=judge(health, is_enabled=True),
        health=health,
        resource=Resource("monitoring", "runtime", RUNTIME_ID),
        create_time=create_time,
        update_time=status.detect_time or create_time,
    )


def make(
    organization_id: int,
    resource: Resource,
    *,
    connector: str,
    name: str,
    direction: Direction,
    health: Health,
    is_enabled: bool,
    times: tuple[datetime, datetime],
) -> Connection:
    """A connection of what its area tells."""
    return Connection(
        id=identity_of(organization_id, resource),
        organization_id=organization_id,
        connector=connector,
        name=name,
        direction=direction,
        status=judge(health, is_enabled=is_enabled),
        health=health,
        resource=resource,
        create_time=times[0],
        update_time=times[1],
    )
