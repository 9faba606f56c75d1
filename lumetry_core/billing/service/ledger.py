"""Writing the ledger, and dropping what is past its time."""

from datetime import datetime, timedelta

from lumetry_core.billing.judging import price
from lumetry_core.billing.model import LedgerEntry, hour_of
from lumetry_core.billing.store import budgets as budget_store
from lumetry_core.billing.store import ledger as store
from lumetry_core.billing.store import usage as usage_store
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.identifiers import new_uuid

SETTLED = timedelta(minutes=5)
"""After its end nothing is counted in an hour any more: what counts is committed within seconds."""
ENTERED_AT_ONCE = 500


async def has_unentered(tx: Transaction, organization_id: int, now: datetime) -> bool:
    """Whether hours have closed that the ledger does not have."""
    return bool(await usage_store.read_unentered(tx, organization_id, hour_of(now - SETTLED), 1))


async def enter_hours(tx: Transaction, organization_id: int, now: datetime) -> bool:
    """Enters closed hours, each exactly once whoever else does so; true when there may be more."""
    due = await usage_store.read_unentered(tx, organization_id, hour_of(now - SETTLED), ENTERED_AT_ONCE)
    rates = await budget_store.read_rates(tx) if due else {}
    entries = []
    for hour, meter, project_id, _ in due:
        quantity = await usage_store.mark_entered(tx, organization_id, hour, meter, project_id)
        if quantity is not None:
            entries.append(LedgerEntry(new_uuid(), meter, project_id or None, hour, quantity, price(meter, quantity, rates), now))
    await store.insert_entries(tx, organization_id, entries)
    return len(due) == ENTERED_AT_ONCE


async def drop_old(tx: Transaction, organization_id: int, before: datetime) -> None:
    """Drops hours and entries before a time, and what was told of budgets then. What gauges read stays."""
    await usage_store.delete_before(tx, organization_id, hour_of(before))
    await store.delete_before(tx, organization_id, hour_of(before))
    await budget_store.delete_marks_before(tx, organization_id, before)
