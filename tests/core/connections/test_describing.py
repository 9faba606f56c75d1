from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from lumetry_core.access.keys import LogKey, LogKeyAccess
from lumetry_core.collectors.agent.polling.model import Target
from lumetry_core.connections.describing import (
    describe_channel,
    describe_integration,
    describe_log_key,
    describe_metric_source,
    describe_runtime,
    describe_source,
    describe_webhook,
)
from lumetry_core.connections.model import Connection, Direction, Health, Resource, Status, hide_addresses, identity_of
from lumetry_core.containers.places import EngineIdentity, RuntimeFault, RuntimeStatus
from lumetry_core.external.model import Health as SourceHealth
from lumetry_core.external.model import ProviderType, Source
from lumetry_core.metricsources.model import Definition, PollStatus, SourceType, Standing
from lumetry_core.metricsources.model import Source as MetricSource
from lumetry_core.notifications.destinations import Channel, ChannelType, TargetKey, TargetKind, Webhook
from lumetry_core.notifications.dispatch import Dispatch, DispatchStatus
from lumetry_core.notifications.model import Integration, IntegrationType, LastStatus
from tests.conftest import FakeClock

NOW = FakeClock().now()
MADE, CHANGED = NOW - timedelta(days=2), NOW - timedelta(days=1)
CHANNEL = Channel(
    id=4,
    organization_id=7,
    name="On call",
    type=ChannelType.SLACK,
    url="https://hooks.invalid/T0/secret",
    create_time=MADE,
    update_time=CHANGED,
)
TOLD = Dispatch(
    id=1,
    key="k",
    target=TargetKey(7, TargetKind.CHANNEL, "4"),
    event="alert.fired",
    subject=None,
    alert_id=None,
    status=DispatchStatus.DELIVERED,
    attempts=1,
    next_attempt_time=None,
    create_time=NOW - timedelta(minutes=3),
    deliver_time=NOW - timedelta(minutes=2),
    body=None,
)
LOST = replace(
    TOLD,
    status=DispatchStatus.FAILED,
    deliver_time=None,
    create_time=NOW - timedelta(minutes=1),
    error="https://hooks.invalid/T0/secret: 500",
)


def state(connection: Connection) -> tuple[Status, Health]:
    return connection.status, connection.health


def test_describe_channel_in_full() -> None:
    """Everything but address and secret; the id is a UUID that depends on nothing that changes."""
    described = describe_channel(CHANNEL, [TOLD])
    assert described == Connection(
        id=identity_of(7, Resource("monitoring", "channel", "4")),
        organization_id=7,
        connector="slack",
        name="On call",
        direction=Direction.OUTBOUND,
        status=Status.CONNECTED,
        health=Health(TOLD.deliver_time),
        resource=Resource("monitoring", "channel", "4"),
        create_time=MADE,
        update_time=CHANGED,
    )
    assert UUID(described.id).version == 4
    assert describe_channel(replace(CHANNEL, name="Other", type=ChannelType.DISCORD), []).id == described.id
    others = [replace(CHANNEL, id=5), replace(CHANNEL, organization_id=8)]
    assert len({described.id, *(describe_channel(other, []).id for other in others)}) == 3


@pytest.mark.parametrize(
    ("recent", "status", "health"),
    [
        ([], Status.UNKNOWN, Health()),
        ([replace(LOST, status=DispatchStatus.PENDING, error=None, attempts=0)], Status.UNKNOWN, Health()),
        ([replace(LOST, attempts=0, error="the channel is disabled")], Status.UNKNOWN, Health()),
        ([LOST, TOLD], Status.ERROR, Health(TOLD.deliver_time, LOST.create_time, "•••: 500", is_failing=True)),
        ([replace(LOST, status=DispatchStatus.PENDING)], Status.ERROR, Health(None, LOST.create_time, "•••: 500", is_failing=True)),
        ([TOLD, LOST], Status.CONNECTED, Health(TOLD.deliver_time, LOST.create_time, "•••: 500")),
    ],
    ids=["never", "waiting", "switched-off", "failed", "tried-again", "recovered"],
)
def test_describe_channel_by_its_deliveries(recent: list[Dispatch], status: Status, health: Health) -> None:
    """The newest delivery that was tried decides; the last success and failure are both told."""
    assert state(describe_channel(CHANNEL, recent)) == (status, health)
    assert state(describe_channel(replace(CHANNEL, is_enabled=False), recent)) == (Status.DISABLED, health)


def test_describe_webhook_by_its_deliveries() -> None:
    """As a channel; one that was switched off is disabled."""
    webhook = Webhook(
        id="u",
        organization_id=7,
        name="CI",
        url="https://ci.invalid/",
        event_types=("*",),
        sealed=b"",
        create_time=MADE,
        update_time=CHANGED,
    )
    described = describe_webhook(webhook, [TOLD])
    assert (described.connector, described.resource, described.status) == (
        "webhook",
        Resource("monitoring", "webhook", "u"),
        Status.CONNECTED,
    )
    assert describe_webhook(replace(webhook, is_active=False), [LOST]).status is Status.DISABLED


