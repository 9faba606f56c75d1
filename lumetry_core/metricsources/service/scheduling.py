"""Gives out polls: the core's own to the caller, the others to the collectors that make them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from lumetry_core.collectors.service.working import enqueue, find_lasting_obstacle
from lumetry_core.collectors.work import WorkDraft, WorkKind
from lumetry_core.metricsources.fairness import choose
from lumetry_core.metricsources.judging import PollResult
from lumetry_core.metricsources.model import Source
from lumetry_core.metricsources.schedule import OVERDUE, end_lease, end_patience, plan_missed, plan_next, poll_budget
from lumetry_core.metricsources.service.recording import settle
from lumetry_core.metricsources.store import claims as store
from lumetry_core.runtime.database import Transaction

BATCH = 500


async def find_next_due(tx: Transaction) -> datetime | None:
    """When the next poll is due; None: there is none."""
    return await store.find_next_due(tx)


async def claim_polls(tx: Transaction, running: Mapping[int, int], free: int, most_each: int, now: datetime) -> list[Source]:
    """Takes the right to make polls that are due, which nobody else makes meanwhile, and hands collectors theirs.

    Args:
        running: How many polls of each organization the caller makes already.
        free: How many more it can make.
        most_each: How many of one organization it makes at once.
    """
    due = await store.list_due(tx, now, BATCH)
    own = [each for each in due if not each.is_remote]
    wanted = [own[position] for position in choose(own, running, free, most_each)]
    sources = await store.lock_due(tx, wanted + [each for each in due if each.is_remote][:BATCH], now)
    mine = [source for source in sources if source.definition.collector_id is None]
    remote = [source for source in sources if source.definition.collector_id is not None]
    await hand_out(tx, remote, now)
    again = [(source, end_lease(now, source.definition.timeout_seconds, len(source.definition.items)), True) for source in mine]
    again += [(source, plan_next(source.id, now, source.definition.poll_interval_seconds), False) for source in remote]
    await store.write_claims(tx, sorted(again, key=lambda each: each[0].id))
    return [replace(source, epoch=source.epoch + 1) for source in mine]


async def hand_out(tx: Transaction, sources: Sequence[Source], now: datetime) -> None:
    """Has collectors poll. Where the poll before is not over yet, there is no other; where the collector cannot, the poll has failed."""
    drafts: dict[int, list[WorkDraft]] = {}
    obstacles: dict[tuple[int, str, str], str | None] = {}
    for source in sources:
        definition = source.definition
        collector_id, capability = definition.collector_id or "", f"poll:{definition.type.value}"
        key = source.organization_id, collector_id, capability
        if key not in obstacles:
            obstacles[key] = await find_lasting_obstacle(tx, source.organization_id, collector_id, WorkKind.POLL, [capability], now)
        if (obstacle := obstacles[key]) is not None:
            await settle(tx, source, PollResult(obstacle, definition.metric_keys), now, None)
            continue
        budget = poll_budget(definition.timeout_seconds, len(definition.items))
        draft = WorkDraft(
            collector_id=collector_id,
            kind=WorkKind.POLL,
            capability=capability,
            subject=str(source.id),
            budget_ms=int(budget * 1000),
            expire_time=end_patience(now, definition.poll_interval_seconds),
        )
        drafts.setdefault(source.organization_id, []).append(draft)
    for organization_id, of_organization in sorted(drafts.items()):
        await enqueue(tx, organization_id, of_organization, now)


async def release_claims(tx: Transaction, now: datetime) -> None:
    """Gives all claims back, for a process that knows that it is the only one."""
    await store.release_claims(tx, now)


async def spread_overdue(tx: Transaction, now: datetime, chance: Callable[[], float]) -> bool:
    """Spreads what nobody polled for a while; true when there may be more."""
    overdue = await store.list_overdue(tx, now - OVERDUE, BATCH)
    await store.write_claims(tx, [(each, missed(each, now, chance()), False) for each in overdue])
    return len(overdue) == BATCH


async def pull_back(tx: Transaction, now: datetime, chance: Callable[[], float]) -> None:
    """Plans anew what is due farther ahead than it can be, as after the clock was set back."""
    # A claim is void at the latest so long after an interval; what is later was planned by another clock.
    horizon = end_lease(now, 60, 60)
    await store.write_claims(tx, [(each, missed(each, now, chance()), False) for each in await store.list_strays(tx, horizon, BATCH)])


def missed(source: Source, now: datetime, chance: float) -> datetime:
    """When a source is polled that was not polled as planned."""
    return plan_missed(source.id, now, source.definition.poll_interval_seconds, chance)
