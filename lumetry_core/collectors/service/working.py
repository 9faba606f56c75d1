"""Work for collectors: enqueued by other areas, given out under leases, finished exactly once (contract lumetry 16.3)."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.collectors.checks import is_uuid
from lumetry_core.collectors.model import Collector, Status, is_online
from lumetry_core.collectors.service.calling import used_up
from lumetry_core.collectors.store import collectors as collector_store
from lumetry_core.collectors.store import work as store
from lumetry_core.collectors.work import (
    KEEPER_CHANNEL,
    ClaimedWork,
    Handlers,
    Outcome,
    WorkDraft,
    WorkItem,
    WorkKind,
    enabled_kinds,
    find_refusal,
    finish,
    is_hopeless,
    lease,
    requeue,
    work_channel,
)
from lumetry_core.collectors.work import find_obstacle as obstacle_of
from lumetry_core.collectors.work_checks import check_claim, check_completion
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import LumetryError, Reason, not_found
from lumetry_core.runtime.identifiers import digest_secret, new_secret

TOKEN_PREFIX = "lmtw_"  # noqa: S105 -- what such secrets begin with
LOOKED_AT_ONCE = 200


async def enqueue(tx: Transaction, organization_id: int, drafts: Sequence[WorkDraft], now: datetime) -> None:
    """Adds work and wakes the collectors that are to do it. A subject with unfinished work of the kind keeps that and gets no other."""
    await store.insert(tx, organization_id, drafts, now)
    for collector_id in {draft.collector_id for draft in drafts}:
        tx.wake(work_channel(collector_id))


async def withdraw(tx: Transaction, organization_id: int, kind: WorkKind, subjects: Collection[str]) -> None:
    """Takes back work that is wanted no more. Its handler is not told; an outcome that is being reported right now still is."""
    await store.remove(tx, organization_id, kind, subjects)


async def find_work(tx: Transaction, organization_id: int, kind: WorkKind, subject: str) -> WorkItem | None:
    """The unfinished work on a subject."""
    return await store.find_open(tx, organization_id, kind, subject)


async def read_work(tx: Transaction, organization_id: int, claim_id: str) -> WorkItem | None:
    """An item, also for ten minutes after it was finished."""
    return await store.find_claim(tx, organization_id, claim_id)


async def claim(
    tx: Transaction, caller: Caller, capabilities: Sequence[str], max_items: int, handlers: Handlers, now: datetime
) -> list[ClaimedWork]:
    """Gives out work that waits for the calling collector, source tests first, then the oldest.

    Gives none while the collector is suspected to be a duplicate. Fails with VALIDATION_FAILED, UNAUTHENTICATED.
    """
    check_claim(capabilities, max_items)
    kinds = await open_kinds(tx, caller)
    claimed: list[ClaimedWork] = []
    while kinds and (room := max_items - len(claimed)):
        waiting = await store.lock_waiting(tx, caller.organization_id, caller.collector_id or "", kinds, capabilities, room, now)
        for item in waiting:
            given = await give_out(tx, item, handlers, now)
            if given is not None:
                claimed.append(given)
        if len(waiting) < room:
            break
    return claimed


async def waits(tx: Transaction, caller: Caller, capabilities: Sequence[str], max_items: int, now: datetime) -> bool:
    """Whether `claim` would find anything to give out. Fails as it does."""
    check_claim(capabilities, max_items)
    kinds = await open_kinds(tx, caller)
    return bool(kinds) and await store.is_any_waiting(tx, caller.organization_id, caller.collector_id or "", kinds, capabilities, now)


async def open_kinds(tx: Transaction, caller: Caller) -> frozenset[WorkKind]:
    """What the calling collector may be given. Fails with UNAUTHENTICATED."""
    collector = await collector_store.find(tx, caller.organization_id, caller.collector_id or "")
    if collector is None or collector.status is Status.REVOKED:
        raise used_up()
    return kinds_of(collector) if collector.status is Status.ACTIVE else frozenset()


async def find_held(tx: Transaction, organization_id: int, claims: Collection[tuple[str, bytes]], now: datetime) -> set[tuple[str, bytes]]:
    """Which of some claims, by id and digest of their token, are neither finished nor over."""
    return await store.find_held(tx, organization_id, claims, now)


async def give_out(tx: Transaction, item: WorkItem, handlers: Handlers, now: datetime) -> ClaimedWork | None:
    """Leases a waiting item; None when there is nothing to do any more."""
    handler = handlers.get(item.kind)
    payload = None if handler is None else await handler.describe(tx, item, now)
    if payload is None:
        await store.remove_item(tx, item)
        return None
    if isinstance(payload, Outcome):
        await end(tx, item, payload, handlers, now)
        return None
    token = new_secret(TOKEN_PREFIX)
    leased = lease(item, digest_secret(token), now)
    await store.save(tx, leased)
    return ClaimedWork(leased, token, payload)


async def complete(
    tx: Transaction, caller: Caller, claim_id: str, token: str, outcome: Outcome | None, handlers: Handlers, now: datetime
) -> None:
    """Finishes work that the calling collector holds.

    Fails with VALIDATION_FAILED, with NOT_FOUND for claims that are not the caller's, and with CONFLICT when the token was used, is not the
    claim's, or its lease has ended.
    """
    item = await store.find_claim(tx, caller.organization_id, claim_id, lock=True) if is_uuid(claim_id) else None
    if item is None or item.collector_id != caller.collector_id:
        raise not_found("Claim", claim_id)
    reported = check_completion(token, outcome)
    refusal = find_refusal(item, digest_secret(token), now)
    if refusal is not None:
        raise LumetryError(Reason.CONFLICT, refusal, type="Claim", id=claim_id, state="finished" if item.finish_time else "open")
    await end(tx, item, reported, handlers, now)


async def end(tx: Transaction, item: WorkItem, outcome: Outcome, handlers: Handlers, now: datetime) -> None:
    """Finishes a locked item: its handler keeps the outcome."""
    # The handler before the item: what it locks others hold while they enqueue, and an item that is locked but not changed yet makes
    # those that enqueue the same subject wait for nobody.
    handler = handlers.get(item.kind)
    if handler is not None:
        await handler.finish(tx, item, outcome, now)
    await store.save(tx, finish(item, outcome, now))
    tx.wake(work_channel(item.collector_id))


async def give_up(tx: Transaction, organization_id: int, collector_id: str, now: datetime) -> None:
    """Has all work of a collector that is revoked end, held or not, as soon as somebody looks after it."""
    for item in await store.lock_of_collector(tx, organization_id, collector_id):
        await store.save(tx, replace(requeue(item), expire_time=min(item.expire_time, now)))
    tx.wake(KEEPER_CHANNEL)
    tx.wake(work_channel(collector_id))


async def is_any_due(tx: Transaction, now: datetime) -> bool:
    """Whether any item has to be looked at."""
    return await store.is_any_due(tx, now)


async def tidy(tx: Transaction, now: datetime) -> bool:
    """Forgets what was finished a while ago and lets ended leases go; True when there may be more."""
    due = await store.lock_due(tx, LOOKED_AT_ONCE, now)
    changed = False
    for item in due:
        if item.finish_time is not None:
            await store.remove_item(tx, item)
            changed = True
        elif not is_hopeless(item, now):
            await store.save(tx, requeue(item))
            tx.wake(work_channel(item.collector_id))
            changed = True
    return changed and len(due) == LOOKED_AT_ONCE


async def expire_next(tx: Transaction, handlers: Handlers, now: datetime) -> bool:
    """Ends one item that nobody finishes, with an outcome that says why; False when there is none.

    One at a time, since what handlers lock for several would be locked in no order.
    """
    item = await store.lock_hopeless(tx, now)
    if item is None:
        return False
    await end(tx, item, Outcome(succeeded=False, error=await explain(tx, item, now)), handlers, now)
    return True


async def explain(tx: Transaction, item: WorkItem, now: datetime) -> str:
    """Why nobody has finished an item."""
    obstacle, name = await look_at(tx, item.organization_id, item.collector_id, item.kind, item.capability, now)
    if obstacle is not None:
        return obstacle
    return f"Collector {name} {'took it and did not report what came of it' if item.leases else 'did not take it in time'}."


async def find_obstacle(
    tx: Transaction, organization_id: int, collector_id: str, kind: WorkKind, capability: str, now: datetime
) -> str | None:
    """Why a collector cannot take work of a kind now; None: it can."""
    return (await look_at(tx, organization_id, collector_id, kind, capability, now))[0]


async def find_lasting_obstacle(
    tx: Transaction, organization_id: int, collector_id: str, kind: WorkKind, capabilities: Sequence[str], now: datetime
) -> str | None:
    """Why a collector would not take work of a kind even after a while; None: it would, if it is there or comes back.

    That it is away, or suspected to be a duplicate, passes and is told of by itself; what it could do then shows only when it is there.
    """
    collector = await collector_store.find(tx, organization_id, collector_id)
    if collector is None:
        return obstacle_of(kind, "", name="", state="gone", kinds=(), capabilities=())
    state, declared = state_of(collector, now), collector.capabilities
    kinds, lasting = kinds_of(collector), state if state == "revoked" else ""
    for capability in capabilities:
        known = declared if state == "" else (*declared, capability)
        obstacle = obstacle_of(kind, capability, name=collector.name, state=lasting, kinds=kinds, capabilities=known)
        if obstacle is not None:
            return obstacle
    return None


async def find_refusal_of(tx: Transaction, organization_id: int, collector_id: str) -> str | None:
    """Why nothing may be assigned to a collector, as what follows a path; None: it may."""
    collector = await collector_store.find(tx, organization_id, collector_id) if is_uuid(collector_id) else None
    if collector is None:
        return "names no collector"
    return f"names collector {collector.name}, which is revoked" if collector.status is Status.REVOKED else None


async def look_at(
    tx: Transaction, organization_id: int, collector_id: str, kind: WorkKind, capability: str, now: datetime
) -> tuple[str | None, str]:
    """What keeps a collector from work of a kind, and its name."""
    collector = await collector_store.find(tx, organization_id, collector_id)
    if collector is None:
        return obstacle_of(kind, capability, name="", state="gone", kinds=(), capabilities=()), ""
    kinds, state = kinds_of(collector), state_of(collector, now)
    obstacle = obstacle_of(kind, capability, name=collector.name, state=state, kinds=kinds, capabilities=collector.capabilities)
    return obstacle, collector.name


def state_of(collector: Collector, now: datetime) -> str:
    """What keeps a collector from any work; empty: nothing."""
    if collector.status is Status.REVOKED:
        return "revoked"
    if collector.status is Status.PENDING:
        return "pending"
    if not is_online(collector, now):
        return "offline"
    return "suspected" if collector.status is Status.DUPLICATE_SUSPECTED else ""


def kinds_of(collector: Collector) -> frozenset[WorkKind]:
    """What a collector's configuration lets it do."""
    config = collector.config
    return enabled_kinds(polling=config.polling.enabled, notifications=config.notifications.enabled)
