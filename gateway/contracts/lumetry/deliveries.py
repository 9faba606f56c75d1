"""Deliveries of notifications (contract lumetry 14.4)."""

from typing import Literal

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.lumetry.alerts import DecisionRecord
from gateway.contracts.lumetry.values import Id, Limit, Time, optional_time
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.notifications.v1 import delivery_service_pb2


class DeliveryFilters(msgspec.Struct, rename="camel"):
    """Which deliveries."""

    alert_id: Id | None = None
    integration_id: Id | None = None
    status: Literal["Pending", "Success", "Failed", "Suppressed", "Skipped"] | None = None
    from_: Timestamp | None = msgspec.field(default=None, name="from")
    to: Timestamp | None = None
    limit: Limit = 500


class Delivery(msgspec.Struct, rename="camel"):
    """One transition of an alert for one integration."""

    id: int
    alert_id: int
    transition: str
    profile_id: int | None
    integration_id: int | None
    status: str
    attempts: int
    status_code: int | None
    last_error: str | None
    reason: str | None
    record: DecisionRecord | None
    created_at: Time
    delivered_at: Time | None


def decode_list_deliveries(request: Request) -> delivery_service_pb2.ListDeliveriesRequest:
    """14.4 `GET /api/alerting/deliveries`."""
    filters = request.query(DeliveryFilters, ordered=("from_", "to"))
    return delivery_service_pb2.ListDeliveriesRequest(
        alert_id=filters.alert_id,
        integration_id=filters.integration_id,
        status=filters.status or "",
        start_time=filters.from_,
        end_time=filters.to,
        limit=filters.limit,
    )


def encode_list_deliveries(reply: delivery_service_pb2.ListDeliveriesResponse, _asked: object) -> list[Delivery]:
    """14.4 the list."""
    return [encode_delivery(delivery) for delivery in reply.deliveries]


def encode_delivery(delivery: delivery_service_pb2.Delivery) -> Delivery:
    """14.4 one delivery."""
    has = delivery.HasField
    return Delivery(
        id=delivery.id,
        alert_id=delivery.alert_id,
        transition=delivery.transition,
        profile_id=delivery.profile_id if has("profile_id") else None,
        integration_id=delivery.integration_id if has("integration_id") else None,
        status=delivery.status,
        attempts=delivery.attempts,
        status_code=delivery.status_code if has("status_code") else None,
        last_error=delivery.last_error if has("last_error") else None,
        reason=delivery.reason or None,
        record=DecisionRecord(delivery.record_type, delivery.record_id, delivery.record_name) if delivery.record_type else None,
        created_at=format_time(delivery.create_time),
        delivered_at=optional_time(delivery, "deliver_time"),
    )
