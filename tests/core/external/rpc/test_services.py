import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from lumetry.external.v1 import external_alert_service_pb2 as alert_pb
from lumetry.external.v1 import external_definition_service_pb2 as definition_pb
from lumetry.external.v1 import external_source_service_pb2 as pb
from lumetry.external.v1.external_alert_service_pb2_grpc import ExternalAlertServiceStub, add_ExternalAlertServiceServicer_to_server
from lumetry.external.v1.external_definition_service_pb2_grpc import (
    ExternalDefinitionServiceStub,
    add_ExternalDefinitionServiceServicer_to_server,
)
from lumetry.external.v1.external_source_service_pb2_grpc import ExternalSourceServiceStub, add_ExternalSourceServiceServicer_to_server
from lumetry_core.access.service.authentication import Authenticator
from lumetry_core.external.rpc.alerts import ExternalAlertServicer
from lumetry_core.external.rpc.definitions import ExternalDefinitionServicer
from lumetry_core.external.rpc.sources import ExternalSourceServicer
from lumetry_core.external.service.appender import Appender
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, unavailable
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.core.external.building import World, event

PACKAGE = "lumetry.external.v1"
ADMIN = (("authorization", "Bearer admin"),)
VIEWER = (("authorization", "Bearer viewer"),)


@dataclass
class Client:
    """Stubs of a running server, and what it forgets credentials by."""

    sources: Any
    definitions: Any
    alerts: Any
    authenticator: Authenticator

    async def report(self, key: str, secret: str, body: Any, **request: Any) -> Any:
        """A delivery."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        message = alert_pb.ReportExternalEventsRequest(source_key=key, body=content, **request)
        return await self.alerts.ReportExternalEvents(message, metadata=(("authorization", f"Bearer {secret}"),))


@pytest.fixture
async def client(database: Database, clock: Clock) -> AsyncIterator[Client]:
    """A client of a running server whose users are an administrator and a viewer."""
    authenticator = Authenticator(database, clock)

    async def authenticate(origin: Origin) -> Caller:
        if origin.secret in ("admin", "viewer"):
            permissions = {Permission.VIEW_ALERTS} | ({Permission.MANAGE_INTEGRATIONS} if origin.secret == "admin" else set())
            return Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, permissions=frozenset(permissions))
        return await authenticator(origin)

    appender = Appender(database, clock)
    services = {
        f"{PACKAGE}.ExternalSourceService": (add_ExternalSourceServiceServicer_to_server, ExternalSourceServicer(database, clock)),
        f"{PACKAGE}.ExternalDefinitionService": (
            add_ExternalDefinitionServiceServicer_to_server,
            ExternalDefinitionServicer(database, clock),
        ),
        f"{PACKAGE}.ExternalAlertService": (
            add_ExternalAlertServiceServicer_to_server,
            ExternalAlertServicer(database, clock, appender),
        ),
    }
    built = build_server("127.0.0.1:0", services, read_accesses(services), authenticate, reflect=False)
    running = asyncio.create_task(appender.run())
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield Client(
            ExternalSourceServiceStub(channel), ExternalDefinitionServiceStub(channel), ExternalAlertServiceStub(channel), authenticator
        )
    await built.server.stop(None)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def failure_of(call: Awaitable[Any]) -> tuple[str, list[str]]:
    """Code and paths of a failure."""
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await call
    details = error_details_pb2.BadRequest()
    status = rpc_status.from_call(failure.value)
    assert status is not None
    if len(status.details) > 1:
        assert status.details[1].Unpack(details)
    return failure.value.code().name, [violation.field for violation in details.field_violations]


async def test_source_is_created_listed_changed_and_deleted(client: Client, clock: Clock) -> None:
    """Names are unique, ignoring case; what may change is replaced."""
    draft = pb.ExternalSourceDraft(name=" Prometheus ", provider_type="ALERTMANAGER", severity_mapping={"page": "Critical"})
    created = await client.sources.CreateExternalSource(pb.CreateExternalSourceRequest(source=draft), metadata=ADMIN)
    source = created.source
    assert source == pb.ExternalSource(
        id=source.id,
        source_key=source.source_key,
        name="Prometheus",
        provider_type="ALERTMANAGER",
        enabled=True,
        severity_mapping={"page": "Critical"},
        webhook_path=f"/v1/alert-sources/{source.source_key}/events",
        create_time=encode_time(clock.now()),
        update_time=encode_time(clock.now()),
    )
    assert (source.source_key[:7], created.credential[:5]) == ("source-", "lmts_")
    bad = pb.ExternalSourceDraft(name="PROMETHEUS", provider_type="alertmanager", severity_mapping={"a": "High", "A": "Critical", "": ""})
    code, paths = await failure_of(client.sources.CreateExternalSource(pb.CreateExternalSourceRequest(source=bad), metadata=ADMIN))
    assert (code, set(paths)) == ("INVALID_ARGUMENT", {"name", "providerType", "severityMapping.", *case_paths(paths)})
    other = pb.ExternalSourceDraft(name="A first one", provider_type="ZABBIX", enabled=False)
    first = (await client.sources.CreateExternalSource(pb.CreateExternalSourceRequest(source=other), metadata=ADMIN)).source
    assert (await client.sources.ListExternalSources(pb.ListExternalSourcesRequest(), metadata=ADMIN)).sources == [first, source]
    change = pb.UpdateExternalSourceRequest(id=source.id, source=pb.ExternalSourceDraft(name="prometheus", provider_type="ZABBIX"))
    changed = (await client.sources.UpdateExternalSource(change, metadata=ADMIN)).source
    assert (changed.name, changed.provider_type, dict(changed.severity_mapping)) == ("prometheus", "ALERTMANAGER", {})
    assert (await client.sources.GetExternalSource(pb.GetExternalSourceRequest(id=source.id), metadata=ADMIN)).source == changed
    await client.sources.DeleteExternalSource(pb.DeleteExternalSourceRequest(id=source.id), metadata=ADMIN)
    for call in calls_of(client, source.id):
        assert await failure_of(call()) == ("NOT_FOUND", [])


def calls_of(client: Client, source_id: int) -> list[Callable[[], Awaitable[Any]]]:
    """Every call about one source."""
    stub, draft = client.sources, pb.ExternalSourceDraft(name="x")
    return [
        lambda: stub.GetExternalSource(pb.GetExternalSourceRequest(id=source_id), metadata=ADMIN),
        lambda: stub.UpdateExternalSource(pb.UpdateExternalSourceRequest(id=source_id, source=draft), metadata=ADMIN),
        lambda: stub.DeleteExternalSource(pb.DeleteExternalSourceRequest(id=source_id), metadata=ADMIN),
        lambda: stub.RotateExternalSourceCredential(pb.RotateExternalSourceCredentialRequest(id=source_id), metadata=ADMIN),
        lambda: stub.ListUnmappedDefinitions(pb.ListUnmappedDefinitionsRequest(source_id=source_id), metadata=ADMIN),
    ]


def case_paths(paths: list[str]) -> set[str]:
    """Which of two words that differ in letter case alone is the second one depends on the order in which maps travel."""
    found = {path for path in paths if path.lower() == "severitymapping.a"}
    assert "severityMapping.a" in found
    return found


async def test_definition_is_created_listed_changed_and_deleted(client: Client, world: World, clock: Clock) -> None:
    """Source, key and node are checked; source and key stay."""
    stub = client.definitions
    draft = definition_pb.ExternalDefinitionDraft(
        source_id=world.source.id, definition_key="disk", topology_node_id=world.node_id, display_name="Disk"
    )
    create = definition_pb.CreateExternalDefinitionRequest(definition=draft)
    created = (await stub.CreateExternalDefinition(create, metadata=ADMIN)).definition
    assert created == definition_pb.ExternalDefinition(
        id=created.id,
        source_id=world.source.id,
        definition_key="disk",
        topology_node_id=world.node_id,
        display_name="Disk",
        enabled=True,
        create_time=encode_time(clock.now()),
        update_time=encode_time(clock.now()),
    )
    assert await failure_of(stub.CreateExternalDefinition(create, metadata=ADMIN)) == ("INVALID_ARGUMENT", ["definitionKey"])
    bad = definition_pb.ExternalDefinitionDraft(source_id=999, definition_key=" ", topology_node_id=999, display_name="\0")
    request = definition_pb.CreateExternalDefinitionRequest(definition=bad)
    assert await failure_of(stub.CreateExternalDefinition(request, metadata=ADMIN)) == (
        "INVALID_ARGUMENT",
        ["definitionKey", "displayName", "sourceId", "topologyNodeId"],
    )
    assert await failure_of(stub.CreateExternalDefinition(definition_pb.CreateExternalDefinitionRequest(), metadata=ADMIN)) == (
        "INVALID_ARGUMENT",
        ["definitionKey", "sourceId", "topologyNodeId"],
    )
    moved = definition_pb.ExternalDefinitionDraft(source_id=999, definition_key="cpu", topology_node_id=world.node_id)
    change = definition_pb.UpdateExternalDefinitionRequest(id=created.id, definition=moved)
    assert await failure_of(stub.UpdateExternalDefinition(change, metadata=ADMIN)) == ("INVALID_ARGUMENT", ["sourceId", "definitionKey"])
    plain = definition_pb.ExternalDefinitionDraft(topology_node_id=world.node_id, enabled=False)
    change = definition_pb.UpdateExternalDefinitionRequest(id=created.id, definition=plain)
    changed = (await stub.UpdateExternalDefinition(change, metadata=ADMIN)).definition
    assert (changed.HasField("display_name"), changed.enabled) == (False, False)
    listing = definition_pb.ListExternalDefinitionsRequest(source_id=world.source.id)
    assert (await stub.ListExternalDefinitions(listing, metadata=VIEWER)).definitions == [changed]
    assert (
        await stub.ListExternalDefinitions(definition_pb.ListExternalDefinitionsRequest(source_id=9), metadata=VIEWER)
    ).definitions == []
    assert await failure_of(stub.CreateExternalDefinition(create, metadata=VIEWER)) == ("PERMISSION_DENIED", [])
    await stub.DeleteExternalDefinition(definition_pb.DeleteExternalDefinitionRequest(id=created.id), metadata=ADMIN)
    reading = definition_pb.GetExternalDefinitionRequest(id=created.id)
    assert await failure_of(stub.GetExternalDefinition(reading, metadata=VIEWER)) == ("NOT_FOUND", [])


async def test_delivery_is_taken_counted_and_refused(client: Client, world: World, clock: Clock) -> None:
    """Nothing of a bad request is taken; it raises the counter and tells the error until the next success."""
    key, secret = world.source.key, world.secret
    reply = await client.report(key, secret, {"events": [event(), event(), event(occurrenceKey="o-2")]})
    assert (reply.accepted_count, reply.duplicate_count) == (2, 1)
    bad = {"events": [event(occurrenceKey="o-3"), event(occurrenceKey="o-4", state="firing")]}
    assert await failure_of(client.report(key, secret, bad)) == ("INVALID_ARGUMENT", ["events[1].state"])
    assert await failure_of(client.report(key, secret, b"{")) == ("INVALID_ARGUMENT", [])
    too_large = alert_pb.UnreadableBody(too_large=True, message="large")
    assert await failure_of(client.report(key, secret, b"", unreadable=too_large)) == ("RESOURCE_EXHAUSTED", [])
    reading = pb.GetExternalSourceRequest(id=world.source.id)
    source = (await client.sources.GetExternalSource(reading, metadata=ADMIN)).source
    assert (source.accepted_count, source.rejected_count, source.last_error) == (3, 3, "The body is larger than 1048576 bytes.")
    assert source.receive_time == encode_time(clock.now())
    assert (await client.report(key, secret, event(occurrenceKey="o-3"))).accepted_count == 1
    source = (await client.sources.GetExternalSource(reading, metadata=ADMIN)).source
    assert (source.accepted_count, source.rejected_count, source.HasField("last_error")) == (4, 3, False)
    await world.work()
    unmapped = await client.sources.ListUnmappedDefinitions(pb.ListUnmappedDefinitionsRequest(source_id=world.source.id), metadata=ADMIN)
    assert [(each.definition_key, each.transition_count, each.last_state) for each in unmapped.definitions] == [("disk", 3, "Firing")]
    source = (await client.sources.GetExternalSource(reading, metadata=ADMIN)).source
    assert (source.mapped_count, source.unmapped_count, source.mapping_coverage_percent) == (0, 3, 0.0)


async def test_only_the_current_credential_delivers(client: Client, world: World) -> None:
    """Not a user's, not one for another key, not one that was rotated; a disabled source takes nothing."""
    key, old = world.source.key, world.secret
    assert await failure_of(client.report(key, "admin", event())) == ("PERMISSION_DENIED", [])
    assert await failure_of(client.report("source-0", old, event())) == ("NOT_FOUND", [])
    request = pb.RotateExternalSourceCredentialRequest(id=world.source.id)
    rotated = await client.sources.RotateExternalSourceCredential(request, metadata=ADMIN)
    client.authenticator.forget()  # as the wake-up of the rotation has it do
    assert rotated.webhook_path == world.source.webhook_path
    assert await failure_of(client.report(key, old, event())) == ("UNAUTHENTICATED", [])
    assert (await client.report(key, rotated.credential, event())).accepted_count == 1
    change = pb.UpdateExternalSourceRequest(id=world.source.id, source=pb.ExternalSourceDraft(name="Alarms", enabled=False))
    await client.sources.UpdateExternalSource(change, metadata=ADMIN)
    assert await failure_of(client.report(key, rotated.credential, event())) == ("FAILED_PRECONDITION", [])
    await client.sources.DeleteExternalSource(pb.DeleteExternalSourceRequest(id=world.source.id), metadata=ADMIN)
    client.authenticator.forget()
    assert await failure_of(client.report(key, rotated.credential, event())) == ("UNAUTHENTICATED", [])


async def test_request_that_cannot_be_stored_counts_as_rejected(client: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as the store can be written again, when it is accepted as well."""

    async def refuse(*_given: object) -> None:
        raise unavailable()

    with monkeypatch.context() as patched:
        patched.setattr(Appender, "append", refuse)
        for _ in range(2):
            assert await failure_of(client.report(world.source.key, world.secret, event())) == ("UNAVAILABLE", [])
    assert (await client.report(world.source.key, world.secret, event())).accepted_count == 1
    source = (await client.sources.GetExternalSource(pb.GetExternalSourceRequest(id=world.source.id), metadata=ADMIN)).source
    assert (source.accepted_count, source.rejected_count, source.HasField("last_error")) == (1, 2, False)
