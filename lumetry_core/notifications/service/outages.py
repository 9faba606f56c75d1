"""Tells the activity feed and inboxes of channels, integrations and webhooks in trouble (contract workspace 9, 11.4)."""

from datetime import datetime

from lumetry_core.access.service.holders import find_holders
from lumetry_core.activity.model import Draft, Resource, Severity
from lumetry_core.activity.service import record
from lumetry_core.notices.model import NoticeDraft, NoticeKind, NoticeSeverity
from lumetry_core.notices.service import notify
from lumetry_core.notifications.destinations import Channel, Webhook
from lumetry_core.notifications.model import Integration
from lumetry_core.runtime.caller import Permission
from lumetry_core.runtime.database import Transaction

LINK = "/integrations"


async def tell_channel_health(tx: Transaction, channel: Channel, now: datetime) -> None:
    """A channel begins to fail, or has recovered."""
    resource = Resource("channel", str(channel.id))
    if channel.is_failing:
        await tell_failing(tx, channel.organization_id, resource, f"Channel {channel.name}", channel.last_error, now)
    else:
        await tell_recovered(tx, channel.organization_id, resource, f"Channel {channel.name}", now)


async def tell_integration_failing(tx: Transaction, integration: Integration, error: str | None, now: datetime) -> None:
    """An integration begins to fail."""
    resource = Resource("alerting_integration", str(integration.id))
    await tell_failing(tx, integration.organization_id, resource, f"Integration {integration.name}", error, now)


async def tell_integration_recovered(tx: Transaction, integration: Integration, now: datetime) -> None:
    """An integration has recovered."""
    resource = Resource("alerting_integration", str(integration.id))
    await tell_recovered(tx, integration.organization_id, resource, f"Integration {integration.name}", now)


async def tell_webhook_disabled(tx: Transaction, webhook: Webhook, why: str, now: datetime) -> None:
    """A webhook is told of nothing any more."""
    title, resource = f"Webhook {webhook.name} was disabled", Resource("webhook", webhook.id)
    item = Draft(kind="delivery", action="webhook_disabled", title=title, summary=why, severity=Severity.WARNING, resource=resource)
    await record(tx, webhook.organization_id, [item], now)
    await tell_managers(tx, webhook.organization_id, NoticeKind.WEBHOOK_DISABLED, title, why, resource, now)


async def tell_failing(tx: Transaction, organization_id: int, resource: Resource, name: str, error: str | None, now: datetime) -> None:
    """Something begins to fail."""
    title = f"{name} does not get its messages"
    body = "" if error is None else f"The last attempt failed with: {error}"
    item = Draft(kind="delivery", action="channel_failing", title=title, summary=body, severity=Severity.WARNING, resource=resource)
    await record(tx, organization_id, [item], now)
    await tell_managers(tx, organization_id, NoticeKind.CHANNEL_FAILING, title, body, resource, now)


async def tell_recovered(tx: Transaction, organization_id: int, resource: Resource, name: str, now: datetime) -> None:
    """Something is told again."""
    title = f"{name} gets its messages again"
    item = Draft(kind="delivery", action="channel_recovered", title=title, severity=Severity.INFO, resource=resource)
    await record(tx, organization_id, [item], now)


async def tell_managers(
    tx: Transaction, organization_id: int, kind: NoticeKind, title: str, body: str, resource: Resource, now: datetime
) -> None:
    """Writes a notice for those who manage integrations."""
    draft = NoticeDraft(
        kind=kind,
        severity=NoticeSeverity.WARNING,
        title=title,
        body=body,
        resource_type=resource.type,
        resource_id=resource.id,
        link=LINK,
    )
    await notify(tx, organization_id, await find_holders(tx, organization_id, Permission.MANAGE_INTEGRATIONS), [draft], now)
