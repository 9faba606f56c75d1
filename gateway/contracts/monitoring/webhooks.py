"""Outbound webhooks (contract monitoring 12)."""

from typing import Literal

import msgspec

from gateway.contracts.monitoring.channels import LARGEST_PAGE, PAGE, Deliveries, PageQuery, encode_delivery
from gateway.contracts.monitoring.values import Time, format_or_none, read_count, read_moment, value_or_none
from gateway.transcode.bodies import parse_json
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.notifications.v1 import webhook_service_pb2 as pb


class NewWebhook(msgspec.Struct):
    """A webhook as written. Without a secret one is made."""

    name: str
    url: str
    secret: str | None = None
    event_types: list[str] | None = None
    is_active: bool | None = None


class WebhookChange(msgspec.Struct):
    """What changes of a webhook."""

    name: str | None = None
    url: str | None = None
    secret: str | None = None
    event_types: list[str] | None = None
    is_active: bool | None = None


class CreatedWebhook(msgspec.Struct):
    """A new webhook; `secret` is there, this once, when it was made."""

    id: str
    name: str
    url: str
    event_types: list[str]
    is_active: bool
    created_at: Time
    secret: str | msgspec.UnsetType = msgspec.UNSET


class Webhook(msgspec.Struct):
    """A webhook."""

    id: str
    name: str
    url: str
    event_types: list[str]
    is_active: bool
    last_delivery_status: Literal["pending", "delivered", "failed"] | None
    last_delivery_at: Time | None
    failure_count: int
    created_at: Time


class Webhooks(msgspec.Struct):
    """All webhooks."""

    webhooks: list[Webhook]


class WebhookTested(msgspec.Struct):
    """What became of a test."""

    status: Literal["delivered", "failed"]
    http_status: int | None
    error: str | None


def decode_list(_request: Request) -> pb.ListWebhooksRequest:
    """12.1 `GET /api/v1/webhooks`."""
    return pb.ListWebhooksRequest()


def encode_list(reply: pb.ListWebhooksResponse, _asked: object) -> Webhooks:
    """12.1 all webhooks."""
    return Webhooks([encode_webhook(webhook) for webhook in reply.webhooks])


def decode_get(request: Request) -> pb.GetWebhookRequest:
    """12.1 `GET /api/v1/webhooks/{id}`."""
    return pb.GetWebhookRequest(id=request.uuid("id"))


def decode_create(request: Request) -> pb.CreateWebhookRequest:
    """12.1 `POST /api/v1/webhooks`."""
    return pb.CreateWebhookRequest(webhook=decode_patch(request.body(NewWebhook)))


def encode_created(reply: pb.CreateWebhookResponse, _asked: object) -> CreatedWebhook:
    """12.1 the new webhook."""
    webhook = reply.webhook
    return CreatedWebhook(
        id=webhook.id,
        name=webhook.name,
        url=webhook.url,
        event_types=list(webhook.event_types),
        is_active=webhook.is_active,
        created_at=format_time(webhook.create_time),
        secret=reply.secret or msgspec.UNSET,
    )


def decode_update(request: Request) -> pb.UpdateWebhookRequest:
    """12.1 `PUT /api/v1/webhooks/{id}`."""
    parse_json(request.content)  # what is not JSON outranks an id of the wrong form
    number = request.uuid("id")
    return pb.UpdateWebhookRequest(id=number, webhook=decode_patch(request.body(WebhookChange)))


def decode_patch(body: NewWebhook | WebhookChange) -> pb.WebhookPatch:
    """12.1 what is written."""
    return pb.WebhookPatch(
        name=body.name,
        url=body.url,
        secret=body.secret,
        event_types=None if body.event_types is None else pb.EventTypes(types=body.event_types),
        is_active=body.is_active,
    )


def decode_delete(request: Request) -> pb.DeleteWebhookRequest:
    """12.1 `DELETE /api/v1/webhooks/{id}`."""
    return pb.DeleteWebhookRequest(id=request.uuid("id"))


def decode_test(request: Request) -> pb.TestWebhookRequest:
    """12.1 `POST /api/v1/webhooks/{id}/test`."""
    return pb.TestWebhookRequest(id=request.uuid("id"))


def encode_test(reply: pb.TestWebhookResponse, _asked: object) -> WebhookTested:
    """12.1 what became of a test."""
    status: Literal["delivered", "failed"] = "delivered" if reply.is_delivered else "failed"
    return WebhookTested(status, value_or_none(reply, "response_status"), reply.error or None)


def decode_deliveries(request: Request) -> pb.ListWebhookDeliveriesRequest:
    """12.1 `GET /api/v1/webhooks/{id}/deliveries`."""
    number, query = request.uuid("id"), request.query(PageQuery)
    limit = read_count(query.limit, "limit", PAGE, LARGEST_PAGE)
    return pb.ListWebhookDeliveriesRequest(webhook_id=number, before=read_moment(query.before, "before"), limit=limit)


def encode_deliveries(reply: pb.ListWebhookDeliveriesResponse, _asked: object) -> Deliveries:
    """12.1 a page of deliveries."""
    return Deliveries([encode_delivery(delivery) for delivery in reply.deliveries], reply.has_more)


def encode_one(reply: pb.GetWebhookResponse | pb.UpdateWebhookResponse, _asked: object) -> Webhook:
    """12.1 the webhook of an answer."""
    return encode_webhook(reply.webhook)


def encode_webhook(webhook: pb.Webhook) -> Webhook:
    """12.1 a webhook."""
    return Webhook(
        id=webhook.id,
        name=webhook.name,
        url=webhook.url,
        event_types=list(webhook.event_types),
        is_active=webhook.is_active,
        last_delivery_status=value_or_none(webhook, "last_delivery_status"),
        last_delivery_at=format_or_none(webhook, "last_delivery_time"),
        failure_count=webhook.failure_count,
        created_at=format_time(webhook.create_time),
    )
