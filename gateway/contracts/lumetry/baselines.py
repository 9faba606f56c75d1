"""Baseline profiles (contract lumetry 9.4). Defaults and ranges are the core's business."""

import msgspec

from gateway.contracts.lumetry.values import Int32, Time
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.baselines.v1 import baseline_profile_service_pb2 as pb


class BaselineProfileBody(msgspec.Struct, rename="camel"):
    """A profile as written."""

    name: str = ""
    lookback_days: Int32 | None = None
    minimum_points: Int32 | None = None
    time_zone: str | None = None
    is_default: bool | None = None


class RebuildBody(msgspec.Struct, rename="camel"):
    """What is to be learned again; without `metricId` the baselines of all metrics."""

    metric_id: str | None = None
    include_violations: bool = False


class BaselineProfile(msgspec.Struct, rename="camel"):
    """How baselines are learned."""

    id: int
    name: str
    lookback_days: int
    minimum_points: int
    time_zone: str
    is_default: bool
    created_at: Time
    updated_at: Time


class RebuildReceipt(msgspec.Struct, rename="camel"):
    """What became of a request to learn again."""

    status: str


def decode_list_profiles(_request: Request) -> pb.ListBaselineProfilesRequest:
    """9.4 `GET /api/baseline-profiles`."""
    return pb.ListBaselineProfilesRequest()


def encode_list_profiles(reply: pb.ListBaselineProfilesResponse, _asked: object) -> list[BaselineProfile]:
    """9.4 all profiles."""
    return [encode_profile(profile) for profile in reply.profiles]


def decode_get_profile(request: Request) -> pb.GetBaselineProfileRequest:
    """9.4 `GET /api/baseline-profiles/{id}`."""
    return pb.GetBaselineProfileRequest(id=request.number("id"))


def decode_create_profile(request: Request) -> pb.CreateBaselineProfileRequest:
    """9.4 `POST /api/baseline-profiles`."""
    return pb.CreateBaselineProfileRequest(definition=decode_profile(request.body(BaselineProfileBody)))


def decode_update_profile(request: Request) -> pb.UpdateBaselineProfileRequest:
    """9.4 `PUT /api/baseline-profiles/{id}`."""
    return pb.UpdateBaselineProfileRequest(id=request.number("id"), definition=decode_profile(request.body(BaselineProfileBody)))


def decode_delete_profile(request: Request) -> pb.DeleteBaselineProfileRequest:
    """9.4 `DELETE /api/baseline-profiles/{id}`."""
    return pb.DeleteBaselineProfileRequest(id=request.number("id"))


def decode_rebuild(request: Request) -> pb.RebuildBaselinesRequest:
    """9.4 `POST /api/baseline-profiles/{id}/rebuild`."""
    profile_id, body = request.number("id"), request.body(RebuildBody, optional=True)
    return pb.RebuildBaselinesRequest(profile_id=profile_id, metric_key=body.metric_id, include_violations=body.include_violations)


def encode_rebuild(_reply: pb.RebuildBaselinesResponse, _asked: object) -> RebuildReceipt:
    """9.4 the request waits."""
    return RebuildReceipt(status="Queued")


def decode_profile(body: BaselineProfileBody) -> pb.BaselineProfileDefinition:
    """9.4 the writable fields."""
    return pb.BaselineProfileDefinition(
        name=body.name,
        lookback_days=body.lookback_days,
        minimum_points=body.minimum_points,
        time_zone=body.time_zone,
        is_default=body.is_default,
    )


def encode_profile_reply(
    reply: pb.GetBaselineProfileResponse | pb.CreateBaselineProfileResponse | pb.UpdateBaselineProfileResponse, _asked: object
) -> BaselineProfile:
    """9.4 the profile of an answer."""
    return encode_profile(reply.profile)


def encode_profile(profile: pb.BaselineProfile) -> BaselineProfile:
    """9.4 a profile."""
    definition = profile.definition
    return BaselineProfile(
        id=profile.id,
        name=definition.name,
        lookback_days=definition.lookback_days,
        minimum_points=definition.minimum_points,
        time_zone=definition.time_zone,
        is_default=definition.is_default,
        created_at=format_time(profile.create_time),
        updated_at=format_time(profile.update_time),
    )
