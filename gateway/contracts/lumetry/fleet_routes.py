"""The route of fleets (contract lumetry 5.5)."""

from gateway.contracts.lumetry import fleet
from gateway.transcode.channel import find_rpc
from gateway.transcode.routes import Route
from lumetry.evaluation.v1 import fleet_service_pb2

FLEET_ROUTES = (
    Route(
        method="GET",
        path="/api/metrics/{id:key}/fleet",
        heading="Fleet of a metric",
        rpc=find_rpc(fleet_service_pb2.DESCRIPTOR, "FleetService", "GetFleet"),
        decode=fleet.decode_get_fleet,
        encode=fleet.encode_get_fleet,
        answer=fleet.Fleet,
    ),
)
