"""Integrations and alerting profiles (contract lumetry 14.2, 14.3). Defaults and ranges are the core's business."""

import msgspec

from gateway.contracts.lumetry.values import Id, Int32, Time, optional_time, optional_value
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.notifications.v1 import integration_service_pb2, profile_service_pb2

MASK = "•••"
"""What stands for the value of a header."""


class IntegrationBody(msgspec.Struct, rename="camel"):
    """An integration as written."""

    name: str = ""
    type: str = ""
    endpoint_url: str | None = None
    headers: dict[str, str] | None = None
    config: dict[str, str] | None = None
    secret: str | None = None
    is_enabled: bool | None = None
    collector_id: str | None = None


class Integration(msgspec.Struct, rename="camel"):
    """A target of notifications."""

    id: int
    name: str
    type: str
    endpoint_url: str | None
    headers: dict[str, str]
    config: dict[str, str]
    has_secret: bool
    is_enabled: bool
    created_at: Time
    updated_at: Time
    last_tested_at: Time | None
    last_delivery_status: str | None
    last_delivery_error: str | None
    collector_id: str | None


class TestOutcome(msgspec.Struct, rename="camel"):
    """What became of a test message."""

    success: bool
    duration_ms: int
    status_code: int | None
    error: str | None


class AlertingProfileBody(msgspec.Struct, rename="camel"):
    """A profile as written."""

    name: str = ""
    is_default: bool | None = None
    is_enabled: bool | None = None
    cooldown_minutes: Int32 | None = None
    notify_on_open: bool | None = None
    notify_on_escalate: bool | None = None
    notify_on_close: bool | None = None
    min_severity: str | None = None
    integration_ids: list[Id] | None = None


class AlertingProfile(msgspec.Struct, rename="camel"):
    """A routing policy."""

    id: int
    name: str
    is_default: bool
    is_enabled: bool
    cooldown_minutes: int
    notify_on_open: bool
    notify_on_escalate: bool
    notify_on_close: bool
    min_severity: str
    integration_ids: list[int]
    created_at: Time
    updated_at: Time


def decode_list_integrations(_request: Request) -> integration_service_pb2.ListIntegrationsRequest:
    """14.2 `GET /api/alerting/integrations`."""
    return integration_service_pb2.ListIntegrationsRequest()


def encode_list_integrations(reply: integration_service_pb2.ListIntegrationsResponse, _asked: object) -> list[Integration]:
    """14.2 all integrations."""
    return [encode_integration(integration) for integration in reply.integrations]


def decode_get_integration(request: Request) -> integration_service_pb2.GetIntegrationRequest:
    """14.2 `GET /api/alerting/integrations/{id}`."""
    return integration_service_pb2.GetIntegrationRequest(id=request.number("id"))


def decode_create_integration(request: Request) -> integration_service_pb2.CreateIntegrationRequest:
    """14.2 `POST /api/alerting/integrations`."""
    return integration_service_pb2.CreateIntegrationRequest(definition=decode_integration(request.body(IntegrationBody)))


def decode_update_integration(request: Request) -> integration_service_pb2.UpdateIntegrationRequest:
    """14.2 `PUT /api/alerting/integrations/{id}`."""
    return integration_service_pb2.UpdateIntegrationRequest(
        id=request.number("id"), definition=decode_integration(request.body(IntegrationBody))
    )


def decode_delete_integration(request: Request) -> integration_service_pb2.DeleteIntegrationRequest:
    """14.2 `DELETE /api/alerting/integrations/{id}`."""
    return integration_service_pb2.DeleteIntegrationRequest(id=request.number("id"))


def decode_test_integration(request: Request) -> integration_service_pb2.TestIntegrationRequest:
    """14.2 `POST /api/alerting/integrations/{id}/test`."""
    return integration_service_pb2.TestIntegrationRequest(id=request.number("id"))


def encode_test_integration(reply: integration_service_pb2.TestIntegrationResponse, _asked: object) -> TestOutcome:
    """14.2 what became of the test message."""
    return TestOutcome(
        success=reply.is_success,
        duration_ms=reply.duration_ms,
        status_code=optional_value(reply, "status_code"),
        error=optional_value(reply, "error"),
    )


def decode_integration(body: IntegrationBody) -> integration_service_pb2.IntegrationDefinition:
    """14.2 the writable fields."""
    return integration_service_pb2.IntegrationDefinition(
        name=body.name,
        type=body.type,
        endpoint_url=body.endpoint_url,
        headers=body.headers,
        config=body.config,
        secret=body.secret,
        is_enabled=body.is_enabled,
        collector_id=body.collector_id,
    )


