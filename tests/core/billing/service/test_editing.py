from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from lumetry_core.access.store.audit import audit_logs
from lumetry_core.billing.draft import BudgetDraft
from lumetry_core.billing.model import Budget, Meter, Mode, Period, Spent, Usage
from lumetry_core.billing.service.editing import replace_budgets
from lumetry_core.projects.draft import Draft
from lumetry_core.projects.service import create
from lumetry_core.runtime.database import Database
from lumetry_core.runtime.errors import LumetryError, Reason
from tests.conftest import FakeClock
from tests.core.billing.counting import budgets, draft, make_caller, put, use

RESET = datetime(2026, 7, 1, tzinfo=UTC)


def again(spent: Spent, **changes: Any) -> BudgetDraft:
    """A budget as somebody sends it who has read it."""
    budget = spent.budget
    sent = BudgetDraft(
        id=budget.id,
        name=budget.name,
        meter=budget.meter.value,
        period=budget.period.value,
        limit=budget.limit,
        mode=budget.mode.value,
        project_id=budget.project_id,
        thresholds=budget.thresholds,
        is_active=budget.is_active,
    )
    return replace(sent, **changes)


async def test_replace_makes_the_set(database: Database, organization_id: int, clock: FakeClock) -> None:
    """The answer is what is stored, in the order of the request, with what is used already."""
    await use(database, organization_id, clock.now(), Usage(Meter.LOG_BYTES, 7))
    made = await put(database, organization_id, clock.now(), draft(Meter.LOG_BYTES, 5), draft(Meter.FILE_BYTES, 9, mode="hard"))
    now = clock.now()
    first = Budget(
        organization_id=organization_id,
        id=made[0].budget.id,
        name="log_bytes",
        meter=Meter.LOG_BYTES,
        period=Period.MONTH,
        limit=5,
        mode=Mode.SOFT,
        project_id=None,
        thresholds=(80, 100),
        is_active=True,
        create_time=now,
        update_time=now,
    )
    second = replace(first, id=made[1].budget.id, name="file_bytes", meter=Meter.FILE_BYTES, limit=9, mode=Mode.HARD)
    assert made == [Spent(first, 7, RESET), Spent(second, 0, None)] == await budgets(database, organization_id, now)
    assert [(spent.remaining, spent.is_exceeded) for spent in made] == [(0, True), (9, False)]


async def test_replace_changes_adds_and_drops(database: Database, organization_id: int, clock: FakeClock) -> None:
    """Known ids change and keep their age, those without id are new, absent ones go; what stays as it is was not changed."""
    kept, changed, _ = await put(
        database, organization_id, clock.now(), draft(Meter.LOG_BYTES, 1), draft(Meter.LOG_ENTRIES, 2), draft(Meter.METRIC_POINTS, 3)
    )
    later = clock.advance(minutes=1)
    after = await put(database, organization_id, later, draft(Meter.CREDITS, 4), again(changed, limit=20), again(kept))
    assert [(spent.budget.meter, spent.budget.limit) for spent in after] == [
        (Meter.CREDITS, 4),
        (Meter.LOG_ENTRIES, 20),
        (Meter.LOG_BYTES, 1),
    ]
    assert after[1].budget == replace(changed.budget, limit=20, update_time=later)
    assert after[2] == kept
    assert await put(database, organization_id, later) == [] == await budgets(database, organization_id, later)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (draft(Meter.LOG_BYTES, 0), Reason.OUT_OF_RANGE),
        (draft(Meter.LOG_BYTES, 1, id="5d1f5a52-7c0c-4f7a-8a36-2d1d0f6c9e21"), Reason.NOT_FOUND),
        (draft(Meter.LOG_BYTES, 1, project_id="nowhere"), Reason.NOT_FOUND),
    ],
)
async def test_replace_all_or_nothing(
    database: Database, organization_id: int, clock: FakeClock, wrong: BudgetDraft, reason: Reason
) -> None:
    """One item that cannot be kept keeps the whole set as it was."""
    before = await put(database, organization_id, clock.now(), draft(Meter.LOG_BYTES, 1))
    with pytest.raises(LumetryError) as raised:
        await put(database, organization_id, clock.now(), draft(Meter.CREDITS, 9), wrong)
    assert raised.value.reason is reason
    assert await budgets(database, organization_id, clock.now()) == before


async def test_replace_with_the_id_of_another_organization(database: Database, organization_id: int, clock: FakeClock) -> None:
    """Somebody else's budget does not exist, and stays."""
    [mine] = await put(database, organization_id, clock.now(), draft(Meter.LOG_BYTES, 1))
    with pytest.raises(LumetryError, match="Budget not found"):
        await put(database, organization_id + 1, clock.now(), again(mine))
    assert await budgets(database, organization_id, clock.now()) == [mine]


async def test_replace_with_a_private_project(database: Database, organization_id: int, clock: FakeClock) -> None:
    """Only who sees a project may limit it, but its budget may be sent back by everybody who manages budgets."""
    owner, other = make_caller(organization_id), replace(make_caller(organization_id), user_id=2)
    async with database.write() as tx:
        project = await create(tx, owner, Draft(name="Secret", visibility="private"), clock.now())
        with pytest.raises(LumetryError, match="Project not found"):
            await replace_budgets(tx, other, [draft(Meter.LOG_BYTES, 1, project_id="secret")], clock.now())
        [made] = await replace_budgets(tx, owner, [draft(Meter.LOG_BYTES, 1, project_id="secret")], clock.now())
        assert made.budget.project_id == project.id
        [after] = await replace_budgets(tx, other, [again(made, limit=2)], clock.now())
    assert (after.budget.project_id, after.budget.limit) == (project.id, 2)


async def test_replace_is_audited(database: Database, organization_id: int, clock: FakeClock) -> None:
    """A change is written down with the sets before and after; sending the same set again changes nothing."""
    [made] = await put(database, organization_id, clock.now(), draft(Meter.LOG_BYTES, 1))
    await put(database, organization_id, clock.now(), again(made))
    async with database.read() as tx:
        rows = (await tx.execute(select(audit_logs).where(audit_logs.c.entity_type == "Budgets"))).all()
    assert [(row.action, row.entity_id, row.old_values_json) for row in rows] == [("Budgets.Updated", str(organization_id), '{"items":[]}')]
