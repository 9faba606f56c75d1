"""What deliveries do to the health of their source, and the system alert of a source that keeps failing."""

from datetime import datetime

from lumetry_core.access.service.audit import storable
from lumetry_core.alerts.service.system_alerts import close_system_alert, raise_system_alert
from lumetry_core.external.model import Source
from lumetry_core.external.store import sources as store
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import LumetryError

FAILING = "ExternalSourceFailing"
SUBJECT = "ExternalAlertSource"
FAILURES_IN_ROW = 3
"""Rejected requests in a row, or attempts at one transition, after which operators are told."""
MAX_ERROR = 500
SHOWN_FAULTS = 3


async def note_rejection(tx: Transaction, source: Source, failure: LumetryError, now: datetime) -> None:
    """Counts a request that was rejected, and tells operators of the third in a row."""
    before = await store.read_health(tx, source.organization_id, source.id, lock=True)
    if before is None:
        return
    error = spell(failure)
    await store.note_rejected(tx, source.organization_id, source.id, error, now)
    if before.rejections_in_row + 1 >= FAILURES_IN_ROW:
        await tell_failing(tx, source, error, now)


async def note_success(tx: Transaction, organization_id: int, source_id: int, count: int, now: datetime) -> None:
    """Counts accepted transitions, which ends a row of rejections."""
    before = await store.read_health(tx, organization_id, source_id, lock=True)
    await store.note_accepted(tx, organization_id, source_id, count, now)
    if before is not None and before.rejections_in_row >= FAILURES_IN_ROW:
        await end_failing(tx, organization_id, source_id, now)


async def note_unstored(tx: Transaction, source: Source, count: int) -> None:
    """Counts requests that were rejected while the store could not be written."""
    await store.note_unstored(tx, source.organization_id, source.id, count)


async def tell_failing(tx: Transaction, source: Source, error: str, now: datetime) -> None:
    """Opens the system alert of a source, or counts another occurrence."""
    message = f"External alert source '{source.name}' keeps failing: {error}"
    await raise_system_alert(tx, source.organization_id, FAILING, Severity.WARNING, message, SUBJECT, str(source.id), now)


async def end_failing(tx: Transaction, organization_id: int, source_id: int, now: datetime) -> None:
    """Closes the system alert of a source."""
    await close_system_alert(tx, organization_id, FAILING, SUBJECT, str(source_id), now)


def spell(failure: LumetryError) -> str:
    """A failure for people, with its first faults, as every database takes it."""
    if not failure.faults:
        return storable(failure.message, MAX_ERROR)
    shown = "; ".join(f"{fault.path or 'body'} {fault.message}" for fault in failure.faults[:SHOWN_FAULTS])
    rest = len(failure.faults) - SHOWN_FAULTS
    return storable(f"{shown}; and {rest} more" if rest > 0 else shown, MAX_ERROR)
