"""Hands deliveries to collectors, which send them from inside a customer's network, and takes what became of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from lumetry_core.collectors.service import working
from lumetry_core.collectors.work import LEASE as WORK_LEASE
from lumetry_core.collectors.work import MAX_LEASES, RETAKE, WorkDraft, WorkItem, WorkKind
from lumetry_core.notifications.delivery import Delivery, DeliveryStatus
from lumetry_core.notifications.model import Integration, SendResult
from lumetry_core.notifications.retries import Attempt
from lumetry_core.notifications.service.outbox import Claimed, hand_back, record_attempts
from lumetry_core.notifications.service.profiles import find_integrations
from lumetry_core.notifications.service.recording import CHANNEL
from lumetry_core.notifications.store import deliveries as store
from lumetry_core.notifications.store import lanes as lane_store
from lumetry_core.runtime.database import Transaction

OWNER = "collector"
"""Whose lease it is while a collector has a delivery."""
CAPABILITY = "notification"
PATIENCE = timedelta(seconds=60)
"""How long an attempt waits to be taken; longer than collectors that ask for work leave between two questions."""
HANDED = PATIENCE + MAX_LEASES * (WORK_LEASE + RETAKE) + timedelta(minutes=1)
"""Longer than an attempt can take: its end comes first."""
BUDGET_MS = 10_000
"""Contract lumetry 14.4."""
DELIVERY = "delivery:"


async def hand_over(tx: Transaction, claimed: Sequence[Claimed], now: datetime) -> list[Claimed]:
    """Enqueues what collectors deliver; answers the rest, which this process sends itself.

    Where order counts a collector has one delivery at a time.
    """
    own = [each for each in claimed if each.integration.collector_id is None]
    strict: set[tuple[int, int]] = set()
    handed: dict[int, list[Claimed]] = {}
    for each in claimed:
        if each.integration.collector_id is None:
            continue
        lane = (each.delivery.organization_id, each.delivery.integration_id)
        if lane in strict:
            await hand_back(tx, [each.delivery], now)
            continue
        if each.is_strict:
            strict.add(lane)
        handed.setdefault(each.delivery.organization_id, []).append(each)
    for organization_id, given in handed.items():
        await lane_store.pass_on(tx, organization_id, [each.delivery.id for each in given], OWNER, now + HANDED)
        await working.enqueue(tx, organization_id, [draft_work(each, now) for each in given], now)
        tx.wake(CHANNEL)  # the next may be handed over at once
    return own


def draft_work(claimed: Claimed, now: datetime) -> WorkDraft:
    """An attempt as work for the collector."""
    return WorkDraft(
        collector_id=claimed.integration.collector_id or "",
        kind=WorkKind.NOTIFICATION,
        capability=CAPABILITY,
        subject=f"{DELIVERY}{claimed.delivery.id}",
        budget_ms=BUDGET_MS,
        expire_time=now + PATIENCE,
    )


async def find_handed(tx: Transaction, item: WorkItem, now: datetime) -> tuple[Delivery, Integration] | None:
    """The delivery of an item, and where it goes; None when the collector has nothing to do with it any more.

    Then the delivery is taken back, to be sent in another way or to be skipped.
    """
    delivery = await store.find_delivery(tx, item.organization_id, int(item.subject.removeprefix(DELIVERY)))
    if delivery is None or delivery.status is not DeliveryStatus.PENDING or delivery.lease_owner != OWNER:
        return None
    integration = (await find_integrations(tx, item.organization_id, [delivery.integration_id])).get(delivery.integration_id)
    if integration is None or not integration.is_enabled or integration.collector_id != item.collector_id:
        await hand_back(tx, [delivery], now)
        return None
    return delivery, integration


async def take_result(tx: Transaction, item: WorkItem, result: SendResult, now: datetime) -> None:
    """Records the attempt behind an item. A success counts whatever has changed meanwhile."""
    if result.ok:
        delivery = await store.find_delivery(tx, item.organization_id, int(item.subject.removeprefix(DELIVERY)))
    else:
        found = await find_handed(tx, item, now)
        delivery = None if found is None else found[0]
    if delivery is not None:
        await record_attempts(tx, item.organization_id, [Attempt(delivery, result, now)], now)


def is_delivery(item: WorkItem) -> bool:
    """Whether an item is about a delivery, rather than a test."""
    return item.subject.startswith(DELIVERY)
