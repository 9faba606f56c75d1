"""What channels and webhooks have to do with the event feed: channels tell of themselves, webhooks want events."""

from datetime import datetime

from lumetry_core.feed.service import subscribe, tell, unsubscribe
from lumetry_core.notifications.destinations import Channel, Webhook, feed_types, spell_channel
from lumetry_core.runtime.database import Transaction

QUEUE = "webhooks"
"""Gets the events that some webhook wants."""


async def tell_channel(tx: Transaction, event: str, channel: Channel, now: datetime) -> None:
    """Tells of a channel, as everybody may see it."""
    await tell(tx, channel.organization_id, [(event, {"channel": spell_channel(channel)})], now)


async def tell_channel_deleted(tx: Transaction, organization_id: int, channel_id: int, now: datetime) -> None:
    """Tells that a channel is gone."""
    await tell(tx, organization_id, [("channel.deleted", {"id": channel_id})], now)


async def follow_feed(tx: Transaction, webhook: Webhook) -> None:
    """Has the feed hand over what a webhook wants, and nothing for one that is not active."""
    if webhook.is_active:
        await subscribe(tx, webhook.organization_id, QUEUE, webhook.id, feed_types(webhook.event_types))
    else:
        await leave_feed(tx, webhook)


async def leave_feed(tx: Transaction, webhook: Webhook) -> None:
    """Ends what a webhook wanted."""
    await unsubscribe(tx, webhook.organization_id, QUEUE, webhook.id)
