"""Making budgets and usage in tests of billing."""

from datetime import datetime
from typing import Any

from sqlalchemy import select

from lumetry_core.activity.store.items import activity_items
from lumetry_core.billing.draft import BudgetDraft
from lumetry_core.billing.model import Meter, Spent, Usage
from lumetry_core.billing.service.editing import replace_budgets
from lumetry_core.billing.service.metering import count
from lumetry_core.billing.service.reading import list_budgets
from lumetry_core.notices.store import notices
from lumetry_core.runtime.caller import Caller, CredentialKind
from lumetry_core.runtime.database import Database

Told = tuple[str, str, str]
"""Kind, severity and title of a notice, or kind, action and title of an item of the feed."""


def make_caller(organization_id: int, **fields: Any) -> Caller:
    return Caller(organization_id, CredentialKind.INTERACTIVE, user_id=1, user_name="ann", stepped_up=True, **fields)


def draft(meter: Meter, limit: int, **fields: Any) -> BudgetDraft:
    return BudgetDraft(**{"name": meter.value, "meter": meter.value, "limit": limit, "period": "month", **fields})


async def use(database: Database, organization_id: int, now: datetime, *usages: Usage) -> None:
    async with database.write() as tx:
        await count(tx, organization_id, usages, now)


async def put(database: Database, organization_id: int, now: datetime, *drafts: BudgetDraft) -> list[Spent]:
    async with database.write() as tx:
        return await replace_budgets(tx, make_caller(organization_id), drafts, now)


async def budgets(database: Database, organization_id: int, now: datetime) -> list[Spent]:
    async with database.read() as tx:
        return await list_budgets(tx, organization_id, now)


async def told(database: Database, organization_id: int) -> tuple[list[Told], list[Told]]:
    """The notices of all users and the feed's items of billing, oldest first."""
    columns, items = notices.c, activity_items.c
    async with database.read() as tx:
        notice_rows = await tx.execute(select(notices).where(columns.organization_id == organization_id).order_by(columns.id))
        item_rows = await tx.execute(
            select(activity_items)
            .where(items.organization_id == organization_id, items.kind == "billing", items.action != "budgets_changed")
            .order_by(items.id)
        )
        return (
            [(row.kind, row.severity, row.title) for row in notice_rows],
            [(row.kind, row.action, row.title) for row in item_rows],
        )
