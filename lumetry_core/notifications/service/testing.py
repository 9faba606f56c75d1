"""Test messages that collectors deliver."""

from datetime import datetime, timedelta

from lumetry_core.collectors.service import working
from lumetry_core.collectors.work import Outcome, WorkDraft, WorkItem, WorkKind
from lumetry_core.notifications.model import Integration
from lumetry_core.notifications.service.handing import BUDGET_MS, CAPABILITY
from lumetry_core.notifications.store import integrations as store
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.identifiers import new_uuid

TEST = "test:"


async def begin_test(tx: Transaction, integration: Integration, patience: timedelta, now: datetime) -> WorkItem | str:
    """Asks the integration's collector to deliver a test message; a text says why it cannot."""
    organization_id, collector_id = integration.organization_id, integration.collector_id or ""
    obstacle = await working.find_obstacle(tx, organization_id, collector_id, WorkKind.NOTIFICATION, CAPABILITY, now)
    if obstacle is not None:
        return obstacle
    draft = WorkDraft(
        collector_id=collector_id,
        kind=WorkKind.NOTIFICATION,
        capability=CAPABILITY,
        subject=f"{TEST}{integration.id}:{new_uuid()}",
        budget_ms=BUDGET_MS,
        expire_time=now + patience,
    )
    await working.enqueue(tx, organization_id, [draft], now)
    item = await working.find_work(tx, organization_id, WorkKind.NOTIFICATION, draft.subject)
    return "The test could not be handed over." if item is None else item


async def end_test(tx: Transaction, item: WorkItem, now: datetime) -> Outcome | str:
    """Takes a test back that nobody has finished, and says why; its outcome when somebody has after all."""
    present = await working.read_work(tx, item.organization_id, item.claim_id)
    if present is None:
        return "The integration was changed while it was tested."
    if present.outcome is not None:
        return present.outcome
    await working.withdraw(tx, item.organization_id, item.kind, [item.subject])
    return await working.explain(tx, present, now)


async def find_tested(tx: Transaction, item: WorkItem) -> Integration | None:
    """The integration that an item tests; None when the collector has nothing to do with it any more."""
    number = int(item.subject.removeprefix(TEST).partition(":")[0])
    integration = await store.find_integration(tx, item.organization_id, number)
    return integration if integration is not None and integration.collector_id == item.collector_id else None
