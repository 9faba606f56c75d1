"""Routes of what is seen from above (contract workspace 4 resources, 11, 12)."""

from gateway.contracts.workspace import dashboard, mission_control, resources
from gateway.contracts.workspace.activity import SnapshotQuery
from gateway.contracts.workspace.values import MAX_BODY_BYTES, Success
from gateway.transcode.channel import find_rpc
from gateway.transcode.routes import Route
from lumetry.overview.v1 import snapshot_service_pb2

RESOURCES = (
    Route(
        method="GET",
        path="/api/v1/projects/{id:key}/resources",
        heading="Read a project's resources",
        rpc=resources.GET,
        decode=resources.decode_get_resources,
        encode=resources.encode_get_resources,
        answer=Success[resources.Resources],
    ),
    Route(
        method="PUT",
        path="/api/v1/projects/{id:key}/resources",
        heading="Replace a project's resources",
        rpc=resources.REPLACE,
        body=resources.ResourceBody,
        body_limit=MAX_BODY_BYTES,
        handle=resources.answer_replace_resources,
        answer=Success[resources.Resources],
    ),
)

SNAPSHOTS = (
    Route(
        method="GET",
        path="/api/v1/mission-control",
        heading="Mission control",
        rpc=find_rpc(snapshot_service_pb2.DESCRIPTOR, "SnapshotService", "GetMissionControl"),
        query=SnapshotQuery,
        decode=mission_control.decode_mission_control,
        encode=mission_control.encode_mission_control,
        answer=Success[mission_control.MissionControl],
    ),
    Route(
        method="GET",
        path="/api/v1/dashboard/overview",
        heading="Dashboard overview",
        rpc=find_rpc(snapshot_service_pb2.DESCRIPTOR, "SnapshotService", "GetDashboard"),
        query=SnapshotQuery,
        decode=dashboard.decode_dashboard,
        encode=dashboard.encode_dashboard,
        answer=Success[dashboard.Dashboard],
    ),
)
