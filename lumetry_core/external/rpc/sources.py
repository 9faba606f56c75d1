"""`lumetry.external.v1.ExternalSourceService`."""

from typing import Any

import grpc

from lumetry.external.v1 import external_source_service_pb2 as pb
from lumetry.external.v1.external_source_service_pb2_grpc import ExternalSourceServiceServicer
from lumetry_core.external.drafts import SourceDraft
from lumetry_core.external.model import Health, Source, Unmapped
from lumetry_core.external.service import sources
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class ExternalSourceServicer(ExternalSourceServiceServicer):
    """Serves the managing of sources."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ListExternalSources(self, request: pb.ListExternalSourcesRequest, context: Context) -> pb.ListExternalSourcesResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await sources.list_sources(tx, current_caller().organization_id)
        return pb.ListExternalSourcesResponse(sources=[encode_source(source, health) for source, health in found])

    async def GetExternalSource(self, request: pb.GetExternalSourceRequest, context: Context) -> pb.GetExternalSourceResponse:
        """See the proto."""
        async with self._database.read() as tx:
            source, health = await sources.get_source(tx, current_caller().organization_id, request.id)
        return pb.GetExternalSourceResponse(source=encode_source(source, health))

    async def CreateExternalSource(self, request: pb.CreateExternalSourceRequest, context: Context) -> pb.CreateExternalSourceResponse:
        """See the proto."""
        async with self._database.write() as tx:
            source, secret = await sources.create_source(tx, current_caller(), decode_draft(request.source), self._clock.now())
        return pb.CreateExternalSourceResponse(source=encode_source(source, Health()), credential=secret)

    async def UpdateExternalSource(self, request: pb.UpdateExternalSourceRequest, context: Context) -> pb.UpdateExternalSourceResponse:
        """See the proto."""
        draft = decode_draft(request.source)
        async with self._database.write() as tx:
            source, health = await sources.update_source(tx, current_caller(), request.id, draft, self._clock.now())
        return pb.UpdateExternalSourceResponse(source=encode_source(source, health))

    async def DeleteExternalSource(self, request: pb.DeleteExternalSourceRequest, context: Context) -> pb.DeleteExternalSourceResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await sources.delete_source(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteExternalSourceResponse()

    async def RotateExternalSourceCredential(
        self, request: pb.RotateExternalSourceCredentialRequest, context: Context
    ) -> pb.RotateExternalSourceCredentialResponse:
        """See the proto."""
        async with self._database.write() as tx:
            source, secret = await sources.rotate_credential(tx, current_caller(), request.id, self._clock.now())
        return pb.RotateExternalSourceCredentialResponse(credential=secret, webhook_path=source.webhook_path)

    async def ListUnmappedDefinitions(
        self, request: pb.ListUnmappedDefinitionsRequest, context: Context
    ) -> pb.ListUnmappedDefinitionsResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await sources.list_unmapped(tx, current_caller(), request.source_id, request.limit)
        return pb.ListUnmappedDefinitionsResponse(definitions=[encode_unmapped(each) for each in found])


def decode_draft(draft: pb.ExternalSourceDraft) -> SourceDraft:
    """A source as it was sent."""
    return SourceDraft(
        name=draft.name,
        provider_type=draft.provider_type,
        is_enabled=draft.enabled if draft.HasField("enabled") else None,
        severity_mapping=dict(draft.severity_mapping),
    )


def encode_source(source: Source, health: Health) -> pb.ExternalSource:
    """A source with its health."""
    return pb.ExternalSource(
        id=source.id,
        source_key=source.key,
        name=source.name,
        provider_type=source.provider_type,
        enabled=source.is_enabled,
        severity_mapping={word: severity.value for word, severity in source.severity_mapping.items()},
        webhook_path=source.webhook_path,
        receive_time=encode_time(health.receive_time),
        accepted_count=health.accepted_count,
        rejected_count=health.rejected_count,
        last_error=health.last_error,
        mapped_count=source.mapped_count,
        unmapped_count=source.unmapped_count,
        mapping_coverage_percent=source.coverage_percent,
        create_time=encode_time(source.create_time),
        update_time=encode_time(source.update_time),
    )


def encode_unmapped(unmapped: Unmapped) -> pb.UnmappedDefinition:
    """A definition that nobody mapped."""
    return pb.UnmappedDefinition(
        definition_key=unmapped.definition_key,
        transition_count=unmapped.count,
        last_state=unmapped.state,
        last_severity=unmapped.severity,
        last_title=unmapped.title,
        first_seen_time=encode_time(unmapped.first_seen_time),
        last_seen_time=encode_time(unmapped.last_seen_time),
    )
