"""Reading and setting the thresholds of a container (contract monitoring 8)."""

from dataclasses import replace
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.feed.service import tell
from lumetry_core.resources.model import THRESHOLD_RANGES, Metric, ThresholdDraft, Thresholds
from lumetry_core.resources.service.reading import check_container
from lumetry_core.resources.service.recording import calmed, end_alerts
from lumetry_core.resources.store import thresholds as store
from lumetry_core.resources.telling import spell_number
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Fault, LumetryError, Reason

ENTITY = "ContainerThresholds"
SWITCHED_OFF = "Resource alerts of the container were switched off."


async def get_thresholds(tx: Transaction, organization_id: int, container_id: int) -> Thresholds:
    """The thresholds of a container; the usual ones before anybody set any. Fails with NOT_FOUND."""
    await check_container(tx, organization_id, container_id)
    return await store.read_thresholds(tx, organization_id, container_id) or Thresholds(container_id)


async def update_thresholds(tx: Transaction, caller: Caller, container_id: int, draft: ThresholdDraft, now: datetime) -> Thresholds:
    """Changes what the draft has. Switching them off resolves what alerts.

    Fails with NOT_FOUND, and with VALIDATION_FAILED and the code `invalid_threshold`.
    """
    check_draft(draft)
    organization_id = caller.organization_id
    await check_container(tx, organization_id, container_id)
    before = await store.read_thresholds(tx, organization_id, container_id, lock=True) or Thresholds(container_id)
    after = replace(
        before,
        cpu_threshold=before.cpu_threshold if draft.cpu_threshold is None else draft.cpu_threshold,
        memory_threshold=before.memory_threshold if draft.memory_threshold is None else draft.memory_threshold,
        is_enabled=before.is_enabled if draft.is_enabled is None else draft.is_enabled,
    )
    if not after.is_enabled:
        events = await end_alerts(tx, organization_id, [before] if before.alerting else [], SWITCHED_OFF, now)
        await tell(tx, organization_id, events, now)
        after = calmed(after)
    await store.write_thresholds(tx, organization_id, after)
    await record_audit(tx, caller, f"{ENTITY}.Updated", ENTITY, container_id, now, audited(before), audited(after))
    return after


def check_draft(draft: ThresholdDraft) -> None:
    """Fails with VALIDATION_FAILED for thresholds outside their ranges, all of them named."""
    given = ((Metric.CPU, "cpu_threshold", draft.cpu_threshold), (Metric.MEMORY, "mem_threshold", draft.memory_threshold))
    faults = []
    for metric, path, value in given:
        least, most = THRESHOLD_RANGES[metric]
        if value is not None and not least <= value <= most:
            faults.append(Fault(path, f"must be a number from {least:g} to {most:g}"))
    if faults:
        raise LumetryError(Reason.VALIDATION_FAILED, "The request is not valid.", faults=tuple(faults), code="invalid_threshold")


def audited(thresholds: Thresholds) -> dict[str, object]:
    """What the audit log keeps of thresholds, in the contract's words."""
    return {
        "cpu_threshold": spell_number(thresholds.cpu_threshold),
        "mem_threshold": spell_number(thresholds.memory_threshold),
        "enabled": thresholds.is_enabled,
    }