@pytest.mark.parametrize(
    ("changes", "time", "status", "health"),
    [
        ({}, None, Status.UNKNOWN, Health()),
        ({"last_delivery_status": LastStatus.SUCCESS}, NOW, Status.CONNECTED, Health(NOW)),
        (
            {"last_delivery_status": LastStatus.FAILED, "last_delivery_error": "refused"},
            NOW,
            Status.ERROR,
            Health(None, NOW, "refused", is_failing=True),
        ),
        ({"is_enabled": False}, None, Status.DISABLED, Health()),
    ],
)
def test_describe_integration_by_its_newest_delivery(changes: dict[str, Any], time: Any, status: Status, health: Health) -> None:
    """Its newest delivery decides."""
    integration = Integration(
        id=3,
        organization_id=7,
        name="Ops",
        type=IntegrationType.MICROSOFT_TEAMS,
        endpoint_url="https://teams.invalid/",
        create_time=MADE,
        update_time=CHANGED,
    )
    described = describe_integration(replace(integration, **changes), time)
    assert state(described) == (status, health)
    assert (described.connector, described.resource) == ("teams", Resource("lumetry", "alerting_integration", "3"))


@pytest.mark.parametrize(
    ("known", "status", "health"),
    [
        (SourceHealth(), Status.UNKNOWN, Health()),
        (SourceHealth(receive_time=NOW, accepted_count=1), Status.CONNECTED, Health(NOW)),
        (
            SourceHealth(receive_time=NOW, rejections_in_row=1, last_error="body must be an object"),
            Status.ERROR,
            Health(None, NOW, "body must be an object", is_failing=True),
        ),
    ],
)
def test_describe_source_by_its_newest_request(known: SourceHealth, status: Status, health: Health) -> None:
    """Its newest request decides."""
    source = Source(2, 7, "key", "Zabbix", ProviderType.ZABBIX, True, {}, 0, 0, MADE, CHANGED)
    described = describe_source(source, known)
    assert state(described) == (status, health)
    assert (described.connector, described.direction, described.resource) == (
        "zabbix",
        Direction.INBOUND,
        Resource("lumetry", "external_alert_source", "2"),
    )
    assert describe_source(replace(source, is_enabled=False), known).status is Status.DISABLED


@pytest.mark.parametrize(
    ("standing", "status", "health"),
    [
        (Standing(), Status.UNKNOWN, Health()),
        (Standing(NOW, PollStatus.SUCCESS, None, NOW), Status.CONNECTED, Health(NOW)),
        (
            Standing(NOW, PollStatus.FAILED, "http://prometheus:9090 refused", MADE, 1),
            Status.ERROR,
            Health(MADE, NOW, "••• refused", is_failing=True),
        ),
    ],
)
def test_describe_metric_source_by_its_newest_poll(standing: Standing, status: Status, health: Health) -> None:
    """Its newest poll decides; where it leads is not told."""
    definition = Definition(name="Fleet", type=SourceType.THANOS, target=Target(base_url="http://prometheus:9090"), items=())
    source = MetricSource(
        id=3, organization_id=7, definition=definition, sealed=None, standing=standing, epoch=1, create_time=MADE, update_time=CHANGED
    )
    described = describe_metric_source(source)
    assert state(described) == (status, health)
    assert (described.connector, described.direction, described.resource) == (
        "thanos",
        Direction.INBOUND,
        Resource("lumetry", "metric_source", "3"),
    )
    off = replace(source, definition=replace(definition, is_enabled=False))
    assert describe_metric_source(off).status is Status.DISABLED


def test_describe_log_key_by_its_use() -> None:
    """A key that was used is connected, one that has expired is disabled."""
    key = LogKey("u", 1, 7, "p", "Shop", "ll_12345678", "production", LogKeyAccess.INGEST, "anna", MADE, None, None, None)
    states = [
        describe_log_key(replace(key, last_used_time=used, expire_time=end), NOW).status
        for used, end in ((None, None), (NOW, None), (NOW, NOW), (NOW, NOW + timedelta(hours=1)))
    ]
    assert states == [Status.UNKNOWN, Status.CONNECTED, Status.DISABLED, Status.CONNECTED]
    described = describe_log_key(key, NOW)
    assert (described.connector, described.resource) == ("logs", Resource("logs", "log_key", "u"))


def test_describe_runtime_when_one_is_configured() -> None:
    """A connected runtime has the engine's name; one that cannot be used tells why; without one there is nothing to show."""
    up = RuntimeStatus(EngineIdentity("podman", "5", "1.41"), "unix:///run/podman/podman.sock", CHANGED)
    down = RuntimeStatus(None, "tcp://10.0.0.1", None, RuntimeFault.UNREACHABLE, "unix:///run/podman.sock cannot be reached")
    described = describe_runtime(7, up, MADE, NOW)
    assert described == Connection(
        id=identity_of(7, Resource("monitoring", "runtime", "1")),
        organization_id=7,
        connector="podman",
        name="Podman",
        direction=Direction.INBOUND,
        status=Status.CONNECTED,
        health=Health(NOW),
        resource=Resource("monitoring", "runtime", "1"),
        create_time=MADE,
        update_time=CHANGED,
    )
    failed = describe_runtime(7, down, MADE, NOW)
    assert failed is not None
    assert (failed.id, failed.connector, failed.status, failed.health.error) == (
        described.id,
        "docker",
        Status.ERROR,
        "••• cannot be reached",
    )
    assert describe_runtime(7, None, MADE, NOW) is None
    assert describe_runtime(7, replace(down, fault=RuntimeFault.NOT_FOUND), MADE, NOW) is None


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (None, None),
        ("HTTP 500", "HTTP 500"),
        ("POST https://user:pass@chat.invalid/T0/abc?x=1 answered 404", "POST ••• answered 404"),
        ("/var/run/docker.sock: permission denied", "•••: permission denied"),
        ("1/2 parts", "1/2 parts"),
    ],
)
def test_hide_addresses(error: str | None, shown: str | None) -> None:
    """Errors tell what went wrong, not where a connection leads."""
    assert hide_addresses(error) == shown
