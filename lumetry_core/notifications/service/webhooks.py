"""Writes and reads webhooks. Their secrets are sealed before they are stored; one that is made is answered once."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lumetry_core.access.service.audit import record_audit
from lumetry_core.notifications.channel_definitions import DestinationFaults
from lumetry_core.notifications.destination_drafts import WebhookDraft
from lumetry_core.notifications.destinations import TargetKind, Webhook
from lumetry_core.notifications.dispatch import DispatchPage
from lumetry_core.notifications.sealing import seal_secret
from lumetry_core.notifications.service import dispatches
from lumetry_core.notifications.service.channels import Tested, audited_result
from lumetry_core.notifications.service.dispatches import SWITCHED_OFF, end_failing
from lumetry_core.notifications.service.feeding import follow_feed, leave_feed
from lumetry_core.notifications.service.integrations import Rules
from lumetry_core.notifications.signing import make_secret
from lumetry_core.notifications.store import dispatches as dispatch_store
from lumetry_core.notifications.store import webhooks as store
from lumetry_core.notifications.webhook_definitions import check_webhook
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import LumetryError, Reason, not_found
from lumetry_core.runtime.identifiers import new_uuid

KIND = "Webhook"
ROTATION = timedelta(hours=24)
"""For so long the secret before a change signs too."""


@dataclass(frozen=True, slots=True)
class Created:
    """A new webhook, and the secret that was made for it; None: one was given."""

    webhook: Webhook
    secret: str | None


async def list_webhooks(tx: Transaction, organization_id: int) -> list[Webhook]:
    """All webhooks, oldest first."""
    return await store.select_webhooks(tx, organization_id)


async def get_webhook(tx: Transaction, organization_id: int, webhook_id: str, *, lock: bool = False) -> Webhook:
    """The webhook of a UUID. Fails with NOT_FOUND."""
    found = await store.find_webhook(tx, organization_id, webhook_id, lock=lock)
    if found is None:
        raise not_found(KIND, webhook_id)
    return found


async def create_webhook(tx: Transaction, caller: Caller, draft: WebhookDraft, rules: Rules, now: datetime) -> Created:
    """Creates a webhook. Fails with VALIDATION_FAILED, DUPLICATE_NAME."""
    noted = DestinationFaults()
    definition = check_webhook(draft, None, rules.policy, noted)
    noted.raise_if_any()
    await require_free_name(tx, caller.organization_id, definition.name, None)
    made = None if draft.secret is not None else make_secret()
    webhook = Webhook(
        id=new_uuid(),
        organization_id=caller.organization_id,
        name=definition.name,
        url=definition.url,
        event_types=definition.event_types,
        sealed=seal_secret(rules.vault, caller.organization_id, draft.secret or made or ""),
        is_active=definition.is_active,
        create_time=now,
        update_time=now,
    )
    await store.insert_webhook(tx, webhook)
    await follow_feed(tx, webhook)
    await record_audit(tx, caller, "Webhook.Created", KIND, webhook.id, now, after=audited(webhook))
    return Created(webhook, made)


async def update_webhook(tx: Transaction, caller: Caller, webhook_id: str, draft: WebhookDraft, rules: Rules, now: datetime) -> Webhook:
    """Changes what is given of a webhook. Fails with NOT_FOUND, VALIDATION_FAILED, DUPLICATE_NAME."""
    before = await get_webhook(tx, caller.organization_id, webhook_id, lock=True)
    noted = DestinationFaults()
    definition = check_webhook(draft, before, rules.policy, noted)
    noted.raise_if_any()
    await require_free_name(tx, caller.organization_id, definition.name, webhook_id)
    after = replace(
        before,
        name=definition.name,
        url=definition.url,
        event_types=definition.event_types,
        is_active=definition.is_active,
        failure_count=0 if draft.is_active is True else before.failure_count,
        update_time=now,
    )
    if draft.secret is not None:
        sealed = seal_secret(rules.vault, caller.organization_id, draft.secret)
        after = replace(after, sealed=sealed, previous_sealed=before.sealed, previous_end_time=now + ROTATION)
    await store.update_webhook(tx, after)
    await follow_feed(tx, after)
    if before.is_active and not after.is_active:
        await dispatch_store.fail_pending(tx, before.key, SWITCHED_OFF[TargetKind.WEBHOOK])
    if draft.is_active is not None:
        await end_failing(tx, after, now)
    changed = {"secretReplaced": True} if draft.secret is not None else {}
    values = audited(after) | changed
    await record_audit(tx, caller, "Webhook.Updated", KIND, webhook_id, now, before=audited(before), after=values)
    return after


async def delete_webhook(tx: Transaction, caller: Caller, webhook_id: str, now: datetime) -> None:
    """Deletes a webhook; what waits for it is dropped. Fails with NOT_FOUND."""
    before = await get_webhook(tx, caller.organization_id, webhook_id, lock=True)
    await store.delete_webhook(tx, caller.organization_id, webhook_id)
    await dispatch_store.delete_pending(tx, before.key)
    await leave_feed(tx, before)
    await end_failing(tx, before, now)
    await record_audit(tx, caller, "Webhook.Deleted", KIND, webhook_id, now, before=audited(before))


async def list_deliveries(tx: Transaction, organization_id: int, webhook_id: str, before: datetime | None, limit: int) -> DispatchPage:
    """What a webhook was told, tests included. Fails with NOT_FOUND."""
    webhook = await get_webhook(tx, organization_id, webhook_id)
    return await dispatches.list_page(tx, webhook.key, before, limit)


async def note_test(tx: Transaction, caller: Caller, webhook_id: str, tested: Tested, now: datetime) -> None:
    """Lists a test among the deliveries. A webhook that was deleted meanwhile stays deleted."""
    if await store.find_webhook(tx, caller.organization_id, webhook_id, lock=True) is None:
        return
    await dispatch_store.insert_dispatches(tx, [tested.dispatch])
    await record_audit(tx, caller, "Webhook.Tested", KIND, webhook_id, now, after=audited_result(tested.result))


async def require_free_name(tx: Transaction, organization_id: int, name: str, own: str | None) -> None:
    """Fails with DUPLICATE_NAME when another webhook has the name."""
    holder = await store.find_by_name(tx, organization_id, name)
    if holder not in (None, own):
        raise LumetryError(Reason.DUPLICATE_NAME, f"Another webhook has the name {name}.", type=KIND, name=name)


def audited(webhook: Webhook) -> dict[str, object]:
    """What the audit log keeps of a webhook."""
    return {
        "name": webhook.name,
        "url": webhook.url,
        "event_types": list(webhook.event_types),
        "is_active": webhook.is_active,
        "failure_count": webhook.failure_count,
    }
