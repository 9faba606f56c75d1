"""What organizations set for themselves (contract lumetry 19.11, 20)."""

from collections.abc import Iterator
from typing import Annotated, Any, get_type_hints

import msgspec
from google.protobuf.empty_pb2 import Empty
from msgspec import Meta

from gateway.contracts.lumetry.values import optional_value
from gateway.transcode.bodies import parse_json
from gateway.transcode.request import Request
from lumetry.access.v1 import settings_service_pb2 as pb


class EvaluationSettings(msgspec.Struct, rename="camel"):
    """Settings of evaluation."""

    grace_seconds: int


class CatalogSettings(msgspec.Struct, rename="camel"):
    """Settings of the catalog."""

    stale_after_hours: int


class FleetSettings(msgspec.Struct, rename="camel"):
    """Settings of fleet analysis."""

    staleness_seconds: int
    member_gone_minutes: int


class CorrelationSettings(msgspec.Struct, rename="camel"):
    """Settings of correlation."""

    window_minutes: int


class IncidentsSettings(msgspec.Struct, rename="camel"):
    """Settings of incidents."""

    reopen_settle_minutes: int
    reopen_horizon_minutes: int
    persistence_threshold_minutes: int
    auto_resolve_after_minutes: int | None


class AgentsSettings(msgspec.Struct, rename="camel"):
    """Settings of host agents."""

    max_series: int


class Settings(msgspec.Struct, rename="camel"):
    """All settings in force."""

    evaluation: EvaluationSettings
    catalog: CatalogSettings
    fleet: FleetSettings
    correlation: CorrelationSettings
    incidents: IncidentsSettings
    agents: AgentsSettings


class EvaluationChange(msgspec.Struct, rename="camel"):
    """Changed settings of evaluation."""

    grace_seconds: Annotated[int, Meta(ge=0, le=3600)] | None = None


class CatalogChange(msgspec.Struct, rename="camel"):
    """Changed settings of the catalog."""

    stale_after_hours: Annotated[int, Meta(ge=1, le=720)] | None = None


class FleetChange(msgspec.Struct, rename="camel"):
    """Changed settings of fleet analysis."""

    staleness_seconds: Annotated[int, Meta(ge=30, le=3600)] | None = None
    member_gone_minutes: Annotated[int, Meta(ge=5, le=10_080)] | None = None


class CorrelationChange(msgspec.Struct, rename="camel"):
    """Changed settings of correlation."""

    window_minutes: Annotated[int, Meta(ge=1, le=1440)] | None = None


class IncidentsChange(msgspec.Struct, rename="camel"):
    """Changed settings of incidents."""

    reopen_settle_minutes: Annotated[int, Meta(ge=0, le=1440)] | None = None
    reopen_horizon_minutes: Annotated[int, Meta(ge=0, le=10_080)] | None = None
    persistence_threshold_minutes: Annotated[int, Meta(ge=1, le=10_080)] | None = None
    auto_resolve_after_minutes: Annotated[int, Meta(ge=1, le=10_080)] | None = None


class AgentsChange(msgspec.Struct, rename="camel"):
    """Changed settings of host agents."""

    max_series: Annotated[int, Meta(ge=100, le=20_000)] | None = None


class SettingsBody(msgspec.Struct, rename="camel"):
    """Settings to change. An absent key stays as it is; one that is null follows the deployment again, or is off where it can be."""

    evaluation: EvaluationChange | None = None
    catalog: CatalogChange | None = None
    fleet: FleetChange | None = None
    correlation: CorrelationChange | None = None
    incidents: IncidentsChange | None = None
    agents: AgentsChange | None = None


AUTO_RESOLVE = "incidents.autoResolveAfterMinutes"
SECTIONS = {
    name: (kind, {field.name: field.encode_name for field in msgspec.structs.fields(kind)})
    for name, kind in get_type_hints(Settings).items()
}
"""The struct of each section, and the contract's keys by field."""


def decode_get_settings(_request: Request) -> pb.GetSettingsRequest:
    """19.11 `GET /api/settings`."""
    return pb.GetSettingsRequest()


def decode_update_settings(request: Request) -> pb.UpdateSettingsRequest:
    """19.11 `PUT /api/settings`."""
    body = request.body(SettingsBody)
    nulls = set(find_nulls(parse_json(request.content)))
    change = pb.SettingsChange(incidents_auto_resolve_off=Empty() if AUTO_RESOLVE in nulls else None)
    for field, value in given_values(body):
        setattr(change, field, value)
    return pb.UpdateSettingsRequest(change=change, unset=sorted(nulls - {AUTO_RESOLVE}))


def given_values(body: SettingsBody) -> Iterator[tuple[str, int]]:
    """The new values, by field of the change."""
    for section, (_, keys) in SECTIONS.items():
        for field in keys:
            value = getattr(getattr(body, section), field, None)
            if value is not None:
                yield f"{section}_{field}", value


def find_nulls(data: Any) -> Iterator[str]:  # noqa: ANN401 -- parsed JSON that was read as a body before
    """The names of settings that stand in a body as null, which reading takes for absent."""
    for section, (_, keys) in SECTIONS.items():
        sent = data.get(section) or {}
        for key in keys.values():
            if key in sent and sent[key] is None:
                yield f"{section}.{key}"


def encode_settings_reply(reply: pb.GetSettingsResponse | pb.UpdateSettingsResponse, _asked: object) -> Settings:
    """19.11 all settings."""
    return Settings(
        **{
            section: kind(**{field: read_setting(reply.settings, f"{section}_{field}") for field in keys})
            for section, (kind, keys) in SECTIONS.items()
        }
    )


def read_setting(settings: pb.OrganizationSettings, field: str) -> Any:  # noqa: ANN401 -- a number, or None where a setting can be off
    """A setting; None when it is off."""
    return optional_value(settings, field) if settings.DESCRIPTOR.fields_by_name[field].has_presence else getattr(settings, field)
