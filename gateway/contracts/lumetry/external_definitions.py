"""External alert definitions (contract lumetry 13.3)."""

import msgspec

from gateway.contracts.lumetry.values import Id, Limit, Time, optional_value
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.external.v1 import external_definition_service_pb2 as pb


class ExternalDefinitionBody(msgspec.Struct, rename="camel"):
    """A definition as written; source and key stay as they are for good."""

    source_id: Id | None = None
    definition_key: str | None = None
    topology_node_id: Id | None = None
    display_name: str | None = None
    enabled: bool | None = None


class ExternalDefinitionFilters(msgspec.Struct, rename="camel"):
    """Whose definitions, and how many."""

    source_id: Id | None = None
    limit: Limit = 500


class ExternalDefinition(msgspec.Struct, rename="camel"):
    """What an alarm definition of a provider stands for."""

    id: int
    source_id: int
    definition_key: str
    topology_node_id: int
    display_name: str | None
    enabled: bool
    created_at: Time
    updated_at: Time


def decode_list(request: Request) -> pb.ListExternalDefinitionsRequest:
    """13.3 `GET /api/external-alert-definitions`."""
    filters = request.query(ExternalDefinitionFilters)
    return pb.ListExternalDefinitionsRequest(source_id=filters.source_id, limit=filters.limit)


def decode_get(request: Request) -> pb.GetExternalDefinitionRequest:
    """The definition that a change is about."""
    return pb.GetExternalDefinitionRequest(id=request.number("id"))


def decode_create(request: Request) -> pb.CreateExternalDefinitionRequest:
    """13.3 `POST /api/external-alert-definitions`."""
    return pb.CreateExternalDefinitionRequest(definition=make_draft(request.body(ExternalDefinitionBody)))


def decode_update(request: Request) -> pb.UpdateExternalDefinitionRequest:
    """13.3 `PUT /api/external-alert-definitions/{id}`."""
    return pb.UpdateExternalDefinitionRequest(id=request.number("id"), definition=make_draft(request.body(ExternalDefinitionBody)))


def decode_delete(request: Request) -> pb.DeleteExternalDefinitionRequest:
    """13.3 `DELETE /api/external-alert-definitions/{id}`."""
    return pb.DeleteExternalDefinitionRequest(id=request.number("id"))


def make_draft(body: ExternalDefinitionBody) -> pb.ExternalDefinitionDraft:
    """13.3 a definition as written."""
    return pb.ExternalDefinitionDraft(
        source_id=body.source_id,
        definition_key=body.definition_key,
        topology_node_id=body.topology_node_id,
        display_name=body.display_name,
        enabled=body.enabled,
    )


def encode_list(reply: pb.ListExternalDefinitionsResponse, _asked: object) -> list[ExternalDefinition]:
    """13.3 definitions."""
    return [encode_definition(definition) for definition in reply.definitions]


def encode_definition_reply(
    reply: pb.CreateExternalDefinitionResponse | pb.UpdateExternalDefinitionResponse, _asked: object
) -> ExternalDefinition:
    """13.3 one definition."""
    return encode_definition(reply.definition)


def encode_definition(definition: pb.ExternalDefinition) -> ExternalDefinition:
    """13.3 a definition."""
    return ExternalDefinition(
        id=definition.id,
        source_id=definition.source_id,
        definition_key=definition.definition_key,
        topology_node_id=definition.topology_node_id,
        display_name=optional_value(definition, "display_name"),
        enabled=definition.enabled,
        created_at=format_time(definition.create_time),
        updated_at=format_time(definition.update_time),
    )
