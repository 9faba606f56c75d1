"""Incident windows and public holidays.

Every change moves the organization's evaluation version first, as learners keep the periods in memory.
"""

from dataclasses import replace
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.access.service.evaluation_version import raise_evaluation_version
from lumetry_core.baselines.drafts import ExclusionDraft
from lumetry_core.baselines.model import Exclusion, ExclusionKind, touches_learned_time
from lumetry_core.baselines.service.profiles import find_metric_id
from lumetry_core.baselines.service.rebuilds import request_rebuild
from lumetry_core.baselines.store import exclusions as store
from lumetry_core.baselines.validation import check_exclusion
from lumetry_core.metrics.service.catalog import find_metrics
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import to_ms
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found
from lumetry_core.runtime.paging import read_limit

NAMES = {ExclusionKind.INCIDENT_WINDOW: "Incident window", ExclusionKind.PUBLIC_HOLIDAY: "Public holiday"}
"""The kinds as people say them."""


async def list_exclusions(tx: Transaction, caller: Caller, kind: ExclusionKind, limit: int) -> list[Exclusion]:
    """The periods of a kind, newest first by start, then number. Fails with VALIDATION_FAILED (`limit`).

    Args:
        limit: 0: 500.
    """
    faults = Faults()
    size = read_limit(limit, faults=faults)
    faults.raise_if_any()
    return await store.list_newest(tx, caller.organization_id, kind, size)


async def create_exclusion(tx: Transaction, caller: Caller, kind: ExclusionKind, draft: ExclusionDraft, now: datetime) -> Exclusion:
    """Adds a period. Fails with VALIDATION_FAILED (`metricId`, `startTime`, `endTime`, `reason`)."""
    await raise_evaluation_version(tx, caller.organization_id)
    faults = Faults()
    metric_id = await find_metric_id(tx, caller.organization_id, draft.metric_key, faults)
    reason = check_exclusion(draft, faults)
    faults.raise_if_any()
    if draft.start_time is None or draft.end_time is None:
        raise TypeError("a period without a start or an end is a fault")
    exclusion = Exclusion(
        id=0,
        organization_id=caller.organization_id,
        kind=kind,
        metric_key=draft.metric_key,
        start_time=draft.start_time,
        end_time=draft.end_time,
        reason=reason,
        created_by=caller.user_id,
        create_time=now,
    )
    created = await add_exclusion(tx, caller, exclusion, now)
    if touches_learned_time(created, now):
        await relearn(tx, created, metric_id, now)
    return created


async def add_exclusion(tx: Transaction, caller: Caller, exclusion: Exclusion, now: datetime) -> Exclusion:
    """Stores and audits a period, which gets its number; what it touches is the caller's business."""
    created = replace(exclusion, id=await store.insert_exclusion(tx, exclusion))
    await record_audit(tx, caller, f"{created.kind}.Created", created.kind, created.id, now, after=audited(created))
    return created


async def delete_exclusion(tx: Transaction, caller: Caller, kind: ExclusionKind, exclusion_id: int, now: datetime) -> None:
    """Removes a period, which is learned from again. Fails with NOT_FOUND."""
    await raise_evaluation_version(tx, caller.organization_id)
    found = await store.find_exclusion(tx, caller.organization_id, kind, exclusion_id)
    if found is None:
        raise not_found(NAMES[kind], exclusion_id)
    await store.delete_exclusion(tx, caller.organization_id, exclusion_id)
    await record_audit(tx, caller, f"{kind}.Deleted", kind, exclusion_id, now, before=audited(found))
    if not touches_learned_time(found, now):
        return
    if found.metric_key is None:
        await relearn(tx, found, None, now)
        return
    metric = (await find_metrics(tx, caller.organization_id, {found.metric_key})).get(found.metric_key)
    if metric is not None:  # a metric that is gone has nothing to learn
        await relearn(tx, found, metric.id, now)


async def relearn(tx: Transaction, exclusion: Exclusion, metric_id: int | None, now: datetime) -> None:
    """Has all profiles learn again what a period touches."""
    await request_rebuild(
        tx,
        exclusion.organization_id,
        profile_id=None,
        metric_id=metric_id,
        start_time=exclusion.start_time,
        end_time=exclusion.end_time,
        include_violations=False,
        now=now,
    )


async def exclusions_of(tx: Transaction, organization_id: int) -> list[Exclusion]:
    """All periods of both kinds, ascending by start, then number."""
    return list(await store.list_all(tx, organization_id))


async def list_exclusions_between(
    tx: Transaction, organization_id: int, metric_key: str | None, start_ms: int, end_ms: int
) -> list[tuple[str | None, int, int]]:
    """What is left out of [start, end): the metric's key or None for all, and the whole period; ascending by start.

    Args:
        metric_key: Leaves out what is for other metrics alone. None: none is left out.
    """
    found = await store.list_overlapping(tx, organization_id, metric_key, start_ms, end_ms)
    return [(each.metric_key, to_ms(each.start_time), to_ms(each.end_time)) for each in found]


def audited(exclusion: Exclusion) -> dict[str, object]:
    """What the audit log keeps of a period, in the contract's words."""
    return {
        "metricId": exclusion.metric_key,
        "startTime": exclusion.start_time,
        "endTime": exclusion.end_time,
        "reason": exclusion.reason,
        "createdBy": exclusion.created_by,
    }
