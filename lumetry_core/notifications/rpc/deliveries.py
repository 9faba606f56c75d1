"""DeliveryService on the wire."""

from typing import Any

import grpc

from lumetry.notifications.v1 import delivery_service_pb2 as pb
from lumetry.notifications.v1.delivery_service_pb2_grpc import DeliveryServiceServicer
from lumetry_core.notifications.delivery import Delivery
from lumetry_core.notifications.model import FALLBACK_ID
from lumetry_core.notifications.service.deliveries import DeliveryQuery, search_deliveries
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import Faults
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import decode_time, encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class DeliveryServicer(DeliveryServiceServicer):
    """Reads deliveries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ListDeliveries(self, request: pb.ListDeliveriesRequest, context: Context) -> pb.ListDeliveriesResponse:
        """See the proto."""
        query = decode_query(request)
        async with self._database.read() as tx:
            found = await search_deliveries(tx, current_caller(), query)
        return pb.ListDeliveriesResponse(deliveries=[encode_delivery(delivery) for delivery in found])


def decode_query(request: pb.ListDeliveriesRequest) -> DeliveryQuery:
    """The filters of a request. Fails with VALIDATION_FAILED when a time is outside the calendar."""
    faults = Faults()
    start_time = decode_time(request.start_time, "from", faults) if request.HasField("start_time") else None
    end_time = decode_time(request.end_time, "to", faults) if request.HasField("end_time") else None
    faults.raise_if_any()
    return DeliveryQuery(
        alert_id=request.alert_id if request.HasField("alert_id") else None,
        integration_id=request.integration_id if request.HasField("integration_id") else None,
        status=request.status,
        start_time=start_time,
        end_time=end_time,
        limit=request.limit,
    )


def encode_delivery(delivery: Delivery) -> pb.Delivery:
    """A delivery."""
    record = delivery.record
    return pb.Delivery(
        id=delivery.id,
        alert_id=delivery.alert_id,
        transition=delivery.transition,
        profile_id=delivery.profile_id,
        integration_id=None if delivery.integration_id == FALLBACK_ID else delivery.integration_id,
        status=delivery.status,
        attempts=delivery.attempts,
        status_code=delivery.status_code,
        last_error=delivery.last_error,
        reason=delivery.reason or "",
        record_type=record.type if record else "",
        record_id=record.id if record else "",
        record_name=record.name if record else "",
        create_time=encode_time(delivery.create_time),
        deliver_time=encode_time(delivery.deliver_time),
    )
