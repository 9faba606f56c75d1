"""`lumetry.external.v1.ExternalDefinitionService`."""

from typing import Any

import grpc

from lumetry.external.v1 import external_definition_service_pb2 as pb
from lumetry.external.v1.external_definition_service_pb2_grpc import ExternalDefinitionServiceServicer
from lumetry_core.external.drafts import DefinitionDraft
from lumetry_core.external.model import Definition
from lumetry_core.external.service import definitions
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class ExternalDefinitionServicer(ExternalDefinitionServiceServicer):
    """Serves the managing of definitions."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ListExternalDefinitions(
        self, request: pb.ListExternalDefinitionsRequest, context: Context
    ) -> pb.ListExternalDefinitionsResponse:
        """See the proto."""
        source_id = request.source_id if request.HasField("source_id") else None
        async with self._database.read() as tx:
            found = await definitions.list_definitions(tx, current_caller(), source_id, request.limit)
        return pb.ListExternalDefinitionsResponse(definitions=[encode_definition(definition) for definition in found])

    async def GetExternalDefinition(self, request: pb.GetExternalDefinitionRequest, context: Context) -> pb.GetExternalDefinitionResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await definitions.get_definition(tx, current_caller().organization_id, request.id)
        return pb.GetExternalDefinitionResponse(definition=encode_definition(found))

    async def CreateExternalDefinition(
        self, request: pb.CreateExternalDefinitionRequest, context: Context
    ) -> pb.CreateExternalDefinitionResponse:
        """See the proto."""
        draft = decode_draft(request.definition)
        async with self._database.write() as tx:
            created = await definitions.create_definition(tx, current_caller(), draft, self._clock.now())
        return pb.CreateExternalDefinitionResponse(definition=encode_definition(created))

    async def UpdateExternalDefinition(
        self, request: pb.UpdateExternalDefinitionRequest, context: Context
    ) -> pb.UpdateExternalDefinitionResponse:
        """See the proto."""
        draft = decode_draft(request.definition)
        async with self._database.write() as tx:
            changed = await definitions.update_definition(tx, current_caller(), request.id, draft, self._clock.now())
        return pb.UpdateExternalDefinitionResponse(definition=encode_definition(changed))

    async def DeleteExternalDefinition(
        self, request: pb.DeleteExternalDefinitionRequest, context: Context
    ) -> pb.DeleteExternalDefinitionResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await definitions.delete_definition(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteExternalDefinitionResponse()


def decode_draft(draft: pb.ExternalDefinitionDraft) -> DefinitionDraft:
    """A definition as it was sent."""
    return DefinitionDraft(
        source_id=draft.source_id if draft.HasField("source_id") else None,
        key=draft.definition_key if draft.HasField("definition_key") else None,
        node_id=draft.topology_node_id if draft.HasField("topology_node_id") else None,
        display_name=draft.display_name if draft.HasField("display_name") else None,
        is_enabled=draft.enabled if draft.HasField("enabled") else None,
    )


def encode_definition(definition: Definition) -> pb.ExternalDefinition:
    """A definition."""
    return pb.ExternalDefinition(
        id=definition.id,
        source_id=definition.source_id,
        definition_key=definition.key,
        topology_node_id=definition.node_id,
        display_name=definition.display_name,
        enabled=definition.is_enabled,
        create_time=encode_time(definition.create_time),
        update_time=encode_time(definition.update_time),
    )
