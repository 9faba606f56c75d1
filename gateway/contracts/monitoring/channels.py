"""Notification channels and their rules (contract monitoring 10)."""

from typing import Annotated, Any, Literal

import msgspec
from google.protobuf.message import Message

from gateway.contracts.monitoring.values import Time, format_or_none, read_count, read_moment, value_or_none
from gateway.transcode.bodies import parse_json
from gateway.transcode.request import Request
from gateway.transcode.times import format_time
from lumetry.notifications.v1 import channel_service_pb2 as pb
from lumetry.notifications.v1 import dispatch_pb2

MASK = "•••"
"""What stands for the value of a header."""
PAGE, LARGEST_PAGE = 50, 200
Number = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
LargeNumber = Annotated[int, msgspec.Meta(ge=-(2**53) + 1, le=2**53 - 1)]


class ConfigBody(msgspec.Struct):
    """What a type wants: `priority` of ntfy (1 to 5) and gotify (0 to 10), `chat_id` and `thread_id` of telegram."""

    priority: Number | None = None
    chat_id: str | None = None
    thread_id: LargeNumber | None = None


class NewChannel(msgspec.Struct):
    """A channel as written. `headers` is the text of a JSON object."""

    name: str
    type: str | None = None
    url: str | None = None
    headers: str | None = None
    secret: str | None = None
    config: ConfigBody | None = None
    enabled: bool | None = None


class ChannelChange(msgspec.Struct):
    """What changes of a channel. Null takes `headers`, `secret` and `config` away; a header's value of `•••` keeps what is stored."""

    name: str | None = None
    type: str | None = None
    url: str | None = None
    headers: str | None = None
    secret: str | None = None
    config: ConfigBody | None = None
    enabled: bool | None = None


class RuleBody(msgspec.Struct):
    """A rule as written: lists, separated by commas; an empty one is everything."""

    source_filter: str | None = None
    severity_filter: str | None = None


class PageQuery(msgspec.Struct):
    """A page: those made before a time (RFC 3339), 1 to 200."""

    before: str | None = None
    limit: str | None = None


class RoutingRule(msgspec.Struct):
    """Which alerts a channel is told."""

    id: int
    channel_id: int
    source_filter: str | None
    severity_filter: str | None
    created_at: Time


class ChannelConfig(msgspec.Struct, omit_defaults=True):
    """What is set of what a type wants."""

    priority: int | msgspec.UnsetType = msgspec.UNSET
    chat_id: str | msgspec.UnsetType = msgspec.UNSET
    thread_id: int | msgspec.UnsetType = msgspec.UNSET


class Channel(msgspec.Struct):
    """A channel."""

    id: int
    name: str
    type: str
    url: str
    headers: str | None
    """The text of a JSON object whose values are `•••`."""
    enabled: bool
    routing_rules: list[RoutingRule]
    health: Literal["healthy", "failing"]
    created_at: Time
    updated_at: Time
    config: ChannelConfig
    has_secret: bool
    last_delivery_at: Time | None
    last_error: str | None


class Channels(msgspec.Struct):
    """All channels."""

    channels: list[Channel]


class ChannelTested(msgspec.Struct):
    """What became of a test: `response_code` when it was delivered, `error` when it was not."""

    status: Literal["delivered", "failed"]
    response_code: int | msgspec.UnsetType | None = msgspec.UNSET
    error: str | msgspec.UnsetType = msgspec.UNSET


class Delivery(msgspec.Struct):
    """One event for one receiver."""

    id: str
    event_type: str
    alert_id: int | None
    status: Literal["pending", "delivered", "failed"]
    attempts: int
    response_status: int | None
    error: str | None
    next_attempt_at: Time | None
    created_at: Time
    delivered_at: Time | None


class Deliveries(msgspec.Struct):
    """A page, newest first."""

    deliveries: list[Delivery]
    has_more: bool


def decode_list(_request: Request) -> pb.ListChannelsRequest:
    """10.3 `GET /api/v1/channels`."""
    return pb.ListChannelsRequest()


def encode_list(reply: pb.ListChannelsResponse, _asked: object) -> Channels:
    """10.3 all channels."""
    return Channels([encode_channel(channel) for channel in reply.channels])


def decode_get(request: Request) -> pb.GetChannelRequest:
    """10.3 `GET /api/v1/channels/{id}`."""
    return pb.GetChannelRequest(id=request.number("id"))


def decode_create(request: Request) -> pb.CreateChannelRequest:
    """10.3 `POST /api/v1/channels`."""
    return pb.CreateChannelRequest(channel=decode_patch(request.body(NewChannel), {}))


def decode_update(request: Request) -> pb.UpdateChannelRequest:
    """10.3 `PUT /api/v1/channels/{id}`."""
    given = parse_json(request.content)  # what is not JSON outranks an id of the wrong form
    number = request.number("id")
    return pb.UpdateChannelRequest(id=number, channel=decode_patch(request.body(ChannelChange), given))


