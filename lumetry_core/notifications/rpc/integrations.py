"""`lumetry.notifications.v1.IntegrationService`."""

from typing import Any

import grpc
from google.protobuf.message import Message

from lumetry.notifications.v1 import integration_service_pb2 as pb
from lumetry.notifications.v1.integration_service_pb2_grpc import IntegrationServiceServicer
from lumetry_core.notifications.collector_tester import CollectorTester
from lumetry_core.notifications.drafts import IntegrationDraft
from lumetry_core.notifications.model import Integration
from lumetry_core.notifications.sender import Sender
from lumetry_core.notifications.service import integrations
from lumetry_core.notifications.service.integrations import Rules
from lumetry_core.runtime.clock import Clock, to_ms
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class IntegrationServicer(IntegrationServiceServicer):
    """Serves the managing of integrations."""

    def __init__(self, database: Database, clock: Clock, rules: Rules, sender: Sender, tester: CollectorTester) -> None:
        """Builds the servicer.

        Args:
            database: Where everything is.
            clock: Tells when a write happens.
            rules: What the deployment says of integrations.
            sender: Sends test messages.
            tester: Has collectors send them.
        """
        self._database = database
        self._clock = clock
        self._rules = rules
        self._sender = sender
        self._tester = tester

    async def ListIntegrations(self, request: pb.ListIntegrationsRequest, context: Context) -> pb.ListIntegrationsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await integrations.list_integrations(tx, current_caller().organization_id)
        return pb.ListIntegrationsResponse(integrations=[encode_integration(integration) for integration in found])

    async def GetIntegration(self, request: pb.GetIntegrationRequest, context: Context) -> pb.GetIntegrationResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await integrations.get_integration(tx, current_caller().organization_id, request.id)
        return pb.GetIntegrationResponse(integration=encode_integration(found))

    async def CreateIntegration(self, request: pb.CreateIntegrationRequest, context: Context) -> pb.CreateIntegrationResponse:
        """See the proto."""
        draft = decode_draft(request.definition)
        async with self._database.write() as tx:
            created = await integrations.create_integration(tx, current_caller(), draft, self._rules, self._clock.now())
        return pb.CreateIntegrationResponse(integration=encode_integration(created))

    async def UpdateIntegration(self, request: pb.UpdateIntegrationRequest, context: Context) -> pb.UpdateIntegrationResponse:
        """See the proto."""
        draft = decode_draft(request.definition)
        async with self._database.write() as tx:
            updated = await integrations.update_integration(tx, current_caller(), request.id, draft, self._rules, self._clock.now())
        return pb.UpdateIntegrationResponse(integration=encode_integration(updated))

    async def DeleteIntegration(self, request: pb.DeleteIntegrationRequest, context: Context) -> pb.DeleteIntegrationResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await integrations.delete_integration(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteIntegrationResponse()

    async def TestIntegration(self, request: pb.TestIntegrationRequest, context: Context) -> pb.TestIntegrationResponse:
        """See the proto."""
        caller = current_caller()
        async with self._database.read() as tx:
            integration = await integrations.get_integration(tx, caller.organization_id, request.id)
        start = self._clock.now()
        by_collector = integration.collector_id is not None
        result = await (self._tester.send_test(integration) if by_collector else self._sender.send_test(integration, start))
        end = self._clock.now()
        async with self._database.write() as tx:
            await integrations.note_test(tx, caller, integration.id, result, end)
        return pb.TestIntegrationResponse(
            is_success=result.ok,
            duration_ms=max(to_ms(end) - to_ms(start), 0),
            status_code=result.status_code,
            error=result.error,
        )


def decode_draft(definition: pb.IntegrationDefinition) -> IntegrationDraft:
    """An integration as it was sent."""
    return IntegrationDraft(
        name=definition.name,
        type=definition.type,
        endpoint_url=given(definition, "endpoint_url"),
        headers=dict(definition.headers),
        config=dict(definition.config),
        secret=given(definition, "secret"),
        is_enabled=given(definition, "is_enabled"),
        collector_id=given(definition, "collector_id"),
    )


def given(message: Message, field: str) -> Any:  # noqa: ANN401 -- the type is the field's
    """The value of an optional field; None when it is absent."""
    return getattr(message, field) if message.HasField(field) else None


def encode_integration(integration: Integration) -> pb.Integration:
    """An integration, without anything secret."""
    return pb.Integration(
        id=integration.id,
        name=integration.name,
        type=integration.type,
        endpoint_url=integration.endpoint_url,
        header_names=integration.header_names,
        config=integration.config,
        has_secret=integration.has_secret,
        is_enabled=integration.is_enabled,
        collector_id=integration.collector_id,
        create_time=encode_time(integration.create_time),
        update_time=encode_time(integration.update_time),
        last_test_time=encode_time(integration.last_tested_time),
        last_delivery_status=integration.last_delivery_status,
        last_delivery_error=integration.last_delivery_error,
    )
