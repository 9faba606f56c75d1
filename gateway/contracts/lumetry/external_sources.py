"""External alert sources (contract lumetry 13.2)."""

import msgspec

from gateway.contracts.lumetry.values import Limit, Time, optional_time, optional_value
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.external.v1 import external_source_service_pb2 as pb


class ExternalSourceBody(msgspec.Struct, rename="camel"):
    """A source as written; `providerType` counts when it is created."""

    name: str = ""
    provider_type: str | None = None
    enabled: bool | None = None
    severity_mapping: dict[str, str] | None = None


class UnmappedFilters(msgspec.Struct, rename="camel"):
    """How many of those seen last."""

    limit: Limit = 500


class NewExternalSource(msgspec.Struct, rename="camel"):
    """A source as the answer to its creation shows it."""

    id: int
    source_key: str
    name: str
    provider_type: str
    enabled: bool


class CreatedExternalSource(msgspec.Struct, rename="camel"):
    """A new source with its credential, which is shown once."""

    source: NewExternalSource
    credential: str
    webhook_path: str


class RotatedCredential(msgspec.Struct, rename="camel"):
    """A new credential, which is shown once."""

    credential: str
    webhook_path: str


class ExternalSource(msgspec.Struct, rename="camel"):
    """A source with its health."""

    id: int
    source_key: str
    name: str
    provider_type: str
    enabled: bool
    severity_mapping: dict[str, str]
    last_received_at: Time | None
    accepted_event_count: int
    rejected_event_count: int
    last_error: str | None
    mapped_event_count: int
    unmapped_event_count: int
    mapping_coverage_percent: float | None
    created_at: Time
    updated_at: Time


class UnmappedDefinition(msgspec.Struct, rename="camel"):
    """A definition of a provider that nobody mapped."""

    definition_key: str
    count: int
    last_state: str
    last_severity: str | None
    last_title: str | None
    first_seen_at: Time
    last_seen_at: Time


def decode_list(_request: Request) -> pb.ListExternalSourcesRequest:
    """13.2 `GET /api/external-alert-sources`."""
    return pb.ListExternalSourcesRequest()


def decode_get(request: Request) -> pb.GetExternalSourceRequest:
    """13.2 `GET /api/external-alert-sources/{id}`."""
    return pb.GetExternalSourceRequest(id=request.number("id"))


def decode_create(request: Request) -> pb.CreateExternalSourceRequest:
    """13.2 `POST /api/external-alert-sources`."""
    return pb.CreateExternalSourceRequest(source=make_draft(request.body(ExternalSourceBody)))


def decode_update(request: Request) -> pb.UpdateExternalSourceRequest:
    """13.2 `PUT /api/external-alert-sources/{id}`."""
    return pb.UpdateExternalSourceRequest(id=request.number("id"), source=make_draft(request.body(ExternalSourceBody)))


def decode_delete(request: Request) -> pb.DeleteExternalSourceRequest:
    """13.2 `DELETE /api/external-alert-sources/{id}`."""
    return pb.DeleteExternalSourceRequest(id=request.number("id"))


def decode_rotate(request: Request) -> pb.RotateExternalSourceCredentialRequest:
    """13.2 `POST /api/external-alert-sources/{id}/credentials/rotate`."""
    return pb.RotateExternalSourceCredentialRequest(id=request.number("id"))


def decode_list_unmapped(request: Request) -> pb.ListUnmappedDefinitionsRequest:
    """13.2 `GET /api/external-alert-sources/{id}/unmapped`."""
    return pb.ListUnmappedDefinitionsRequest(source_id=request.number("id"), limit=request.query(UnmappedFilters).limit)


def make_draft(body: ExternalSourceBody) -> pb.ExternalSourceDraft:
    """13.2 a source as written."""
    return pb.ExternalSourceDraft(
        name=body.name, provider_type=body.provider_type or "", enabled=body.enabled, severity_mapping=body.severity_mapping or {}
    )


def encode_list(reply: pb.ListExternalSourcesResponse, _asked: object) -> list[ExternalSource]:
    """13.2 all sources."""
    return [encode_source(source) for source in reply.sources]


def encode_source_reply(reply: pb.GetExternalSourceResponse | pb.UpdateExternalSourceResponse, _asked: object) -> ExternalSource:
    """13.2 one source."""
    return encode_source(reply.source)


def encode_created(reply: pb.CreateExternalSourceResponse, _asked: object) -> CreatedExternalSource:
    """13.2 the new source."""
    source = reply.source
    shown = NewExternalSource(
        id=source.id, source_key=source.source_key, name=source.name, provider_type=source.provider_type, enabled=source.enabled
    )
    return CreatedExternalSource(source=shown, credential=reply.credential, webhook_path=source.webhook_path)


def encode_rotated(reply: pb.RotateExternalSourceCredentialResponse, _asked: object) -> RotatedCredential:
    """13.2 the new credential."""
    return RotatedCredential(credential=reply.credential, webhook_path=reply.webhook_path)


def encode_source(source: pb.ExternalSource) -> ExternalSource:
    """13.2 a source."""
    return ExternalSource(
        id=source.id,
        source_key=source.source_key,
        name=source.name,
        provider_type=source.provider_type,
        enabled=source.enabled,
        severity_mapping=dict(sorted(source.severity_mapping.items())),
        last_received_at=optional_time(source, "receive_time"),
        accepted_event_count=source.accepted_count,
        rejected_event_count=source.rejected_count,
        last_error=optional_value(source, "last_error"),
        mapped_event_count=source.mapped_count,
        unmapped_event_count=source.unmapped_count,
        mapping_coverage_percent=optional_value(source, "mapping_coverage_percent"),
        created_at=format_time(source.create_time),
        updated_at=format_time(source.update_time),
    )


def encode_list_unmapped(reply: pb.ListUnmappedDefinitionsResponse, _asked: object) -> list[UnmappedDefinition]:
    """13.2 what nobody mapped."""
    return [
        UnmappedDefinition(
            definition_key=each.definition_key,
            count=each.transition_count,
            last_state=each.last_state,
            last_severity=optional_value(each, "last_severity"),
            last_title=optional_value(each, "last_title"),
            first_seen_at=format_time(each.first_seen_time),
            last_seen_at=format_time(each.last_seen_time),
        )
        for each in reply.definitions
    ]
