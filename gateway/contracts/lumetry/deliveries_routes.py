"""The route of deliveries (contract lumetry 14.4)."""

from gateway.contracts.lumetry import deliveries
from gateway.transcode.channel import find_rpc
from gateway.transcode.routes import Route
from lumetry.notifications.v1 import delivery_service_pb2

DELIVERIES_ROUTES = (
    Route(
        method="GET",
        path="/api/alerting/deliveries",
        heading="List deliveries",
        rpc=find_rpc(delivery_service_pb2.DESCRIPTOR, "DeliveryService", "ListDeliveries"),
        query=deliveries.DeliveryFilters,
        decode=deliveries.decode_list_deliveries,
        encode=deliveries.encode_list_deliveries,
        answer=list[deliveries.Delivery],
    ),
)
