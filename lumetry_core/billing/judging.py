"""What is used of budgets, and what they stop: pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from lumetry_core.billing.model import NO_PROJECT, Budget, Meter, Spent, Usage, bounds_of, day_of
from lumetry_core.runtime.clock import spell_time
from lumetry_core.runtime.errors import LumetryError, Reason

MAX_RETRY = timedelta(hours=1)
Rates = Mapping[Meter, int]


def price(meter: Meter, quantity: int, rates: Rates) -> int:
    """What a quantity of a meter is worth in micro-units."""
    return quantity if meter is Meter.CREDITS else quantity * rates.get(meter, 0)


def addition_to(budget: Budget, usages: Iterable[Usage], rates: Rates) -> int | None:
    """What usage adds to a budget; None: it has nothing to do with it."""
    of_budget = [
        price(usage.meter, usage.quantity, rates) if budget.meter is Meter.CREDITS else usage.quantity
        for usage in usages
        if budget.meter in (usage.meter, Meter.CREDITS) and budget.project_id in (None, usage.project_id or NO_PROJECT)
    ]
    return sum(of_budget) if of_budget else None


class Judge:
    """Hard budgets of an organization with what they have used, while things are added to them."""

    def __init__(self, spent: Sequence[Spent], rates: Rates) -> None:
        self._spent = list(spent)
        self._rates = rates

    def admit(self, usages: Sequence[Usage]) -> Spent | None:
        """Adds usage to all budgets, or to none when one stops it, which is given."""
        additions = [addition_to(spent.budget, usages, self._rates) for spent in self._spent]
        for spent, addition in zip(self._spent, additions, strict=True):
            if addition is not None and spent.stops(addition):
                return spent
        self._spent = [
            Spent(spent.budget, spent.used + (addition or 0), spent.reset_time)
            for spent, addition in zip(self._spent, additions, strict=True)
        ]
        return None


def refusal_of(spent: Spent, now: datetime) -> LumetryError:
    """The failure of what a budget stops."""
    wait = MAX_RETRY if spent.reset_time is None else min(spent.reset_time - now, MAX_RETRY)
    failure = LumetryError(
        Reason.QUOTA_EXHAUSTED,
        f"The budget for {spent.budget.meter.value} is used up",
        meter=spent.budget.meter.value,
        retry_after_seconds=str(max(-(-wait // timedelta(seconds=1)), 1)),
    )
    if spent.reset_time is not None:
        failure.metadata["resets_at"] = spell_time(spent.reset_time)
    return failure


def refusal_period(budget: Budget, now: datetime) -> datetime:
    """The beginning of the time in which a refusal is told of once: for a gauge, which has no periods, the day."""
    return day_of(now) if budget.is_gauge else bounds_of(budget.period, now)[0]
