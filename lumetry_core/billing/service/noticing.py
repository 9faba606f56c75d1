"""Telling of budgets: what share of them is used, and what they refuse; each once in a period."""

from datetime import datetime

from lumetry_core.access.service.holders import find_holders
from lumetry_core.activity.model import Draft, Resource, Severity
from lumetry_core.activity.service import record
from lumetry_core.billing.judging import refusal_period
from lumetry_core.billing.model import Budget, Meter, Spent, bounds_of
from lumetry_core.billing.service.spending import read_spent
from lumetry_core.billing.store import budgets as store
from lumetry_core.notices.model import NoticeDraft, NoticeKind, NoticeSeverity
from lumetry_core.notices.service import notify
from lumetry_core.runtime.caller import Permission
from lumetry_core.runtime.clock import EPOCH
from lumetry_core.runtime.database import Transaction

REFUSED = 0
"""The percent under which refusals are marked."""
RESOURCE = "budget"
LINK = "/settings/billing"
LOSSES = {Meter.LOG_BYTES: " Log entries that are refused are lost.", Meter.LOG_ENTRIES: " Log entries that are refused are lost."}


async def tell_refusal(tx: Transaction, stopped: Spent, now: datetime) -> None:
    """Tells those who manage the workspace that a budget refuses things, unless they were told in this period."""
    budget = stopped.budget
    if not await store.mark(tx, budget, refusal_period(budget, now), REFUSED, now):
        return
    title = f"Budget {budget.name} is used up"
    body = f"What it meters ({budget.meter.value}) is refused {until(stopped)}.{LOSSES.get(budget.meter, '')}"
    await tell(tx, budget, NoticeKind.QUOTA_EXHAUSTED, NoticeSeverity.CRITICAL, title, body, now)


async def find_passed(tx: Transaction, organization_id: int, now: datetime) -> list[tuple[Spent, int]]:
    """The thresholds of active budgets that were passed in the running period and not told of yet."""
    active = [budget for budget in await store.list_budgets(tx, organization_id) if budget.is_active]
    if not active:
        return []
    spent, _ = await read_spent(tx, organization_id, active, now)
    told = await store.list_marks(tx, organization_id)
    return [
        (each, percent)
        for each in spent
        for percent in each.budget.thresholds
        if has_passed(each, percent) and (each.budget.id, period_of(each.budget, now), percent) not in told
    ]


async def tell_threshold(tx: Transaction, passed: Spent, percent: int, now: datetime) -> None:
    """Tells those who manage the workspace that so much of a budget is used, unless they were told in this period."""
    budget = passed.budget
    if not await store.mark(tx, budget, period_of(budget, now), percent, now):
        return
    severity = NoticeSeverity.CRITICAL if percent >= 100 and budget.blocks else NoticeSeverity.WARNING
    title = f"{percent} % of budget {budget.name} is used"
    body = f"{passed.used} of {budget.limit} ({budget.meter.value}) are used."
    await tell(tx, budget, NoticeKind.BUDGET_THRESHOLD, severity, title, body, now)


async def find_relieved(tx: Transaction, organization_id: int, now: datetime) -> list[tuple[Budget, int]]:
    """The thresholds of gauges that were told of and are no longer passed; passing them again is told again."""
    gauges = [budget for budget in await store.list_budgets(tx, organization_id) if budget.is_gauge]
    if not gauges:
        return []
    spent, _ = await read_spent(tx, organization_id, gauges, now)
    told = await store.list_marks(tx, organization_id)
    return [
        (each.budget, percent)
        for each in spent
        for budget_id, period_time, percent in sorted(told)
        if budget_id == each.budget.id and period_time == EPOCH and not has_passed(each, percent)
    ]


async def forget_threshold(tx: Transaction, budget: Budget, percent: int) -> None:
    """Lets a threshold of a gauge be told of again."""
    await store.unmark(tx, budget, EPOCH, percent)


async def tell(tx: Transaction, budget: Budget, kind: NoticeKind, severity: NoticeSeverity, title: str, body: str, now: datetime) -> None:
    """Writes notices and an item of the activity feed."""
    notice = NoticeDraft(
        kind=kind,
        severity=severity,
        title=title,
        body=body,
        resource_type=RESOURCE,
        resource_id=budget.id,
        project_id=budget.project_id,
        link=LINK,
    )
    holders = await find_holders(tx, budget.organization_id, Permission.MANAGE_WORKSPACE)
    await notify(tx, budget.organization_id, holders, [notice], now)
    item = Draft(
        kind="billing",
        action=kind.value,
        title=title,
        summary=body,
        severity=Severity(severity.value),
        project_ids=() if budget.project_id is None else (budget.project_id,),
        resource=Resource(RESOURCE, budget.id),
    )
    await record(tx, budget.organization_id, [item], now)


def has_passed(spent: Spent, percent: int) -> bool:
    """Whether so much of a budget is used."""
    return spent.used * 100 >= percent * spent.budget.limit


def period_of(budget: Budget, now: datetime) -> datetime:
    """The beginning of the period in which a threshold is told of once; a gauge's never begins."""
    return EPOCH if budget.is_gauge else bounds_of(budget.period, now)[0]


def until(stopped: Spent) -> str:
    """How long a budget refuses."""
    return "until there is room again" if stopped.reset_time is None else f"until {stopped.reset_time:%Y-%m-%d %H:%M} UTC"
