"""`lumetry.access.v1.SettingsService`."""

from dataclasses import asdict
from typing import Any

import grpc

from lumetry.access.v1 import settings_service_pb2 as pb
from lumetry.access.v1.settings_service_pb2_grpc import SettingsServiceServicer
from lumetry_core.access.service import settings
from lumetry_core.access.settings import SETTINGS, OrganizationSettings, SettingsChange
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller

Context = grpc.aio.ServicerContext[Any, Any]


class SettingsServicer(SettingsServiceServicer):
    """Serves what organizations set for themselves."""

    def __init__(self, database: Database, clock: Clock, defaults: OrganizationSettings) -> None:
        """Builds the servicer.

        Args:
            database: Where settings are.
            clock: Tells when they changed.
            defaults: What the deployment sets for organizations that do not.
        """
        self._database = database
        self._clock = clock
        self._defaults = defaults

    async def GetSettings(self, request: pb.GetSettingsRequest, context: Context) -> pb.GetSettingsResponse:
        """See the service's proto."""
        async with self._database.read() as tx:
            found = await settings.read_settings(tx, current_caller().organization_id, self._defaults)
        return pb.GetSettingsResponse(settings=encode_settings(found))

    async def UpdateSettings(self, request: pb.UpdateSettingsRequest, context: Context) -> pb.UpdateSettingsResponse:
        """See the service's proto."""
        change = decode_change(request)
        async with self._database.write() as tx:
            changed = await settings.update_settings(tx, current_caller(), change, self._defaults, self._clock.now())
        return pb.UpdateSettingsResponse(settings=encode_settings(changed))


def decode_change(request: pb.UpdateSettingsRequest) -> SettingsChange:
    """The change that a request asks for."""
    sent = request.change
    values: dict[str, int | None] = {
        setting.field: getattr(sent, setting.field)
        for setting in SETTINGS
        if sent.HasField(setting.field)  # type: ignore[arg-type]  # every setting is a field
    }
    if sent.HasField("incidents_auto_resolve_off"):
        values["incidents_auto_resolve_after_minutes"] = None
    return SettingsChange(values, tuple(request.unset))


def encode_settings(found: OrganizationSettings) -> pb.OrganizationSettings:
    """Settings, whose fields have the same names."""
    return pb.OrganizationSettings(**asdict(found))
