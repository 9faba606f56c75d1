"""What comes of polls: the standing of sources, what operators are told, how fresh metrics are."""

from datetime import datetime, timedelta

from lumetry_core.access.service.audit import storable
from lumetry_core.alerts.service.system_alerts import close_system_alert, raise_system_alert
from lumetry_core.metricsources.judging import MAX_ERROR, PollResult, is_failing, judge_poll
from lumetry_core.metricsources.model import ENTITY, FAILING, FAILURES_IN_ROW, STALE_INTERVALS, Source
from lumetry_core.metricsources.schedule import plan_next
from lumetry_core.metricsources.service.catalog import note_polled
from lumetry_core.metricsources.store import claims as claim_store
from lumetry_core.metricsources.store import sources as store
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Transaction


async def record_poll(tx: Transaction, claimed: Source, result: PollResult, now: datetime) -> bool:
    """Takes the result of a poll that the core made; False when it does not count, as the source was changed or claimed anew meanwhile."""
    current = await store.find_source(tx, claimed.organization_id, claimed.id, lock=True)
    if current is None or current.epoch != claimed.epoch:
        return False
    due = plan_next(current.id, now, current.definition.poll_interval_seconds)
    await settle(tx, current, result, now, due)
    return True


async def record_remote_poll(
    tx: Transaction, organization_id: int, source_id: int, collector_id: str, result: PollResult, now: datetime
) -> bool:
    """Takes the result of a poll that a collector made; False when the source is not its any more."""
    current = await store.find_source(tx, organization_id, source_id, lock=True)
    if current is None or current.definition.collector_id != collector_id or not current.definition.is_enabled:
        return False
    failed = current.definition.metric_keys if result.error else frozenset()
    await settle(tx, current, PollResult(result.error, failed), now, None)
    return True


async def postpone_poll(tx: Transaction, claimed: Source, due: datetime) -> None:
    """Gives a claim back whose poll had no result for reasons of our own."""
    await claim_store.postpone(tx, claimed, due)


async def settle(tx: Transaction, source: Source, result: PollResult, now: datetime, due: datetime | None) -> None:
    """Writes what a poll makes of a locked source and tells of it."""
    told = PollResult(storable(result.error, MAX_ERROR), result.failed_keys)
    standing = judge_poll(source.standing, told, now)
    stale = now + timedelta(seconds=STALE_INTERVALS * source.definition.poll_interval_seconds)
    await claim_store.write_outcome(tx, source, standing, due=due, stale=stale)
    await note_polled(tx, source.organization_id, source.definition, told.failed_keys, now)
    subject = str(source.id)
    if is_failing(standing):
        message = f"Metric source '{source.definition.name}' keeps failing: {standing.error}"
        await raise_system_alert(tx, source.organization_id, FAILING, Severity.WARNING, message, ENTITY, subject, now)
    elif source.standing.failures_in_row >= FAILURES_IN_ROW:
        await close_system_alert(tx, source.organization_id, FAILING, ENTITY, subject, now)
