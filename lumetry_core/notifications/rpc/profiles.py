"""`lumetry.notifications.v1.AlertingProfileService`."""

from typing import Any

import grpc
from google.protobuf.message import Message

from lumetry.notifications.v1 import profile_service_pb2 as pb
from lumetry.notifications.v1.profile_service_pb2_grpc import AlertingProfileServiceServicer
from lumetry_core.notifications.drafts import ProfileDraft
from lumetry_core.notifications.model import Profile
from lumetry_core.notifications.service import profiles
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class AlertingProfileServicer(AlertingProfileServiceServicer):
    """Serves the managing of alerting profiles."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ListAlertingProfiles(self, request: pb.ListAlertingProfilesRequest, context: Context) -> pb.ListAlertingProfilesResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await profiles.find_profiles(tx, current_caller().organization_id)
        return pb.ListAlertingProfilesResponse(profiles=[encode_profile(profile) for profile in found])

    async def GetAlertingProfile(self, request: pb.GetAlertingProfileRequest, context: Context) -> pb.GetAlertingProfileResponse:
        """See the proto."""
        async with self._database.read() as tx:
            profile = await profiles.get_profile(tx, current_caller().organization_id, request.id)
        return pb.GetAlertingProfileResponse(profile=encode_profile(profile))

    async def CreateAlertingProfile(self, request: pb.CreateAlertingProfileRequest, context: Context) -> pb.CreateAlertingProfileResponse:
        """See the proto."""
        draft = decode_draft(request.definition)
        async with self._database.write() as tx:
            profile = await profiles.create_profile(tx, current_caller(), draft, self._clock.now())
        return pb.CreateAlertingProfileResponse(profile=encode_profile(profile))

    async def UpdateAlertingProfile(self, request: pb.UpdateAlertingProfileRequest, context: Context) -> pb.UpdateAlertingProfileResponse:
        """See the proto."""
        draft = decode_draft(request.definition)
        async with self._database.write() as tx:
            profile = await profiles.update_profile(tx, current_caller(), request.id, draft, self._clock.now())
        return pb.UpdateAlertingProfileResponse(profile=encode_profile(profile))

    async def DeleteAlertingProfile(self, request: pb.DeleteAlertingProfileRequest, context: Context) -> pb.DeleteAlertingProfileResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await profiles.delete_profile(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteAlertingProfileResponse()


def decode_draft(definition: pb.AlertingProfileDefinition) -> ProfileDraft:
    """A profile as it was sent."""
    return ProfileDraft(
        name=definition.name,
        is_default=given(definition, "is_default"),
        is_enabled=given(definition, "is_enabled"),
        cooldown_minutes=given(definition, "cooldown_minutes"),
        notify_on_open=given(definition, "notify_on_open"),
        notify_on_escalate=given(definition, "notify_on_escalate"),
        notify_on_close=given(definition, "notify_on_close"),
        min_severity=given(definition, "min_severity"),
        integration_ids=list(definition.integration_ids),
    )


def given(message: Message, field: str) -> Any:  # noqa: ANN401 -- the type is the field's
    """The value of an optional field; None when it is absent."""
    return getattr(message, field) if message.HasField(field) else None


def encode_profile(profile: Profile) -> pb.AlertingProfile:
    """A profile."""
    return pb.AlertingProfile(
        id=profile.id,
        definition=pb.AlertingProfileDefinition(
            name=profile.name,
            is_default=profile.is_default,
            is_enabled=profile.is_enabled,
            cooldown_minutes=profile.cooldown_minutes,
            notify_on_open=profile.notify_on_open,
            notify_on_escalate=profile.notify_on_escalate,
            notify_on_close=profile.notify_on_close,
            min_severity=profile.min_severity,
            integration_ids=profile.integration_ids,
        ),
        create_time=encode_time(profile.create_time),
        update_time=encode_time(profile.update_time),
    )
