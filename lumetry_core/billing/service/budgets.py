"""Keeping hard budgets: nothing that they stop is stored (contract workspace 8, logs 1.7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lumetry_core.billing.judging import Judge, Rates, refusal_of
from lumetry_core.billing.model import Meter, Spent, Usage, hour_of
from lumetry_core.billing.service.noticing import tell_refusal
from lumetry_core.billing.service.spending import add_hour, read_spent
from lumetry_core.billing.store import budgets as store
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import LumetryError

REMEMBERED = timedelta(seconds=1)
MAX_REMEMBERED = 10_000


async def check_budget(
    tx: Transaction, organization_id: int, additions: Mapping[Meter, int], now: datetime, *, project_id: str | None = None
) -> None:
    """Fails with QUOTA_EXHAUSTED when a hard budget of the organization or project stops what would be added.

    It does so when it is used up, and for bytes and log entries also when the addition would pass it. The first refusal of a period is
    told to those who manage the workspace, although the transaction is given up.
    """
    blocking = [budget for budget in await store.list_budgets(tx, organization_id) if budget.blocks]
    if not blocking:
        return
    spent, rates = await read_spent(tx, organization_id, blocking, now)
    stopped = Judge(spent, rates).admit([Usage(meter, quantity, project_id) for meter, quantity in additions.items()])
    if stopped is None:
        return

    async def tell(following: Transaction) -> None:
        await tell_refusal(following, stopped, now)

    tx.refusal_steps.append(tell)
    raise refusal_of(stopped, now)


@dataclass(frozen=True, slots=True)
class Known:
    """Hard budgets of an organization with what was counted before an hour, as they were at a time."""

    time: datetime
    hour: datetime
    spent: Sequence[Spent]
    rates: Rates


class Gate:
    """Keeps hard budgets where many batches share a commit.

    Budgets and the hours before the running one are remembered for at most a second. What the running hour has is read in the transaction
    that adds to it, so one core never passes a budget by more than a batch, and several only by what they commit at the same moment.
    """

    def __init__(self) -> None:
        self._known: dict[int, Known] = {}

    def forget(self) -> None:
        """Budgets were changed."""
        self._known.clear()

    async def open(self, tx: Transaction, organization_id: int, meters: Sequence[Meter], now: datetime) -> "Passage":
        """The way in for a group of batches of an organization."""
        known = await self._find(tx, organization_id, now)
        concerned = [spent for spent in known.spent if spent.budget.meter in (*meters, Meter.CREDITS)]
        if not concerned:
            return Passage(None, now)
        spent = await add_hour(tx, concerned, known.rates, organization_id, known.hour)
        return Passage(Judge(spent, known.rates), now)

    async def _find(self, tx: Transaction, organization_id: int, now: datetime) -> Known:
        known = self._known.get(organization_id)
        if known is not None and known.hour == hour_of(now) and timedelta(0) <= now - known.time < REMEMBERED:
            return known
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        blocking = [budget for budget in await store.list_budgets(tx, organization_id) if budget.blocks and not budget.is_gauge]
        spent, rates = await read_spent(tx, organization_id, blocking, now, until=hour_of(now))
        found = self._known[organization_id] = Known(now, hour_of(now), spent, rates)
        return found


class Passage:
    """Lets batches through that fit, one after another."""

    def __init__(self, judge: Judge | None, now: datetime) -> None:
        self._judge = judge
        self._now = now
        self._stopped: dict[str, Spent] = {}

    def refuse(self, usages: Sequence[Usage]) -> LumetryError | None:
        """QUOTA_EXHAUSTED for what must not be stored; None: it may, and counts for what follows."""
        stopped = None if self._judge is None else self._judge.admit(usages)
        if stopped is None:
            return None
        self._stopped.setdefault(stopped.budget.id, stopped)
        return refusal_of(stopped, self._now)

    async def tell(self, tx: Transaction) -> None:
        """Tells of what was refused, once in a period."""
        for stopped in self._stopped.values():
            await tell_refusal(tx, stopped, self._now)
