"""Workers of billing: one tells of thresholds, one keeps the ledger."""

from datetime import datetime, timedelta

from lumetry_core.access.service.organizations import list_organization_ids
from lumetry_core.billing.service import ledger, noticing
from lumetry_core.runtime.database import Database

DROP_INTERVAL = timedelta(hours=1)


class BudgetTeller:
    """Tells of thresholds that budgets have passed. Any number may run on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tick(self, now: datetime) -> bool:
        """Tells what is to be told. Never says that there is more to do."""
        async with self._database.read() as tx:
            organization_ids = await list_organization_ids(tx)
            passed = [each for of in organization_ids for each in await noticing.find_passed(tx, of, now)]
            relieved = [each for of in organization_ids for each in await noticing.find_relieved(tx, of, now)]
        if passed or relieved:
            async with self._database.write() as tx:
                for budget, percent in relieved:
                    await noticing.forget_threshold(tx, budget, percent)
                for spent, percent in passed:
                    await noticing.tell_threshold(tx, spent, percent, now)
        return False


class LedgerKeeper:
    """Enters closed hours into the ledger, and drops what is old. Any number may run on one database."""

    def __init__(self, database: Database, kept: timedelta) -> None:
        self._database = database
        self._kept = kept
        self._next_drop: datetime | None = None

    async def tick(self, now: datetime) -> bool:
        """Enters what has closed; true when there may be more."""
        async with self._database.read() as tx:
            organization_ids = await list_organization_ids(tx)
            due = [of for of in organization_ids if await ledger.has_unentered(tx, of, now)]
        more = False
        for organization_id in due:
            async with self._database.write() as tx:
                more |= await ledger.enter_hours(tx, organization_id, now)
        if self._next_drop is None or now >= self._next_drop:
            for organization_id in organization_ids:
                async with self._database.write() as tx:
                    await ledger.drop_old(tx, organization_id, now - self._kept)
            self._next_drop = now + DROP_INTERVAL
        return more
