"""The routes of baseline profiles, incident windows and public holidays (contract lumetry 9.4, 12.4)."""

from gateway.contracts.lumetry import access, baselines, exclusions
from gateway.transcode.channel import Rpc, find_rpc
from gateway.transcode.routes import Route
from lumetry.baselines.v1 import baseline_profile_service_pb2, exclusion_service_pb2

WINDOW = exclusion_service_pb2.EXCLUSION_KIND_INCIDENT_WINDOW
HOLIDAY = exclusion_service_pb2.EXCLUSION_KIND_PUBLIC_HOLIDAY


def profile_rpc(method: str) -> Rpc:
    """An RPC of the profile service."""
    return find_rpc(baseline_profile_service_pb2.DESCRIPTOR, "BaselineProfileService", method)


def exclusion_rpc(method: str) -> Rpc:
    """An RPC of the exclusion service."""
    return find_rpc(exclusion_service_pb2.DESCRIPTOR, "ExclusionService", method)


PROFILE = (profile_rpc("GetBaselineProfile"), baselines.decode_get_profile)

PROFILES = (
    Route(
        method="GET",
        path="/api/baseline-profiles",
        heading="List baseline profiles",
        rpc=profile_rpc("ListBaselineProfiles"),
        decode=baselines.decode_list_profiles,
        encode=baselines.encode_list_profiles,
        answer=list[baselines.BaselineProfile],
    ),
    Route(
        method="POST",
        path="/api/baseline-profiles",
        heading="Create a baseline profile",
        rpc=profile_rpc("CreateBaselineProfile"),
        body=baselines.BaselineProfileBody,
        decode=baselines.decode_create_profile,
        encode=baselines.encode_profile_reply,
        status=201,
        answer=baselines.BaselineProfile,
    ),
    Route(
        method="GET",
        path="/api/baseline-profiles/{id:int}",
        heading="Read a baseline profile",
        rpc=profile_rpc("GetBaselineProfile"),
        decode=baselines.decode_get_profile,
        encode=baselines.encode_profile_reply,
        answer=baselines.BaselineProfile,
    ),
    Route(
        method="PUT",
        path="/api/baseline-profiles/{id:int}",
        heading="Replace a baseline profile",
        rpc=profile_rpc("UpdateBaselineProfile"),
        body=baselines.BaselineProfileBody,
        decode=baselines.decode_update_profile,
        encode=baselines.encode_profile_reply,
        answer=baselines.BaselineProfile,
        existence=PROFILE,
    ),
    Route(
        method="DELETE",
        path="/api/baseline-profiles/{id:int}",
        heading="Delete a baseline profile",
        rpc=profile_rpc("DeleteBaselineProfile"),
        decode=baselines.decode_delete_profile,
        encode=access.encode_nothing,
        status=204,
    ),
    Route(
        method="POST",
        path="/api/baseline-profiles/{id:int}/rebuild",
        heading="Learn baselines again",
        rpc=profile_rpc("RebuildBaselines"),
        body=baselines.RebuildBody,
        body_optional=True,
        decode=baselines.decode_rebuild,
        encode=baselines.encode_rebuild,
        status=202,
        answer=baselines.RebuildReceipt,
        existence=PROFILE,
    ),
)

EXCLUSIONS = (
    Route(
        method="GET",
        path="/api/incident-windows",
        heading="List incident windows",
        rpc=exclusion_rpc("ListExclusions"),
        query=exclusions.ExclusionFilters,
        decode=exclusions.decode_list(WINDOW),
        encode=exclusions.encode_list,
        answer=list[exclusions.Exclusion],
    ),
    Route(
        method="POST",
        path="/api/incident-windows",
        heading="Create an incident window",
        rpc=exclusion_rpc("CreateExclusion"),
        body=exclusions.ExclusionBody,
        decode=exclusions.decode_create(WINDOW),
        encode=exclusions.encode_exclusion_reply,
        status=201,
        answer=exclusions.Exclusion,
    ),
    Route(
        method="DELETE",
        path="/api/incident-windows/{id:int}",
        heading="Delete an incident window",
        rpc=exclusion_rpc("DeleteExclusion"),
        decode=exclusions.decode_delete(WINDOW),
        encode=access.encode_nothing,
        status=204,
    ),
    Route(
        method="GET",
        path="/api/public-holidays",
        heading="List public holidays",
        rpc=exclusion_rpc("ListExclusions"),
        query=exclusions.ExclusionFilters,
        decode=exclusions.decode_list(HOLIDAY),
        encode=exclusions.encode_list,
        answer=list[exclusions.Exclusion],
    ),
    Route(
        method="POST",
        path="/api/public-holidays",
        heading="Create a public holiday",
        rpc=exclusion_rpc("CreateExclusion"),
        body=exclusions.ExclusionBody,
        decode=exclusions.decode_create(HOLIDAY),
        encode=exclusions.encode_exclusion_reply,
        status=201,
        answer=exclusions.Exclusion,
    ),
    Route(
        method="POST",
        path="/api/public-holidays/import",
        heading="Import public holidays",
        rpc=exclusion_rpc("ImportPublicHolidays"),
        body=exclusions.HolidayImportBody,
        decode=exclusions.decode_import,
        encode=exclusions.encode_list,
        status=201,
        answer=list[exclusions.Exclusion],
    ),
    Route(
        method="DELETE",
        path="/api/public-holidays/{id:int}",
        heading="Delete a public holiday",
        rpc=exclusion_rpc("DeleteExclusion"),
        decode=exclusions.decode_delete(HOLIDAY),
        encode=access.encode_nothing,
        status=204,
    ),
)

BASELINE_ROUTES = (*PROFILES, *EXCLUSIONS)
