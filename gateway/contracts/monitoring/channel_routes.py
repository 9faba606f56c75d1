"""The rows of channels and webhooks (contract monitoring 10, 12)."""

from collections.abc import Sequence
from functools import partial

from gateway.contracts.monitoring import channels, webhooks
from gateway.transcode.channel import find_rpc
from gateway.transcode.routes import Route
from lumetry.notifications.v1 import channel_service_pb2, webhook_service_pb2

SECONDS = 10.0
TEST_SECONDS = 15.0
"""A receiver may take ten of them."""
WEBHOOK_BODY = 262_144
CHANNEL = "/api/v1/channels/{id:int}"
WEBHOOK = "/api/v1/webhooks/{id:uuid}"

row = partial(Route, deadline_seconds=SECONDS)
channel_rpc = partial(find_rpc, channel_service_pb2.DESCRIPTOR, "ChannelService")
webhook_rpc = partial(find_rpc, webhook_service_pb2.DESCRIPTOR, "WebhookService")

CHANNELS = (
    row(
        method="GET",
        path="/api/v1/channels",
        heading="Channels",
        rpc=channel_rpc("ListChannels"),
        decode=channels.decode_list,
        encode=channels.encode_list,
        answer=channels.Channels,
    ),
    row(
        method="POST",
        path="/api/v1/channels",
        heading="Channels",
        rpc=channel_rpc("CreateChannel"),
        decode=channels.decode_create,
        encode=channels.encode_one,
        body=channels.NewChannel,
        answer=channels.Channel,
        status=201,
    ),
    row(
        method="GET",
        path=CHANNEL,
        heading="One channel",
        rpc=channel_rpc("GetChannel"),
        decode=channels.decode_get,
        encode=channels.encode_one,
        answer=channels.Channel,
    ),
    row(
        method="PUT",
        path=CHANNEL,
        heading="One channel",
        rpc=channel_rpc("UpdateChannel"),
        decode=channels.decode_update,
        encode=channels.encode_one,
        body=channels.ChannelChange,
        answer=channels.Channel,
    ),
    row(
        method="DELETE",
        path=CHANNEL,
        heading="One channel",
        rpc=channel_rpc("DeleteChannel"),
        decode=channels.decode_delete,
        encode=channels.encode_nothing,
        status=204,
    ),
    row(
        method="POST",
        path=f"{CHANNEL}/test",
        heading="Test a channel",
        rpc=channel_rpc("TestChannel"),
        decode=channels.decode_test,
        encode=channels.encode_test,
        answer=channels.ChannelTested,
        deadline_seconds=TEST_SECONDS,
    ),
    row(
        method="POST",
        path=f"{CHANNEL}/rules",
        heading="Routing rules",
        rpc=channel_rpc("AddChannelRule"),
        decode=channels.decode_add_rule,
        encode=channels.encode_added_rule,
        body=channels.RuleBody,
        answer=channels.RoutingRule,
        status=201,
    ),
    row(
        method="DELETE",
        path=f"{CHANNEL}/rules/{{rule_id:int}}",
        heading="Routing rules",
        rpc=channel_rpc("RemoveChannelRule"),
        decode=channels.decode_remove_rule,
        encode=channels.encode_nothing,
        status=204,
    ),
    row(
        method="GET",
        path=f"{CHANNEL}/deliveries",
        heading="What a channel was told",
        rpc=channel_rpc("ListChannelDeliveries"),
        decode=channels.decode_deliveries,
        encode=channels.encode_deliveries,
        query=channels.PageQuery,
        answer=channels.Deliveries,
    ),
)

WEBHOOKS = (
    row(
        method="GET",
        path="/api/v1/webhooks",
        heading="Webhooks",
        rpc=webhook_rpc("ListWebhooks"),
        decode=webhooks.decode_list,
        encode=webhooks.encode_list,
        answer=webhooks.Webhooks,
    ),
    row(
        method="POST",
        path="/api/v1/webhooks",
        heading="Webhooks",
        rpc=webhook_rpc("CreateWebhook"),
        decode=webhooks.decode_create,
        encode=webhooks.encode_created,
        body=webhooks.NewWebhook,
        body_limit=WEBHOOK_BODY,
        answer=webhooks.CreatedWebhook,
        status=201,
    ),
    row(
        method="GET",
        path=WEBHOOK,
        heading="One webhook",
        rpc=webhook_rpc("GetWebhook"),
        decode=webhooks.decode_get,
        encode=webhooks.encode_one,
        answer=webhooks.Webhook,
    ),
    row(
        method="PUT",
        path=WEBHOOK,
        heading="One webhook",
        rpc=webhook_rpc("UpdateWebhook"),
        decode=webhooks.decode_update,
        encode=webhooks.encode_one,
        body=webhooks.WebhookChange,
        body_limit=WEBHOOK_BODY,
        answer=webhooks.Webhook,
    ),
    row(
        method="DELETE",
        path=WEBHOOK,
        heading="One webhook",
        rpc=webhook_rpc("DeleteWebhook"),
        decode=webhooks.decode_delete,
        encode=channels.encode_nothing,
        status=204,
    ),
    row(
        method="POST",
        path=f"{WEBHOOK}/test",
        heading="Test a webhook",
        rpc=webhook_rpc("TestWebhook"),
        decode=webhooks.decode_test,
        encode=webhooks.encode_test,
        answer=webhooks.WebhookTested,
        deadline_seconds=TEST_SECONDS,
    ),
    row(
        method="GET",
        path=f"{WEBHOOK}/deliveries",
        heading="What a webhook was told",
        rpc=webhook_rpc("ListWebhookDeliveries"),
        decode=webhooks.decode_deliveries,
        encode=webhooks.encode_deliveries,
        query=channels.PageQuery,
        answer=channels.Deliveries,
    ),
)

ROUTES: Sequence[Route] = (*CHANNELS, *WEBHOOKS)
