"""Writes and reads sources. No verb here opens a secret.

Every write raises the organization's evaluation version first, so that writers of one organization take turns and no metric is removed that
a source comes to refer to.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.evaluation_version import raise_evaluation_version
from lumetry_core.alerts.service.system_alerts import close_system_alert
from lumetry_core.collectors.agent.polling.model import available_types
from lumetry_core.collectors.model import Status as CollectorStatus
from lumetry_core.collectors.service.administering import get_collector
from lumetry_core.collectors.service.working import withdraw
from lumetry_core.collectors.work import WorkKind
from lumetry_core.metricsources.auditing import audited
from lumetry_core.metricsources.drafts import SourceDraft, check_source
from lumetry_core.metricsources.model import ENTITY, FAILING, STALE_INTERVALS, WAKE, Definition, Source
from lumetry_core.metricsources.schedule import plan_first
from lumetry_core.metricsources.sealing import Rules, leads_elsewhere, seal
from lumetry_core.metricsources.service.catalog import bind_metrics
from lumetry_core.metricsources.store import sources as store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, LumetryError, Reason, not_found

Chance = Callable[[], float]
"""A number between 0 and 1, another each time, that spreads load."""
ELSEWHERE = "is required again: the source leads elsewhere now, and a stored secret is not sent to another place"


async def list_sources(tx: Transaction, organization_id: int) -> list[Source]:
    """All sources, ascending by name, then by number."""
    found = await store.list_sources(tx, organization_id)
    # Sorted here, as the two databases order text differently.
    return sorted(found, key=lambda source: (source.definition.name.lower(), source.id))


async def get_source(tx: Transaction, organization_id: int, source_id: int, *, lock: bool = False) -> Source:
    """One source. Fails with NOT_FOUND.

    Args:
        lock: Keeps others from changing it until the writing transaction ends.
    """
    found = await store.find_source(tx, organization_id, source_id, lock=lock)
    if found is None:
        raise not_found("Metric source", source_id)
    return found


async def find_source(tx: Transaction, organization_id: int, source_id: int) -> Source | None:
    """One source; None when it is gone."""
    return await store.find_source(tx, organization_id, source_id)


async def create_source(tx: Transaction, caller: Caller, draft: SourceDraft, rules: Rules, chance: Chance, now: datetime) -> Source:
    """Adds a source and defines its metrics that are missing. Fails with VALIDATION_FAILED."""
    organization_id = caller.organization_id
    await raise_evaluation_version(tx, organization_id)
    faults = Faults()
    definition = await check_draft(tx, organization_id, draft, rules, faults)
    await check_free(tx, organization_id, definition.name, None, faults)
    faults.raise_if_any()
    sealed = seal(rules.vault, organization_id, draft.secret or "")
    due = plan_first(now, chance()) if definition.is_enabled else None
    number = await store.insert_source(tx, organization_id, definition, sealed, due, now)
    await bind_metrics(tx, caller, number, None, definition, now)
    created = await get_source(tx, organization_id, number)
    await record_audit(tx, caller, f"{ENTITY}.Created", ENTITY, number, now, after=audited(created))
    tx.wake(WAKE)
    return created


async def update_source(
    tx: Transaction, caller: Caller, source_id: int, draft: SourceDraft, rules: Rules, chance: Chance, now: datetime
) -> Source:
    """Replaces a source, which is polled anew soon; what is under way counts no more. Absent fields take their defaults.

    Fails with NOT_FOUND, VALIDATION_FAILED.
    """
    organization_id = caller.organization_id
    await raise_evaluation_version(tx, organization_id)
    before = await get_source(tx, organization_id, source_id, lock=True)
    faults = Faults()
    definition = await check_draft(tx, organization_id, draft, rules, faults)
    await check_free(tx, organization_id, definition.name, source_id, faults)
    if not faults:
        faults.check(draft.secret is not None or before.sealed is None or not leads_elsewhere(before, definition), "secret", ELSEWHERE)
    faults.raise_if_any()
    sealed = before.sealed if draft.secret is None else seal(rules.vault, organization_id, draft.secret)
    standing = before.standing if definition.is_enabled else replace(before.standing, failures_in_row=0)
    due = plan_first(now, chance()) if definition.is_enabled else None
    await store.update_source(tx, before, definition, sealed, standing, due, stale_after(before, definition), now)
    await withdraw(tx, organization_id, WorkKind.POLL, [str(source_id)])
    await bind_metrics(tx, caller, source_id, before.definition, definition, now)
    if not definition.is_enabled:
        await close_system_alert(tx, organization_id, FAILING, ENTITY, str(source_id), now)
    after = await get_source(tx, organization_id, source_id)
    changed = {"secretReplaced": True} if draft.secret is not None else {}
    await record_audit(tx, caller, f"{ENTITY}.Updated", ENTITY, source_id, now, audited(before), audited(after) | changed)
    tx.wake(WAKE)
    return after


async def delete_source(tx: Transaction, caller: Caller, source_id: int, now: datetime) -> None:
    """Removes a source; definitions and points of its metrics stay. Fails with NOT_FOUND."""
    organization_id = caller.organization_id
    await raise_evaluation_version(tx, organization_id)
    before = await get_source(tx, organization_id, source_id, lock=True)
    await withdraw(tx, organization_id, WorkKind.POLL, [str(source_id)])
    await store.delete_source(tx, organization_id, source_id)
    await bind_metrics(tx, caller, source_id, before.definition, None, now)
    await close_system_alert(tx, organization_id, FAILING, ENTITY, str(source_id), now)
    await record_audit(tx, caller, f"{ENTITY}.Deleted", ENTITY, source_id, now, before=audited(before))


async def check_draft(tx: Transaction, organization_id: int, draft: SourceDraft, rules: Rules, faults: Faults) -> Definition:
    """Checks a source but for its name, with what must be looked up."""
    definition = check_source(draft, rules.policy, available_types(), faults)
    if definition.collector_id is not None:
        await check_collector(tx, organization_id, definition.collector_id, faults)
    return definition


async def check_collector(tx: Transaction, organization_id: int, collector_id: str, faults: Faults) -> None:
    """Notes a collector that cannot poll."""
    try:
        collector = await get_collector(tx, organization_id, collector_id)
    except LumetryError as error:
        if error.reason is not Reason.NOT_FOUND:
            raise
        faults.add("collectorId", "is no collector of this organization")
    else:
        faults.check(collector.status is not CollectorStatus.REVOKED, "collectorId", "is a revoked collector")


async def check_free(tx: Transaction, organization_id: int, name: str, source_id: int | None, faults: Faults) -> None:
    """Notes a name that another source has."""
    if name and "\0" not in name:
        other = await store.find_name(tx, organization_id, name)
        faults.check(other is None or other == source_id, "name", "is the name of another metric source")


def stale_after(source: Source, definition: Definition) -> datetime | None:
    """When the metrics of a source are stale unless it is polled; None: it never was."""
    polled = source.standing.poll_time
    return None if polled is None else polled + timedelta(seconds=STALE_INTERVALS * definition.poll_interval_seconds)
