"""`lumetry.baselines.v1.BaselineProfileService`."""

from typing import Any

import grpc
from google.protobuf.message import Message

from lumetry.baselines.v1 import baseline_profile_service_pb2 as pb
from lumetry.baselines.v1.baseline_profile_service_pb2_grpc import BaselineProfileServiceServicer
from lumetry_core.baselines.drafts import ProfileDraft
from lumetry_core.baselines.model import BaselineProfile
from lumetry_core.baselines.service import profiles
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class BaselineProfileServicer(BaselineProfileServiceServicer):
    """Serves the managing of baseline profiles."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ListBaselineProfiles(self, request: pb.ListBaselineProfilesRequest, context: Context) -> pb.ListBaselineProfilesResponse:
        """See the proto."""
        organization_id = current_caller().organization_id
        await self._settle(organization_id)
        async with self._database.read() as tx:
            found = await profiles.list_profiles(tx, organization_id)
        return pb.ListBaselineProfilesResponse(profiles=[encode_profile(profile) for profile in found])

    async def GetBaselineProfile(self, request: pb.GetBaselineProfileRequest, context: Context) -> pb.GetBaselineProfileResponse:
        """See the proto."""
        async with self._database.read() as tx:
            profile = await profiles.get_profile(tx, current_caller().organization_id, request.id)
        return pb.GetBaselineProfileResponse(profile=encode_profile(profile))

    async def CreateBaselineProfile(self, request: pb.CreateBaselineProfileRequest, context: Context) -> pb.CreateBaselineProfileResponse:
        """See the proto."""
        draft = decode_draft(request.definition)
        async with self._database.write() as tx:
            profile = await profiles.create_profile(tx, current_caller(), draft, self._clock.now())
        return pb.CreateBaselineProfileResponse(profile=encode_profile(profile))

    async def UpdateBaselineProfile(self, request: pb.UpdateBaselineProfileRequest, context: Context) -> pb.UpdateBaselineProfileResponse:
        """See the proto."""
        draft = decode_draft(request.definition)
        async with self._database.write() as tx:
            profile = await profiles.update_profile(tx, current_caller(), request.id, draft, self._clock.now())
        return pb.UpdateBaselineProfileResponse(profile=encode_profile(profile))

    async def DeleteBaselineProfile(self, request: pb.DeleteBaselineProfileRequest, context: Context) -> pb.DeleteBaselineProfileResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await profiles.delete_profile(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteBaselineProfileResponse()

    async def RebuildBaselines(self, request: pb.RebuildBaselinesRequest, context: Context) -> pb.RebuildBaselinesResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await profiles.rebuild_profile(
                tx,
                current_caller(),
                request.profile_id,
                given(request, "metric_key"),
                include_violations=request.include_violations,
                now=self._clock.now(),
            )
        return pb.RebuildBaselinesResponse()

    async def _settle(self, organization_id: int) -> None:
        """Stores the default profile of an organization that was made without one. Writes only when it is missing."""
        async with self._database.read() as tx:
            if await profiles.is_settled(tx, organization_id):
                return
        async with self._database.write() as tx:
            await profiles.settle_default(tx, organization_id, self._clock.now())


def decode_draft(definition: pb.BaselineProfileDefinition) -> ProfileDraft:
    """A profile as it was sent."""
    return ProfileDraft(
        name=definition.name,
        lookback_days=given(definition, "lookback_days"),
        minimum_points=given(definition, "minimum_points"),
        time_zone=given(definition, "time_zone"),
        is_default=given(definition, "is_default"),
    )


def given(message: Message, field: str) -> Any:  # noqa: ANN401 -- the type is the field's
    """The value of an optional field; None when it is absent."""
    return getattr(message, field) if message.HasField(field) else None


def encode_profile(profile: BaselineProfile) -> pb.BaselineProfile:
    """A profile."""
    return pb.BaselineProfile(
        id=profile.id,
        definition=pb.BaselineProfileDefinition(
            name=profile.name,
            lookback_days=profile.lookback_days,
            minimum_points=profile.minimum_points,
            time_zone=profile.time_zone,
            is_default=profile.is_default,
        ),
        create_time=encode_time(profile.create_time),
        update_time=encode_time(profile.update_time),
    )
