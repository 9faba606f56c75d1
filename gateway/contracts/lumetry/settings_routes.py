"""The routes of settings (contract lumetry 19.11)."""

from gateway.contracts.lumetry import settings
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.access.v1 import settings_service_pb2


def settings_rpc(method: str) -> Rpc:
    """An RPC of the settings service."""
    return find_rpc(settings_service_pb2.DESCRIPTOR, "SettingsService", method)


SETTINGS_ROUTES = (
    Route(
        method="GET",
        path="/api/settings",
        heading="Read the settings",
        rpc=settings_rpc("GetSettings"),
        decode=settings.decode_get_settings,
        encode=settings.encode_settings_reply,
        answer=settings.Settings,
    ),
    Route(
        method="PUT",
        path="/api/settings",
        heading="Change settings",
        rpc=settings_rpc("UpdateSettings"),
        body=settings.SettingsBody,
        decode=settings.decode_update_settings,
        encode=settings.encode_settings_reply,
        answer=settings.Settings,
    ),
)