def decode_patch(body: NewChannel | ChannelChange, given: Any) -> pb.ChannelPatch:  # noqa: ANN401 -- any JSON value
    """10.1 what is written; `given` tells what is null from what is absent."""
    clears = {name for name in ("headers", "secret", "config") if name in given and given[name] is None}
    config = ConfigBody() if "config" in clears else body.config
    return pb.ChannelPatch(
        name=body.name,
        type=body.type,
        url=body.url,
        headers="" if "headers" in clears else body.headers,
        secret="" if "secret" in clears else body.secret,
        config=None if config is None else pb.ChannelConfig(priority=config.priority, chat_id=config.chat_id, thread_id=config.thread_id),
        is_enabled=body.enabled,
    )


def decode_delete(request: Request) -> pb.DeleteChannelRequest:
    """10.3 `DELETE /api/v1/channels/{id}`."""
    return pb.DeleteChannelRequest(id=request.number("id"))


def encode_nothing(_reply: Message, _asked: object) -> None:
    """An answer without a body."""


def decode_test(request: Request) -> pb.TestChannelRequest:
    """10.3 `POST /api/v1/channels/{id}/test`."""
    return pb.TestChannelRequest(id=request.number("id"))


def encode_test(reply: pb.TestChannelResponse, _asked: object) -> ChannelTested:
    """10.3 what became of a test."""
    if reply.is_delivered:
        return ChannelTested("delivered", response_code=value_or_none(reply, "response_status"))
    return ChannelTested("failed", error=reply.error)


def decode_add_rule(request: Request) -> pb.AddChannelRuleRequest:
    """10.3 `POST /api/v1/channels/{id}/rules`."""
    parse_json(request.content)
    number = request.number("id")
    body = request.body(RuleBody)
    return pb.AddChannelRuleRequest(channel_id=number, source_filter=body.source_filter or "", severity_filter=body.severity_filter or "")


def encode_added_rule(reply: pb.AddChannelRuleResponse, _asked: object) -> RoutingRule:
    """10.3 the new rule."""
    return encode_rule(reply.rule)


def decode_remove_rule(request: Request) -> pb.RemoveChannelRuleRequest:
    """10.3 `DELETE /api/v1/channels/{id}/rules/{rule_id}`."""
    return pb.RemoveChannelRuleRequest(channel_id=request.number("id"), rule_id=request.number("rule_id"))


def decode_deliveries(request: Request) -> pb.ListChannelDeliveriesRequest:
    """10.3 `GET /api/v1/channels/{id}/deliveries`."""
    number, query = request.number("id"), request.query(PageQuery)
    limit = read_count(query.limit, "limit", PAGE, LARGEST_PAGE)
    return pb.ListChannelDeliveriesRequest(channel_id=number, before=read_moment(query.before, "before"), limit=limit)


def encode_deliveries(reply: pb.ListChannelDeliveriesResponse, _asked: object) -> Deliveries:
    """10.3 a page of deliveries."""
    return Deliveries([encode_delivery(delivery) for delivery in reply.deliveries], reply.has_more)


def encode_one(reply: pb.GetChannelResponse | pb.CreateChannelResponse | pb.UpdateChannelResponse, _asked: object) -> Channel:
    """10.3 the channel of an answer."""
    return encode_channel(reply.channel)


def encode_channel(channel: pb.Channel) -> Channel:
    """10.1 a channel."""
    names = dict.fromkeys(channel.header_names, MASK)
    config = {name: getattr(channel.config, name) for name in ChannelConfig.__struct_fields__ if channel.config.HasField(name)}  # type: ignore[arg-type]
    return Channel(
        id=channel.id,
        name=channel.name,
        type=channel.type,
        url=channel.url,
        headers=msgspec.json.encode(names).decode() if names else None,
        enabled=channel.is_enabled,
        routing_rules=[encode_rule(rule) for rule in channel.rules],
        health="failing" if channel.is_failing else "healthy",
        created_at=format_time(channel.create_time),
        updated_at=format_time(channel.update_time),
        config=ChannelConfig(**config),
        has_secret=channel.has_secret,
        last_delivery_at=format_or_none(channel, "last_delivery_time"),
        last_error=value_or_none(channel, "last_error"),
    )


def encode_rule(rule: pb.ChannelRule) -> RoutingRule:
    """10.1 a rule."""
    return RoutingRule(
        id=rule.id,
        channel_id=rule.channel_id,
        source_filter=rule.source_filter or None,
        severity_filter=rule.severity_filter or None,
        created_at=format_time(rule.create_time),
    )


def encode_delivery(delivery: dispatch_pb2.Dispatch) -> Delivery:
    """13.3 a delivery."""
    return Delivery(
        id=delivery.id,
        event_type=delivery.event_type,
        alert_id=value_or_none(delivery, "alert_id"),
        status=delivery.status,  # type: ignore[arg-type]
        attempts=delivery.attempts,
        response_status=value_or_none(delivery, "response_status"),
        error=value_or_none(delivery, "error"),
        next_attempt_at=format_or_none(delivery, "next_attempt_time"),
        created_at=format_time(delivery.create_time),
        delivered_at=format_or_none(delivery, "deliver_time"),
    )
