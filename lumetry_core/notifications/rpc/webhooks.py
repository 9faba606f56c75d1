"""`lumetry.notifications.v1.WebhookService`."""

from typing import Any

import grpc

from lumetry.notifications.v1 import webhook_service_pb2 as pb
from lumetry.notifications.v1.webhook_service_pb2_grpc import WebhookServiceServicer
from lumetry_core.notifications.destination_drafts import WebhookDraft
from lumetry_core.notifications.destinations import Webhook
from lumetry_core.notifications.dispatching import SendsDispatches
from lumetry_core.notifications.event_bodies import TEST, write_test
from lumetry_core.notifications.rpc.dispatches import decode_before, encode_dispatch
from lumetry_core.notifications.rpc.integrations import given
from lumetry_core.notifications.service import webhooks
from lumetry_core.notifications.service.channels import end_test
from lumetry_core.notifications.service.dispatches import draft
from lumetry_core.notifications.service.integrations import Rules
from lumetry_core.runtime.clock import Clock, spell_time
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.interceptors import current_caller
from lumetry_core.runtime.timestamps import encode_time

Context = grpc.aio.ServicerContext[Any, Any]


class WebhookServicer(WebhookServiceServicer):
    """Serves the managing of webhooks."""

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

    async def ListWebhooks(self, request: pb.ListWebhooksRequest, context: Context) -> pb.ListWebhooksResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await webhooks.list_webhooks(tx, current_caller().organization_id)
        return pb.ListWebhooksResponse(webhooks=[encode_webhook(webhook) for webhook in found])

    async def GetWebhook(self, request: pb.GetWebhookRequest, context: Context) -> pb.GetWebhookResponse:
        """See the proto."""
        async with self._database.read() as tx:
            found = await webhooks.get_webhook(tx, current_caller().organization_id, request.id)
        return pb.GetWebhookResponse(webhook=encode_webhook(found))

    async def CreateWebhook(self, request: pb.CreateWebhookRequest, context: Context) -> pb.CreateWebhookResponse:
        """See the proto."""
        sent = decode_patch(request.webhook)
        async with self._database.write() as tx:
            created = await webhooks.create_webhook(tx, current_caller(), sent, self._rules, self._clock.now())
        return pb.CreateWebhookResponse(webhook=encode_webhook(created.webhook), secret=created.secret or "")

    async def UpdateWebhook(self, request: pb.UpdateWebhookRequest, context: Context) -> pb.UpdateWebhookResponse:
        """See the proto."""
        sent = decode_patch(request.webhook)
        async with self._database.write() as tx:
            updated = await webhooks.update_webhook(tx, current_caller(), request.id, sent, self._rules, self._clock.now())
        return pb.UpdateWebhookResponse(webhook=encode_webhook(updated))

    async def DeleteWebhook(self, request: pb.DeleteWebhookRequest, context: Context) -> pb.DeleteWebhookResponse:
        """See the proto."""
        async with self._database.write() as tx:
            await webhooks.delete_webhook(tx, current_caller(), request.id, self._clock.now())
        return pb.DeleteWebhookResponse()

    async def TestWebhook(self, request: pb.TestWebhookRequest, context: Context) -> pb.TestWebhookResponse:
        """See the proto."""
        caller = current_caller()
        async with self._database.read() as tx:
            webhook = await webhooks.get_webhook(tx, caller.organization_id, request.id)
        start = self._clock.now()
        test = draft(webhook.key, TEST, write_test(spell_time(start)), start)
        result = await self._sender.send(webhook, test, start)
        end = self._clock.now()
        async with self._database.write() as tx:
            await webhooks.note_test(tx, caller, webhook.id, end_test(test, result, end), end)
        return pb.TestWebhookResponse(is_delivered=result.ok, response_status=result.status_code, error=result.error or "")

    async def ListWebhookDeliveries(self, request: pb.ListWebhookDeliveriesRequest, context: Context) -> pb.ListWebhookDeliveriesResponse:
        """See the proto."""
        before, organization_id = decode_before(request), current_caller().organization_id
        async with self._database.read() as tx:
            page = await webhooks.list_deliveries(tx, organization_id, request.webhook_id, before, request.limit)
        return pb.ListWebhookDeliveriesResponse(deliveries=[encode_dispatch(each) for each in page.dispatches], has_more=page.has_more)


def decode_patch(patch: pb.WebhookPatch) -> WebhookDraft:
    """A webhook as it was sent."""
    return WebhookDraft(
        name=given(patch, "name"),
        url=given(patch, "url"),
        secret=given(patch, "secret"),
        event_types=tuple(patch.event_types.types) if patch.HasField("event_types") else None,
        is_active=given(patch, "is_active"),
    )


def encode_webhook(webhook: Webhook) -> pb.Webhook:
    """A webhook, without its secret."""
    return pb.Webhook(
        id=webhook.id,
        name=webhook.name,
        url=webhook.url,
        event_types=webhook.event_types,
        is_active=webhook.is_active,
        last_delivery_status=webhook.last_status,
        last_delivery_time=encode_time(webhook.last_delivery_time),
        failure_count=webhook.failure_count,
        create_time=encode_time(webhook.create_time),
    )
