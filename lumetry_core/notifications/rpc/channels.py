"""`lumetry.notifications.v1.ChannelService`."""

from typing import Any

import grpc

from lumetry.notifications.v1 import channel_service_pb2 as pb
from lumetry.notifications.v1.channel_service_pb2_grpc import ChannelServiceServicer
from lumetry_core.notifications.destination_drafts import ChannelDraft
from lumetry_core.notifications.destinations import Channel, ChannelConfig, ChannelRule, mask_url
from lumetry_core.notifications.dispatching import SendsDispatches
from lumetry_core.notifications.news import TEST, make_test_alert, write_content
from lumetry_core.notifications.rpc.dispatches import decode_before, encode_dispatch
from lumetry_core.notifications.rpc.integrations import given
from lumetry_core.notifications.service import channels
from lumetry_core.notifications.service.dispatches import draft
from lumetry_core.notifications.service.integrations import Rules
from lumetry_core.runtime.caller import Caller, Permission
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class ChannelServicer(ChannelServiceServicer):
    """Serves the managing of channels."""

    def __init__(self, database: Database, clock: Clock, rules: Rules, sender: SendsDispatches) -> None:
        """Builds the servicer.

        Args:
            database: Where everything is.
            clock: Tells when a write happens.
            rules: What the deployment says of targets.
            sender: Sends tests.
        """
        self._database = database
        self._clock = clock
        self._rules = rules
        self._sender = sender

    async def ListChannels(self, request: pb.ListChannelsRequest, context: Context) -> pb.ListChannelsResponse:
        """See the proto."""
        caller = current_caller()
        async with self._database.read() as tx:
            found = await channels.list_channels(tx, caller.organization_id)
        return pb.ListChannelsResponse(channels=[encode_channel(channel, caller) for channel in found])

    async def GetChannel(self, request: pb.GetChannelRequest, context: Context) -> pb.GetChannelResponse:
        """See the proto."""
        caller = current_caller()
        async with self._database.read() as tx:
            found = await channels.get_channel(tx, caller.organization_id, request.id)
        return pb.GetChannelResponse(channel=encode_channel(found, caller))

    async def CreateChannel(self, request: pb.CreateChannelRequest, context: Context) -> pb.CreateChannelResponse:
        """See the proto."""
        caller, sent = current_caller(), decode_patch(request.channel)
        async with self._database.write() as tx:
            created = await channels.create_channel(tx, caller, sent, self._rules, self._clock.now())
        return pb.CreateChannelResponse(channel=encode_channel(created, caller))

    async def UpdateChannel(self, request: pb.UpdateChannelRequest, context: Context) -> pb.UpdateChannelResponse:
        """See the proto."""
        caller, sent = current_caller(), decode_patch(request.channel)
        async with self._database.write() as tx:
            updated = await channels.update_channel(tx, caller, request.id, sent, self._rules, self._clock.now())
        return pb.UpdateChannelResponse(channel=encode_channel(updated, caller))

    async def DeleteChannel(self, request: pb.DeleteChannelRequest, context: Context) -> pb.DeleteChannelResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await channels.delete_channel(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteChannelResponse()

    async def TestChannel(self, request: pb.TestChannelRequest, context: Context) -> pb.TestChannelResponse:
        """See the proto."""
        caller = current_caller()
        async with self._database.read() as tx:
            channel = await channels.get_channel(tx, caller.organization_id, request.id)
        start = self._clock.now()
        test = draft(channel.key, TEST, write_content(TEST, make_test_alert(start), start), start)
        result = await self._sender.send(channel, test, start)
        end = self._clock.now()
        async with self._database.write() as tx:
            await channels.note_test(tx, caller, channel.id, channels.end_test(test, result, end), end)
        return pb.TestChannelResponse(is_delivered=result.ok, response_status=result.status_code, error=result.error or "")

    async def AddChannelRule(self, request: pb.AddChannelRuleRequest, context: Context) -> pb.AddChannelRuleResponse:
        """See the proto."""
        filters = (request.source_filter, request.severity_filter)
        async with self._database.write() as tx:
            rule = await channels.add_rule(tx, current_caller(), request.channel_id, *filters, self._clock.now())
        return pb.AddChannelRuleResponse(rule=encode_rule(rule))

    async def RemoveChannelRule(self, request: pb.RemoveChannelRuleRequest, context: Context) -> pb.RemoveChannelRuleResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await channels.remove_rule(tx, current_caller(), request.channel_id, request.rule_id, self._clock.now())
        return pb.RemoveChannelRuleResponse()

    async def ListChannelDeliveries(self, request: pb.ListChannelDeliveriesRequest, context: Context) -> pb.ListChannelDeliveriesResponse:
        """See the proto."""
        before, organization_id = decode_before(request), current_caller().organization_id
        async with self._database.read() as tx:
            page = await channels.list_deliveries(tx, organization_id, request.channel_id, before, request.limit)
        return pb.ListChannelDeliveriesResponse(deliveries=[encode_dispatch(each) for each in page.dispatches], has_more=page.has_more)


def decode_patch(patch: pb.ChannelPatch) -> ChannelDraft:
    """A channel as it was sent."""
    config = None
    if patch.HasField("config"):
        config = ChannelConfig(
            priority=given(patch.config, "priority"), chat_id=given(patch.config, "chat_id"), thread_id=given(patch.config, "thread_id")
        )
    return ChannelDraft(
        name=given(patch, "name"),
        type=given(patch, "type"),
        url=given(patch, "url"),
        headers=given(patch, "headers"),
        secret=given(patch, "secret"),
        config=config,
        is_enabled=given(patch, "is_enabled"),
    )


def encode_channel(channel: Channel, caller: Caller) -> pb.Channel:
    """A channel, without anything secret; its address as the caller may see it."""
    config = channel.config
    return pb.Channel(
        id=channel.id,
        name=channel.name,
        type=channel.type,
        url=channel.url if caller.may(Permission.MANAGE_INTEGRATIONS) else mask_url(channel),
        header_names=channel.header_names,
        config=pb.ChannelConfig(priority=config.priority, chat_id=config.chat_id, thread_id=config.thread_id),
        has_secret=channel.has_secret,
        is_enabled=channel.is_enabled,
        rules=[encode_rule(rule) for rule in channel.rules],
        is_failing=channel.is_failing,
        last_delivery_time=encode_time(channel.last_delivery_time),
        last_error=channel.last_error,
        create_time=encode_time(channel.create_time),
        update_time=encode_time(channel.update_time),
    )


def encode_rule(rule: ChannelRule) -> pb.ChannelRule:
    """A rule."""
    return pb.ChannelRule(
        id=rule.id,
        channel_id=rule.channel_id,
        source_filter=",".join(rule.sources),
        severity_filter=",".join(rule.severities),
        create_time=encode_time(rule.create_time),
    )
