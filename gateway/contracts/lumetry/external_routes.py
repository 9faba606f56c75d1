"""The routes of external alerts (contract lumetry 13)."""

from gateway.contracts.lumetry import access, external_definitions, external_events, external_sources
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.external.v1 import external_definition_service_pb2, external_source_service_pb2


def source_rpc(method: str) -> Rpc:
    """An RPC of the source service."""
    return find_rpc(external_source_service_pb2.DESCRIPTOR, "ExternalSourceService", method)


def definition_rpc(method: str) -> Rpc:
    """An RPC of the definition service."""
    return find_rpc(external_definition_service_pb2.DESCRIPTOR, "ExternalDefinitionService", method)


SOURCE = (source_rpc("GetExternalSource"), external_sources.decode_get)
DEFINITION = (definition_rpc("GetExternalDefinition"), external_definitions.decode_get)

EXTERNAL_ROUTES = (
    Route(
        method="GET",
        path="/api/external-alert-sources",
        heading="List external alert sources",
        rpc=source_rpc("ListExternalSources"),
        decode=external_sources.decode_list,
        encode=external_sources.encode_list,
        answer=list[external_sources.ExternalSource],
    ),
    Route(
        method="POST",
        path="/api/external-alert-sources",
        heading="Create an external alert source",
        rpc=source_rpc("CreateExternalSource"),
        body=external_sources.ExternalSourceBody,
        decode=external_sources.decode_create,
        encode=external_sources.encode_created,
        status=201,
        answer=external_sources.CreatedExternalSource,
    ),
    Route(
        method="GET",
        path="/api/external-alert-sources/{id:int}",
        heading="Read an external alert source",
        rpc=source_rpc("GetExternalSource"),
        decode=external_sources.decode_get,
        encode=external_sources.encode_source_reply,
        answer=external_sources.ExternalSource,
    ),
    Route(
        method="PUT",
        path="/api/external-alert-sources/{id:int}",
        heading="Replace an external alert source",
        rpc=source_rpc("UpdateExternalSource"),
        body=external_sources.ExternalSourceBody,
        decode=external_sources.decode_update,
        encode=external_sources.encode_source_reply,
        answer=external_sources.ExternalSource,
        existence=SOURCE,
    ),
    Route(
        method="DELETE",
        path="/api/external-alert-sources/{id:int}",
        heading="Delete an external alert source",
        rpc=source_rpc("DeleteExternalSource"),
        decode=external_sources.decode_delete,
        encode=access.encode_nothing,
        status=204,
    ),
    Route(
        method="POST",
        path="/api/external-alert-sources/{id:int}/credentials/rotate",
        heading="Rotate the credential of an external alert source",
        rpc=source_rpc("RotateExternalSourceCredential"),
        decode=external_sources.decode_rotate,
        encode=external_sources.encode_rotated,
        answer=external_sources.RotatedCredential,
    ),
    Route(
        method="GET",
        path="/api/external-alert-sources/{id:int}/unmapped",
        heading="Unmapped definitions of an external alert source",
        rpc=source_rpc("ListUnmappedDefinitions"),
        query=external_sources.UnmappedFilters,
        decode=external_sources.decode_list_unmapped,
        encode=external_sources.encode_list_unmapped,
        answer=list[external_sources.UnmappedDefinition],
        existence=SOURCE,
    ),
    Route(
        method="GET",
        path="/api/external-alert-definitions",
        heading="List external alert definitions",
        rpc=definition_rpc("ListExternalDefinitions"),
        query=external_definitions.ExternalDefinitionFilters,
        decode=external_definitions.decode_list,
        encode=external_definitions.encode_list,
        answer=list[external_definitions.ExternalDefinition],
    ),
    Route(
        method="POST",
        path="/api/external-alert-definitions",
        heading="Create an external alert definition",
        rpc=definition_rpc("CreateExternalDefinition"),
        body=external_definitions.ExternalDefinitionBody,
        decode=external_definitions.decode_create,
        encode=external_definitions.encode_definition_reply,
        status=201,
        answer=external_definitions.ExternalDefinition,
    ),
    Route(
        method="PUT",
        path="/api/external-alert-definitions/{id:int}",
        heading="Replace an external alert definition",
        rpc=definition_rpc("UpdateExternalDefinition"),
        body=external_definitions.ExternalDefinitionBody,
        decode=external_definitions.decode_update,
        encode=external_definitions.encode_definition_reply,
        answer=external_definitions.ExternalDefinition,
        existence=DEFINITION,
    ),
    Route(
        method="DELETE",
        path="/api/external-alert-definitions/{id:int}",
        heading="Delete an external alert definition",
        rpc=definition_rpc("DeleteExternalDefinition"),
        decode=external_definitions.decode_delete,
        encode=access.encode_nothing,
        status=204,
    ),
    Route(
        method="POST",
        path="/v1/alert-sources/{sourceKey:key}/events",
        heading="External alert webhook",
        rpc=external_events.REPORT_EVENTS,
        handle=external_events.report_events,
        status=202,
        body=external_events.ExternalDelivery,
        gzip=True,
        answer=external_events.AcceptedEvents,
    ),
)
