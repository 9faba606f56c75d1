"""Writes, claims and records dispatches, and what their ends do to channels and webhooks (contract monitoring 13)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lumetry_core.alerts.service.system_alerts import close_system_alert, raise_system_alert
from lumetry_core.billing.model import Meter, Usage
from lumetry_core.billing.service.metering import count
from lumetry_core.notifications.attempts import FAILURES_LIMIT, GONE, LIFETIME, Sent, count_failures, follow, is_durable
from lumetry_core.notifications.destinations import Channel, Target, TargetKey, TargetKind, Webhook
from lumetry_core.notifications.dispatch import Dispatch, DispatchPage, DispatchStatus
from lumetry_core.notifications.service.feeding import follow_feed, tell_channel
from lumetry_core.notifications.service.integrations import FAILING
from lumetry_core.notifications.service.outages import tell_channel_health, tell_webhook_disabled
from lumetry_core.notifications.store import channels as channel_store
from lumetry_core.notifications.store import dispatches as store
from lumetry_core.notifications.store import webhooks as webhook_store
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.identifiers import new_uuid

CHANNEL = "dispatches"
"""Wakes those who send."""
LEASE = timedelta(seconds=15)
"""Longer than a receiver may take to answer: whoever takes over sends nothing twice that still may arrive."""
RUN = 8
"""Dispatches of a target that are claimed at once to be sent one after the other."""
WEBHOOK_SUBJECT = "Webhook"
SWITCHED_OFF = {TargetKind.CHANNEL: "the channel is disabled", TargetKind.WEBHOOK: "the webhook is not active"}
TOO_OLD = "not delivered within 24 hours"
PAGE, LARGEST_PAGE = 50, 200


@dataclass(frozen=True, slots=True)
class Leased:
    """A dispatch that this process is to send."""

    dispatch: Dispatch
    target: Target


def draft(
    target: TargetKey, event: str, body: bytes, now: datetime, *, subject: str | None = None, alert_id: int | None = None
) -> Dispatch:
    """A dispatch that is due at once."""
    return Dispatch(
        id=0,
        key=new_uuid(),
        target=target,
        event=event,
        subject=subject,
        alert_id=alert_id,
        next_attempt_time=now,
        create_time=now,
        body=body,
    )


async def post(tx: Transaction, drafts: Sequence[Dispatch]) -> None:
    """Puts dispatches into the outbox, in their order."""
    if drafts:
        await store.insert_dispatches(tx, drafts)
        tx.wake(CHANNEL)


async def claim_due(tx: Transaction, owner: str, is_free: Callable[[TargetKey], bool], most: int, now: datetime) -> list[Leased]:
    """Claims due dispatches of all organizations, for no target to which anybody sends already. For those that are switched off they fail.

    Args:
        tx: Writes.
        owner: Who sends.
        is_free: Whether the owner has nothing at hand for a target.
        most: Targets that are claimed for.
        now: The present.
    """
    claimed: list[Leased] = []
    for target in await lock_targets(tx, [key for key in await store.find_due_targets(tx, now) if is_free(key)]):
        key = target.key
        if not target.is_active:
            await store.fail_pending(tx, key, SWITCHED_OFF[key.kind])
        elif not await store.is_being_sent(tx, key, now):
            claimed += [Leased(dispatch, target) for dispatch in await store.claim_in(tx, key, owner, now + LEASE, RUN, now)]
            if len({each.target.key for each in claimed}) == most:
                break
    return claimed


async def lock_targets(tx: Transaction, keys: Iterable[TargetKey]) -> list[Target]:
    """The targets of keys that are there and that nobody else holds, in the order of the keys."""
    wanted = list(keys)
    found: dict[TargetKey, Target] = {}
    for organization_id in sorted({key.organization_id for key in wanted}):
        own = [key for key in wanted if key.organization_id == organization_id]
        numbers = {int(key.id) for key in own if key.kind is TargetKind.CHANNEL}
        uuids = {key.id for key in own if key.kind is TargetKind.WEBHOOK}
        if numbers:
            found |= {channel.key: channel for channel in await channel_store.lock_free(tx, organization_id, numbers)}
        if uuids:
            found |= {webhook.key: webhook for webhook in await webhook_store.lock_free(tx, organization_id, uuids)}
    return [found[key] for key in wanted if key in found]


async def renew(tx: Transaction, dispatch: Dispatch, now: datetime) -> bool:
    """Prolongs a lease; False when it is not this one any more."""
    return await store.renew_lease(tx, dispatch, now + LEASE)


async def hand_back(tx: Transaction, unsent: Sequence[Dispatch], now: datetime) -> None:
    """Ends leases of dispatches that were not sent."""
    for dispatch in unsent:
        await store.renew_lease(tx, dispatch, now)
    tx.wake(CHANNEL)


async def record_sent(tx: Transaction, organization_id: int, made: Sequence[Sent], now: datetime) -> None:
    """Records attempts of one organization. One whose dispatch somebody else has finished meanwhile changes nothing."""
    # Targets before dispatches, as claims do, so that neither waits for the other.
    keys = sorted({sent.dispatch.target for sent in made}, key=lambda key: (key.kind, key.id))
    targets = {key: await find_target(tx, key) for key in keys}
    present = await store.lock_dispatches(tx, organization_id, {sent.dispatch.id for sent in made})
    changed: dict[int, Dispatch] = {}
    for sent in sorted(made, key=lambda sent: sent.time):
        before = present.get(sent.dispatch.id)
        if before is None or not still_counts(sent, before):
            continue
        changed[before.id] = after = follow(Sent(before, sent.result, sent.time))
        target = targets[after.target]
        if target is not None:
            targets[after.target] = await note_attempt(tx, target, after, sent.result.status_code, now)
    await store.update_dispatches(tx, organization_id, list(changed.values()))
    delivered = sum(after.status is DispatchStatus.DELIVERED for after in changed.values())
    if delivered:
        await count(tx, organization_id, [Usage(Meter.NOTIFICATIONS_SENT, delivered)], now)
    for key, target in targets.items():
        if target is not None and not target.is_active:
            await store.fail_pending(tx, key, SWITCHED_OFF[key.kind])
    if changed:
        tx.wake(CHANNEL)


def still_counts(sent: Sent, present: Dispatch) -> bool:
    """Whether an attempt changes a dispatch: what arrived always does, a failure only if nobody else has taken it over."""
    if present.status is not DispatchStatus.PENDING:
        return False
    return sent.result.ok or present.lease_owner == sent.dispatch.lease_owner


async def find_target(tx: Transaction, key: TargetKey) -> Target | None:
    """A target, locked until the transaction ends; None: it is gone."""
    if key.kind is TargetKind.CHANNEL:
        return await channel_store.find_channel(tx, key.organization_id, int(key.id), lock=True)
    return await webhook_store.find_webhook(tx, key.organization_id, key.id, lock=True)


async def note_attempt(tx: Transaction, target: Target, after: Dispatch, status_code: int | None, now: datetime) -> Target:
    """Notes on a target how its newest delivery stands; one that is gone, or fails again and again, is told no more."""
    is_gone = status_code == GONE
    if isinstance(target, Channel):
        return await note_channel(tx, target, after, is_gone=is_gone, now=now)
    return await note_webhook(tx, target, after, is_gone=is_gone, now=now)


async def note_channel(tx: Transaction, channel: Channel, after: Dispatch, *, is_gone: bool, now: datetime) -> Channel:
    """Notes the attempt on a channel."""
    noted = replace(
        channel,
        is_failing=after.status is DispatchStatus.FAILED or is_durable(after),
        last_error=after.error,
        last_delivery_time=now,
        is_enabled=channel.is_enabled and not is_gone,
    )
    await channel_store.note_attempt(
        tx,
        channel.organization_id,
        channel.id,
        is_failing=noted.is_failing,
        error=noted.last_error,
        is_enabled=noted.is_enabled,
        now=now,
    )
    if (noted.is_failing, noted.is_enabled) != (channel.is_failing, channel.is_enabled):
        await tell_channel(tx, "channel.updated", noted, now)
    if noted.is_failing != channel.is_failing:
        await tell_channel_health(tx, noted, now)
    return noted


async def note_webhook(tx: Transaction, webhook: Webhook, after: Dispatch, *, is_gone: bool, now: datetime) -> Webhook:
    """Notes the attempt on a webhook."""
    failures = count_failures(webhook.failure_count, after)
    noted = replace(
        webhook,
        last_status=after.status.value,
        last_delivery_time=now,
        failure_count=failures,
        is_active=webhook.is_active and not is_gone and failures < FAILURES_LIMIT,
    )
    await webhook_store.note_attempt(
        tx,
        webhook.organization_id,
        webhook.id,
        status=after.status.value,
        failure_count=failures,
        is_active=noted.is_active,
        now=now,
    )
    if webhook.is_active and not noted.is_active:
        await follow_feed(tx, noted)
        why = "its receiver says that it is gone" if is_gone else f"{failures} deliveries in a row failed, the last with: {after.error}"
        message = f"Webhook '{webhook.name}' is told of nothing any more: {why}"
        await raise_system_alert(tx, webhook.organization_id, FAILING, Severity.CRITICAL, message, WEBHOOK_SUBJECT, webhook.id, now)
        await tell_webhook_disabled(tx, noted, message, now)
    return noted


async def end_failing(tx: Transaction, webhook: Webhook, now: datetime) -> None:
    """Closes the system alert of a webhook that is active again, or gone."""
    await close_system_alert(tx, webhook.organization_id, FAILING, WEBHOOK_SUBJECT, webhook.id, now)


async def list_page(tx: Transaction, key: TargetKey, before: datetime | None, limit: int) -> DispatchPage:
    """What a target was told, newest first. A limit of 0 is the default, one above the largest is cut."""
    size = min(limit or PAGE, LARGEST_PAGE)
    found = await store.select_page(tx, key, before, size + 1)
    return DispatchPage(tuple(found[:size]), len(found) > size)


async def drop_old(tx: Transaction, organization_id: int, kept: timedelta, limit: int, now: datetime) -> bool:
    """Ends what has waited for too long, deletes what is past its time, at most so many; True when there may be more."""
    await store.fail_older(tx, organization_id, now - LIFETIME - timedelta(hours=1), TOO_OLD)
    return await store.delete_old(tx, organization_id, now - kept, limit) == limit
