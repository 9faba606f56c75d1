"""Writing budgets: the set as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from lumetry_core.access.service.audit import record_audit
from lumetry_core.billing.draft import BudgetDraft, BudgetValues, read_drafts
from lumetry_core.billing.model import Budget, Spent
from lumetry_core.billing.service.spending import read_spent
from lumetry_core.billing.store import budgets as store
from lumetry_core.projects.service import find_visible
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason
from lumetry_core.runtime.identifiers import new_uuid

BUDGETS_CHANNEL = "budgets"
AUDIT_TYPE = "Budgets"


def check_budgets(drafts: Sequence[BudgetDraft]) -> list[BudgetValues]:
    """The values of a set. Fails with VALIDATION_FAILED, OUT_OF_RANGE."""
    faults = Faults()
    values = read_drafts(drafts, faults)
    faults.raise_if_any()
    return values


async def replace_budgets(tx: Transaction, caller: Caller, drafts: Sequence[BudgetDraft], now: datetime) -> list[Spent]:
    """Makes a set the budgets of the organization: known ids change, those without id are new, absent ones go. All or nothing.

    Fails as `check_budgets`, and with NOT_FOUND for an id or project that the organization does not have.
    """
    values = check_budgets(drafts)
    before = await store.list_budgets(tx, caller.organization_id)
    known = {budget.id: budget for budget in before}
    after = [await build_budget(tx, caller, each, known, now) for each in values]
    if after != before:
        await store.replace_budgets(tx, caller.organization_id, after)
        await record_audit(
            tx, caller, "Budgets.Updated", AUDIT_TYPE, caller.organization_id, now, before=audited(before), after=audited(after)
        )
        tx.wake(BUDGETS_CHANNEL)
    return (await read_spent(tx, caller.organization_id, after, now))[0]


async def build_budget(tx: Transaction, caller: Caller, values: BudgetValues, known: Mapping[str, Budget], now: datetime) -> Budget:
    """A budget as it will be stored; one that stays as it is keeps its time of change. Fails with NOT_FOUND."""
    before = None if values.id is None else known.get(values.id)
    if values.id is not None and before is None:
        raise LumetryError(Reason.NOT_FOUND, "Budget not found", type="Budget", id=values.id)
    project_id = values.project_id
    if project_id is not None and (before is None or before.project_id != project_id):  # one that was private or deleted since may stay
        project_id = await find_project_id(tx, caller, project_id)
    budget = Budget(
        organization_id=caller.organization_id,
        id=new_uuid() if before is None else before.id,
        name=values.name,
        meter=values.meter,
        period=values.period,
        limit=values.limit,
        mode=values.mode,
        project_id=project_id,
        thresholds=values.thresholds,
        is_active=values.is_active,
        create_time=now if before is None else before.create_time,
        update_time=now if before is None else before.update_time,
    )
    return budget if before is None or budget == before else replace(budget, update_time=now)


async def find_project_id(tx: Transaction, caller: Caller, id_or_slug: str) -> str:
    """The UUID of a project that the caller sees. Fails with NOT_FOUND."""
    project = await find_visible(tx, caller, id_or_slug)
    if project is None:
        raise LumetryError(Reason.NOT_FOUND, "Project not found", type="Project", id=id_or_slug)
    return project.id


def audited(budgets: Sequence[Budget]) -> Mapping[str, Any]:
    """What the audit keeps, under the contract's names."""
    return {
        "items": [
            {
                "id": budget.id,
                "name": budget.name,
                "meter": budget.meter.value,
                "period": budget.period.value,
                "limit": budget.limit,
                "mode": budget.mode.value,
                "projectId": budget.project_id,
                "alertThresholds": list(budget.thresholds),
                "isActive": budget.is_active,
            }
            for budget in budgets
        ]
    }
