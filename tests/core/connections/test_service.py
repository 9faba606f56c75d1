from dataclasses import replace

import pytest

from lumetry_core.access.service.log_keys import create_log_key, revoke_log_key
from lumetry_core.access.service.organizations import bootstrap, create_organization
from lumetry_core.connections.service import get_connection, list_connections
from lumetry_core.containers.places import EngineIdentity, RuntimeStatus
from lumetry_core.external.drafts import SourceDraft
from lumetry_core.external.service.sources import create_source
from lumetry_core.notifications.destination_drafts import ChannelDraft, WebhookDraft
from lumetry_core.notifications.drafts import IntegrationDraft
from lumetry_core.notifications.model import LastStatus, SendResult
from lumetry_core.notifications.service import channels, integrations, webhooks
from lumetry_core.notifications.service.dispatches import draft
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError
from tests.conftest import FakeClock
from tests.core.notifications.integrating import LAB_RULES

RUNTIME = RuntimeStatus(EngineIdentity("docker", "28", "1.48"), "unix:///var/run/docker.sock", FakeClock().now())
PROJECT = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
async def caller(database: Database, clock: FakeClock) -> Caller:
    """The administrator of an organization with one of every kind of connection."""
    async with database.write() as tx:
        admin = await bootstrap(tx, clock.now(), "correct horse battery staple")
        await create_organization(tx, "Second", clock.now())
    assert admin is not None
    caller = Caller(
        admin.organization_id, CredentialKind.INTERACTIVE, user_id=admin.id, user_name="admin", permissions=frozenset(Permission)
    )
    address = "http://127.0.0.1:9/hook"
    async with database.write() as tx:
        target = IntegrationDraft(name="an integration", type="Webhook", endpoint_url=address)
        integration = await integrations.create_integration(tx, caller, target, LAB_RULES, clock.now())
        await integrations.note_delivery(tx, caller.organization_id, {integration.id: (LastStatus.SUCCESS, None)}, clock.now())
        channel = await channels.create_channel(tx, caller, ChannelDraft(name="A channel", url=address), LAB_RULES, clock.now())
        tested = channels.end_test(
            draft(channel.key, "test", b"{}", clock.now()), SendResult(ok=False, error=f"{address}: 500"), clock.now()
        )
        await channels.note_test(tx, caller, channel.id, tested, clock.now())
        await webhooks.create_webhook(tx, caller, WebhookDraft(name="webhook", url=address, event_types=None), LAB_RULES, clock.now())
        await create_source(tx, caller, SourceDraft(name="source", provider_type="ALERTMANAGER"), clock.now())
        for name in ("log key", "revoked key"):
            key, _ = await create_log_key(
                tx, caller, name=name, project_id=PROJECT, environment="", access="", expire_time=None, now=clock.now()
            )
        await revoke_log_key(tx, caller, key.id, clock.now())
    return caller


async def read(database: Database, caller: Caller, clock: FakeClock, **filters: str) -> list[tuple[str, str, str]]:
    asked = {"direction": "", "connector": "", "status": ""} | filters
    async with database.read() as tx:
        found = await list_connections(tx, caller, RUNTIME, **asked, now=clock.now())
    return [(connection.name, connection.connector, connection.status.value) for connection in found]


async def test_list_connections_by_name(database: Database, clock: FakeClock, caller: Caller) -> None:
    """Everything that is configured, by name whatever its case; nothing that was revoked, and nothing of other organizations."""
    assert await read(database, caller, clock) == [
        ("A channel", "webhook", "error"),
        ("an integration", "webhook", "connected"),
        ("Docker", "docker", "connected"),
        ("log key", "logs", "unknown"),
        ("source", "alertmanager", "unknown"),
        ("webhook", "webhook", "unknown"),
    ]
    assert await read(database, replace(caller, organization_id=caller.organization_id + 1), clock) == []


async def test_list_connections_by_filters(database: Database, clock: FakeClock, caller: Caller) -> None:
    """Each filter alone and together."""
    assert [name for name, _, _ in await read(database, caller, clock, direction="inbound")] == ["Docker", "log key", "source"]
    assert [name for name, _, _ in await read(database, caller, clock, connector="webhook")] == ["A channel", "an integration", "webhook"]
    assert [name for name, _, _ in await read(database, caller, clock, status="unknown")] == ["log key", "source", "webhook"]
    assert await read(database, caller, clock, direction="outbound", connector="webhook", status="error") == [
        ("A channel", "webhook", "error")
    ]
    assert await read(database, caller, clock, connector="telepathy") == []
    with pytest.raises(LumetryError) as refused:
        await read(database, caller, clock, direction="up", status="fine")
    assert [fault.path for fault in refused.value.faults] == ["direction", "status"]


async def test_get_connection_of_the_own_organization(database: Database, clock: FakeClock, caller: Caller) -> None:
    """Each is found by its id, by nobody else, and shows no address."""
    async with database.read() as tx:
        found = await list_connections(tx, caller, RUNTIME, direction="", connector="", status="", now=clock.now())
        for connection in found:
            assert await get_connection(tx, caller, RUNTIME, connection.id, clock.now()) == connection
            assert "127.0.0.1" not in str(connection)
            with pytest.raises(LumetryError, match="Connection not found"):
                await get_connection(tx, replace(caller, organization_id=caller.organization_id + 1), RUNTIME, connection.id, clock.now())