def encode_integration_reply(
    reply: integration_service_pb2.GetIntegrationResponse
    | integration_service_pb2.CreateIntegrationResponse
    | integration_service_pb2.UpdateIntegrationResponse,
    _asked: object,
) -> Integration:
    """14.2 the integration of an answer."""
    return encode_integration(reply.integration)


def encode_integration(integration: integration_service_pb2.Integration) -> Integration:
    """14.2 an integration."""
    return Integration(
        id=integration.id,
        name=integration.name,
        type=integration.type,
        endpoint_url=optional_value(integration, "endpoint_url"),
        headers=dict.fromkeys(integration.header_names, MASK),
        config=dict(sorted(integration.config.items())),
        has_secret=integration.has_secret,
        is_enabled=integration.is_enabled,
        created_at=format_time(integration.create_time),
        updated_at=format_time(integration.update_time),
        last_tested_at=optional_time(integration, "last_test_time"),
        last_delivery_status=optional_value(integration, "last_delivery_status"),
        last_delivery_error=optional_value(integration, "last_delivery_error"),
        collector_id=optional_value(integration, "collector_id"),
    )


def decode_list_profiles(_request: Request) -> profile_service_pb2.ListAlertingProfilesRequest:
    """14.3 `GET /api/alerting/profiles`."""
    return profile_service_pb2.ListAlertingProfilesRequest()


def encode_list_profiles(reply: profile_service_pb2.ListAlertingProfilesResponse, _asked: object) -> list[AlertingProfile]:
    """14.3 all profiles."""
    return [encode_profile(profile) for profile in reply.profiles]


def decode_get_profile(request: Request) -> profile_service_pb2.GetAlertingProfileRequest:
    """14.3 `GET /api/alerting/profiles/{id}`."""
    return profile_service_pb2.GetAlertingProfileRequest(id=request.number("id"))


def decode_create_profile(request: Request) -> profile_service_pb2.CreateAlertingProfileRequest:
    """14.3 `POST /api/alerting/profiles`."""
    return profile_service_pb2.CreateAlertingProfileRequest(definition=decode_profile(request.body(AlertingProfileBody)))


def decode_update_profile(request: Request) -> profile_service_pb2.UpdateAlertingProfileRequest:
    """14.3 `PUT /api/alerting/profiles/{id}`."""
    definition = decode_profile(request.body(AlertingProfileBody))
    return profile_service_pb2.UpdateAlertingProfileRequest(id=request.number("id"), definition=definition)


def decode_delete_profile(request: Request) -> profile_service_pb2.DeleteAlertingProfileRequest:
    """14.3 `DELETE /api/alerting/profiles/{id}`."""
    return profile_service_pb2.DeleteAlertingProfileRequest(id=request.number("id"))


def decode_profile(body: AlertingProfileBody) -> profile_service_pb2.AlertingProfileDefinition:
    """14.3 the writable fields."""
    return profile_service_pb2.AlertingProfileDefinition(
        name=body.name,
        is_default=body.is_default,
        is_enabled=body.is_enabled,
        cooldown_minutes=body.cooldown_minutes,
        notify_on_open=body.notify_on_open,
        notify_on_escalate=body.notify_on_escalate,
        notify_on_close=body.notify_on_close,
        min_severity=body.min_severity,
        integration_ids=body.integration_ids or (),
    )


def encode_profile_reply(
    reply: profile_service_pb2.GetAlertingProfileResponse
    | profile_service_pb2.CreateAlertingProfileResponse
    | profile_service_pb2.UpdateAlertingProfileResponse,
    _asked: object,
) -> AlertingProfile:
    """14.3 the profile of an answer."""
    return encode_profile(reply.profile)


def encode_profile(profile: profile_service_pb2.AlertingProfile) -> AlertingProfile:
    """14.3 a profile."""
    definition = profile.definition
    return AlertingProfile(
        id=profile.id,
        name=definition.name,
        is_default=definition.is_default,
        is_enabled=definition.is_enabled,
        cooldown_minutes=definition.cooldown_minutes,
        notify_on_open=definition.notify_on_open,
        notify_on_escalate=definition.notify_on_escalate,
        notify_on_close=definition.notify_on_close,
        min_severity=definition.min_severity,
        integration_ids=list(definition.integration_ids),
        created_at=format_time(profile.create_time),
        updated_at=format_time(profile.update_time),
    )
