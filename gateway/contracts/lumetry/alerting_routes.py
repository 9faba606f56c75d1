"""The routes of integrations and alerting profiles (contract lumetry 14.2, 14.3)."""

from gateway.contracts.lumetry import access, alerting
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.notifications.v1 import integration_service_pb2, profile_service_pb2

TEST_SECONDS = 25.0
"""A receiver may take ten seconds for the message and, where it keeps incidents, ten for taking it back."""


def integration_rpc(method: str) -> Rpc:
    """An RPC of the integration service."""
    return find_rpc(integration_service_pb2.DESCRIPTOR, "IntegrationService", method)


def profile_rpc(method: str) -> Rpc:
    """An RPC of the profile service."""
    return find_rpc(profile_service_pb2.DESCRIPTOR, "AlertingProfileService", method)


INTEGRATION = (integration_rpc("GetIntegration"), alerting.decode_get_integration)
PROFILE = (profile_rpc("GetAlertingProfile"), alerting.decode_get_profile)

INTEGRATIONS = (
    Route(
        method="GET",
        path="/api/alerting/integrations",
        heading="List integrations",
        rpc=integration_rpc("ListIntegrations"),
        decode=alerting.decode_list_integrations,
        encode=alerting.encode_list_integrations,
        answer=list[alerting.Integration],
    ),
    Route(
        method="POST",
        path="/api/alerting/integrations",
        heading="Create an integration",
        rpc=integration_rpc("CreateIntegration"),
        body=alerting.IntegrationBody,
        decode=alerting.decode_create_integration,
        encode=alerting.encode_integration_reply,
        status=201,
        answer=alerting.Integration,
    ),
    Route(
        method="GET",
        path="/api/alerting/integrations/{id:int}",
        heading="Read an integration",
        rpc=integration_rpc("GetIntegration"),
        decode=alerting.decode_get_integration,
        encode=alerting.encode_integration_reply,
        answer=alerting.Integration,
    ),
    Route(
        method="PUT",
        path="/api/alerting/integrations/{id:int}",
        heading="Replace an integration",
        rpc=integration_rpc("UpdateIntegration"),
        body=alerting.IntegrationBody,
        decode=alerting.decode_update_integration,
        encode=alerting.encode_integration_reply,
        answer=alerting.Integration,
        existence=INTEGRATION,
    ),
    Route(
        method="DELETE",
        path="/api/alerting/integrations/{id:int}",
        heading="Delete an integration",
        rpc=integration_rpc("DeleteIntegration"),
        decode=alerting.decode_delete_integration,
        encode=access.encode_nothing,
        status=204,
    ),
    Route(
        method="POST",
        path="/api/alerting/integrations/{id:int}/test",
        heading="Test an integration",
        rpc=integration_rpc("TestIntegration"),
        decode=alerting.decode_test_integration,
        encode=alerting.encode_test_integration,
        answer=alerting.TestOutcome,
        deadline_seconds=TEST_SECONDS,
    ),
)

PROFILES = (
    Route(
        method="GET",
        path="/api/alerting/profiles",
        heading="List alerting profiles",
        rpc=profile_rpc("ListAlertingProfiles"),
        decode=alerting.decode_list_profiles,
        encode=alerting.encode_list_profiles,
        answer=list[alerting.AlertingProfile],
    ),
    Route(
        method="POST",
        path="/api/alerting/profiles",
        heading="Create an alerting profile",
        rpc=profile_rpc("CreateAlertingProfile"),
        body=alerting.AlertingProfileBody,
        decode=alerting.decode_create_profile,
        encode=alerting.encode_profile_reply,
        status=201,
        answer=alerting.AlertingProfile,
    ),
    Route(
        method="GET",
        path="/api/alerting/profiles/{id:int}",
        heading="Read an alerting profile",
        rpc=profile_rpc("GetAlertingProfile"),
        decode=alerting.decode_get_profile,
        encode=alerting.encode_profile_reply,
        answer=alerting.AlertingProfile,
    ),
    Route(
        method="PUT",
        path="/api/alerting/profiles/{id:int}",
        heading="Replace an alerting profile",
        rpc=profile_rpc("UpdateAlertingProfile"),
        body=alerting.AlertingProfileBody,
        decode=alerting.decode_update_profile,
        encode=alerting.encode_profile_reply,
        answer=alerting.AlertingProfile,
        existence=PROFILE,
    ),
    Route(
        method="DELETE",
        path="/api/alerting/profiles/{id:int}",
        heading="Delete an alerting profile",
        rpc=profile_rpc("DeleteAlertingProfile"),
        decode=alerting.decode_delete_profile,
        encode=access.encode_nothing,
        status=204,
    ),
)

ALERTING_ROUTES = (*INTEGRATIONS, *PROFILES)
