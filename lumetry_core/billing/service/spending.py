"""What budgets have used up."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from lumetry_core.billing.judging import Rates, price
from lumetry_core.billing.model import COUNTED, Budget, Meter, Spent, bounds_of
from lumetry_core.billing.service.metering import write_counted
from lumetry_core.billing.store import budgets as budget_store
from lumetry_core.billing.store import usage as store
from lumetry_core.runtime.database import Transaction

Sums = Mapping[tuple[Meter, str], int]


async def read_spent(
    tx: Transaction, organization_id: int, budgets: Sequence[Budget], now: datetime, until: datetime | None = None
) -> tuple[list[Spent], Rates]:
    """What budgets of an organization have used in the periods that run now, in their order, and the rates by which.

    Args:
        until: Only what was counted in hours before this one; None: everything.
    """
    if not budgets:
        return [], {}
    await write_counted(tx)
    rates: Rates = await budget_store.read_rates(tx) if any(budget.meter is Meter.CREDITS for budget in budgets) else {}
    levels = await store.read_levels(tx, organization_id) if any(budget.is_gauge for budget in budgets) else {}
    sums: dict[datetime, Sums] = {}
    for budget in budgets:
        begin = bounds_of(budget.period, now)[0]
        if not budget.is_gauge and begin not in sums:
            meters = {meter for other in budgets if not other.is_gauge for meter in meters_of(other)}
            sums[begin] = await store.read_sums(tx, organization_id, meters, begin, until)
    spent = []
    for budget in budgets:
        if budget.is_gauge:
            spent.append(Spent(budget, use_of(budget, levels, {}), None))
        else:
            begin, end = bounds_of(budget.period, now)
            spent.append(Spent(budget, use_of(budget, sums[begin], rates), end))
    return spent, rates


async def add_hour(tx: Transaction, spent: Sequence[Spent], rates: Rates, organization_id: int, hour: datetime) -> list[Spent]:
    """The same budgets, none of a gauge, with what was counted from an hour on."""
    meters = {meter for each in spent for meter in meters_of(each.budget)}
    sums = await store.read_sums(tx, organization_id, meters, hour)
    return [Spent(each.budget, each.used + use_of(each.budget, sums, rates), each.reset_time) for each in spent]


def meters_of(budget: Budget) -> Sequence[Meter]:
    """The meters that a budget is about."""
    return COUNTED if budget.meter is Meter.CREDITS else (budget.meter,)


def use_of(budget: Budget, sums: Sums, rates: Rates) -> int:
    """What sums come to for a budget."""
    return sum(
        price(meter, quantity, rates) if budget.meter is Meter.CREDITS else quantity
        for (meter, project_id), quantity in sums.items()
        if budget.meter in (meter, Meter.CREDITS) and budget.project_id in (None, project_id)
    )
