from collections.abc import AsyncIterator

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from lumetry.notifications.v1 import integration_service_pb2 as pb
from lumetry.notifications.v1.integration_service_pb2_grpc import IntegrationServiceStub, add_IntegrationServiceServicer_to_server
from lumetry_core.notifications.collector_tester import CollectorTester
from lumetry_core.notifications.rpc.integrations import IntegrationServicer
from lumetry_core.notifications.sender import Sender
from lumetry_core.runtime.addresses import PRIVATE_TOO
from lumetry_core.runtime.caller import Caller, CredentialKind, Permission
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import Origin
from lumetry_core.runtime.outbound import OutboundClient
from lumetry_core.runtime.queue import Wakeups
from lumetry_core.runtime.server import build_server, read_accesses
from lumetry_core.runtime.timestamps import encode_time
from tests.core.notifications.integrating import LAB_RULES, VAULT, always, receiving

SERVICE = "lumetry.notifications.v1.IntegrationService"
VIEWER = (("authorization", "Bearer viewer"),)


async def authenticate(origin: Origin) -> Caller:
    """Knows one person, who may manage integrations unless the secret says `viewer`."""
    permissions = {Permission.VIEW_ALERTS} | ({Permission.MANAGE_INTEGRATIONS} if origin.secret != "viewer" else set())
    return Caller(organization_id=7, kind=CredentialKind.INTERACTIVE, user_id=42, permissions=frozenset(permissions))


@pytest.fixture
async def stub(database: Database, clock: Clock, wakeups: Wakeups) -> AsyncIterator[IntegrationServiceStub]:
    """A client of a running server."""
    client = OutboundClient(PRIVATE_TOO, total_seconds=5)
    tester = CollectorTester(database, clock, wakeups, patience_seconds=0.3)
    servicer = IntegrationServicer(database, clock, LAB_RULES, Sender(client, VAULT), tester)
    services = {SERVICE: (add_IntegrationServiceServicer_to_server, servicer)}
    built = build_server("127.0.0.1:0", services, read_accesses([SERVICE]), authenticate, reflect=False)
    await built.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{built.port}") as channel:
        yield IntegrationServiceStub(channel)
    await built.server.stop(None)
    await client.close()


def webhook(url: str, **fields: str) -> pb.IntegrationDefinition:
    return pb.IntegrationDefinition(name="Ops", type="Webhook", endpoint_url=url, headers={"X-Key": "v"}, config={"a": "b"}, **fields)


async def test_integration_is_created_replaced_tested_and_deleted(stub: IntegrationServiceStub, clock: Clock) -> None:
    """What is answered never holds a secret; a test is sent at once."""
    async with receiving(always(200)) as receiver:
        definition = webhook(receiver.url, secret="s")
        made = (await stub.CreateIntegration(pb.CreateIntegrationRequest(definition=definition))).integration
        assert made == pb.Integration(
            id=made.id,
            name="Ops",
            type="Webhook",
            endpoint_url=receiver.url,
            header_names=["X-Key"],
            config={"a": "b"},
            has_secret=True,
            is_enabled=True,
            create_time=encode_time(clock.now()),
            update_time=encode_time(clock.now()),
        )
        changed = webhook(receiver.url)
        changed.headers["X-Key"] = "•••"
        replaced = await stub.UpdateIntegration(pb.UpdateIntegrationRequest(id=made.id, definition=changed))
        assert replaced.integration == made
        tested = await stub.TestIntegration(pb.TestIntegrationRequest(id=made.id))
    assert tested == pb.TestIntegrationResponse(is_success=True, duration_ms=0, status_code=200)
    headers = receiver.asked[0][2]
    assert (headers["x-key"], "x-lumetry-signature" in headers) == ("v", True)
    found = (await stub.GetIntegration(pb.GetIntegrationRequest(id=made.id), metadata=VIEWER)).integration
    assert found.last_test_time == encode_time(clock.now())
    assert list((await stub.ListIntegrations(pb.ListIntegrationsRequest(), metadata=VIEWER)).integrations) == [found]
    await stub.DeleteIntegration(pb.DeleteIntegrationRequest(id=made.id))
    assert not (await stub.ListIntegrations(pb.ListIntegrationsRequest())).integrations


async def test_test_tells_why_the_receiver_did_not_take_it(stub: IntegrationServiceStub) -> None:
    """A failure of the receiver is no failure of the call."""
    async with receiving(always(404)) as receiver:
        made = (await stub.CreateIntegration(pb.CreateIntegrationRequest(definition=webhook(receiver.url)))).integration
        refused = await stub.TestIntegration(pb.TestIntegrationRequest(id=made.id))
    gone = await stub.TestIntegration(pb.TestIntegrationRequest(id=made.id))
    assert refused == pb.TestIntegrationResponse(status_code=404, error="answered 404 Not Found")
    assert gone == pb.TestIntegrationResponse(error="the connection was refused")


async def test_faults_have_their_paths(stub: IntegrationServiceStub) -> None:
    """All at once."""
    definition = pb.IntegrationDefinition(type="Webhook", endpoint_url="x", headers={"Host": "a"})
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await stub.CreateIntegration(pb.CreateIntegrationRequest(definition=definition))
    details = error_details_pb2.BadRequest()
    assert rpc_status.from_call(failure.value).details[1].Unpack(details)
    assert [violation.field for violation in details.field_violations] == ["headers.Host", "name", "endpointUrl"]


async def test_viewers_change_nothing_and_the_unknown_is_not_found(stub: IntegrationServiceStub) -> None:
    """Whoever may look may not write, and not send."""
    calls = [
        (stub.CreateIntegration, pb.CreateIntegrationRequest()),
        (stub.UpdateIntegration, pb.UpdateIntegrationRequest(id=9)),
        (stub.DeleteIntegration, pb.DeleteIntegrationRequest(id=9)),
        (stub.TestIntegration, pb.TestIntegrationRequest(id=9)),
    ]
    for call, request in calls:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call(request, metadata=VIEWER)
        assert failure.value.code() is grpc.StatusCode.PERMISSION_DENIED
    for call, request in [*calls[1:], (stub.GetIntegration, pb.GetIntegrationRequest(id=9))]:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call(request)
        assert failure.value.code() is grpc.StatusCode.NOT_FOUND
