"""Claims of checks and what becomes of their results: many at once, in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from lumetry_core.alerts.service.monitors import report_firing, report_recovery
from lumetry_core.billing.model import Meter, Usage
from lumetry_core.billing.service import metering
from lumetry_core.endpoints.facts import Told, recovery_of, report_of, tell_alert, tell_recovery, tell_result, tell_status
from lumetry_core.endpoints.judging import Judgement, judge
from lumetry_core.endpoints.model import Claim, Endpoint, Result
from lumetry_core.endpoints.schedule import OVERDUE, end_lease, plan_claimed, plan_next
from lumetry_core.endpoints.store import checks as check_store
from lumetry_core.endpoints.store import claims as claim_store
from lumetry_core.endpoints.store import endpoints as store
from lumetry_core.feed.service import tell
from lumetry_core.runtime.database import Transaction
from lumetry_core.uptime.model import DayCount, MonitorType
from lumetry_core.uptime.service import count

STRAY = timedelta(minutes=2)
"""A check that is due by so much later than its interval was planned by another clock."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An endpoint as a result left it."""

    before: Endpoint
    after: Endpoint
    claim: Claim
    result: Result
    judgement: Judgement


async def claim_checks(tx: Transaction, now: datetime, until: datetime, limit: int, chance: Callable[[], float]) -> list[Claim]:
    """Takes the right to make the checks that are due until a time, of all organizations; nobody else makes them meanwhile."""
    due = await claim_store.claim_due(tx, until, limit)
    claims = [
        Claim(
            replace(endpoint, epoch=endpoint.epoch + 1),
            plan_claimed(planned, now, endpoint.config.interval_seconds, chance()),
        )
        for endpoint, planned in due
    ]
    await claim_store.write_claims(
        tx, [(claim, end_lease(max(claim.planned_time, now), claim.endpoint.config.timeout_seconds)) for claim in claims]
    )
    return claims


async def record_results(tx: Transaction, organization_id: int, done: Sequence[tuple[Claim, Result]], now: datetime) -> int:
    """Takes results of an organization, and answers how many count: not those whose endpoint was changed, stopped or deleted meanwhile."""
    found = await store.find_endpoints(tx, organization_id, {claim.endpoint.id for claim, _ in done}, lock=True)
    judged = [
        judge_one(found[claim.endpoint.id], claim, result)
        for claim, result in done
        if claim.endpoint.id in found and found[claim.endpoint.id].epoch == claim.endpoint.epoch
    ]
    if not judged:
        return 0
    moves = [
        claim_store.Move(each.before, each.after.progress, plan_next(each.claim.planned_time, now, each.after.config.interval_seconds))
        for each in judged
    ]
    await claim_store.write_moves(tx, organization_id, moves)
    await check_store.insert_checks(tx, organization_id, [(each.after.id, each.result) for each in judged])
    await count(tx, organization_id, MonitorType.ENDPOINT, [count_of(each) for each in judged])
    await metering.count(tx, organization_id, [Usage(Meter.CHECK_RUNS, len(judged))], now)
    await tell(tx, organization_id, [event for each in judged for event in events_of(each)], now)
    firing = [report_of(each.after, each.result) for each in judged if each.judgement.is_firing]
    if firing:
        await report_firing(tx, organization_id, firing, now)
    ended = [recovery_of(each.after, each.result) for each in judged if each.judgement.ends_alert]
    if ended:
        await report_recovery(tx, organization_id, ended, now)
    return len(judged)


async def postpone_checks(tx: Transaction, claims: Sequence[Claim], due: datetime) -> None:
    """Gives claims back whose checks had no result for reasons of our own."""
    await claim_store.postpone(tx, claims, due)


async def release_claims(tx: Transaction) -> int:
    """Gives all claims back, for a process that knows that it is the only one; answers how many."""
    return await claim_store.release_claims(tx)


async def has_strays(tx: Transaction, now: datetime) -> bool:
    """Whether checks are due farther ahead than they can be, as after the clock was set back."""
    return await claim_store.count_strays(tx, now, STRAY) > 0


async def pull_back(tx: Transaction, now: datetime) -> None:
    """Makes such checks overdue, so that they are spread: all of them stray at once."""
    await claim_store.pull_back(tx, now, STRAY, now - 2 * OVERDUE)


async def find_next_due(tx: Transaction) -> datetime | None:
    """When the next check is due; None: there is none."""
    return await claim_store.find_next_due(tx)


def judge_one(before: Endpoint, claim: Claim, result: Result) -> Judged:
    """What a result makes of an endpoint."""
    judgement = judge(before.progress, result, before.config)
    return Judged(before, replace(before, progress=judgement.progress), claim, result, judgement)


def count_of(judged: Judged) -> DayCount:
    """What a result adds to its day."""
    day = judged.result.time.astimezone(UTC).date()
    return DayCount(judged.after.id, day, int(judged.result.is_success), 1, int(judged.judgement.is_edge))


def events_of(judged: Judged) -> list[Told]:
    """What is told of a result."""
    events = [tell_result(judged.after, judged.result)]
    if judged.judgement.has_changed:
        events.append(tell_status(judged.after, judged.before))
    if judged.judgement.starts_alert:
        events.append(tell_alert(judged.after))
    if judged.judgement.ends_alert:
        events.append(tell_recovery(judged.after))
    return events
