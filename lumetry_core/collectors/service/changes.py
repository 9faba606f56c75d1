"""What is told when a heartbeat changes more than figures."""

from collections.abc import Sequence
from datetime import datetime

from lumetry_core.activity.model import Draft, Resource, Severity
from lumetry_core.activity.service import record
from lumetry_core.collectors.model import FIRST_REVISION, ApplyStatus, Collector, Status
from lumetry_core.collectors.service import troubles
from lumetry_core.collectors.service.presence import describe_presence
from lumetry_core.runtime.database import Transaction

Change = tuple[Collector, Collector]
"""A collector before and after a heartbeat."""


async def tell_changes(tx: Transaction, organization_id: int, changes: Sequence[Change], now: datetime) -> None:
    """Writes activity items, and opens and closes system alerts."""
    drafts = [draft for before, after in changes for draft in describe_changes(before, after)]
    if drafts:
        await record(tx, organization_id, drafts, now)
    for before, after in changes:
        if before.offline_time is not None:
            await troubles.close_trouble(tx, after, troubles.OFFLINE, now)
        if before.status is not after.status:
            if after.status is Status.DUPLICATE_SUSPECTED:
                await troubles.raise_duplicate(tx, after, now)
            else:
                await troubles.close_trouble(tx, after, troubles.DUPLICATE_SUSPECTED, now)


def describe_changes(before: Collector, after: Collector) -> list[Draft]:
    """The items of one heartbeat."""
    drafts = []
    if before.last_seen_time is None or before.offline_time is not None:
        drafts.append(describe_presence(after, "online", Severity.INFO))
    report = describe_report(before, after)
    return drafts if report is None else [*drafts, report]


def describe_report(before: Collector, after: Collector) -> Draft | None:
    """The item of a configuration that was applied or rejected; None when nothing is new, or nobody asked for it.

    Instances that share an identity contradict each other with every heartbeat, which is told once, by another name.
    """
    reported = after.config_revision_applied, after.config_apply_status
    if reported == (before.config_revision_applied, before.config_apply_status) or after.status is Status.DUPLICATE_SUSPECTED:
        return None
    resource = Resource("collector", after.id)
    revision = f"configuration {after.config_revision_applied}"
    if after.config_apply_status is ApplyStatus.REJECTED:
        return Draft(
            kind="collector",
            action="config_rejected",
            title=f"Collector {after.name} rejected {revision}",
            summary=after.config_apply_error or None,
            severity=Severity.WARNING,
            resource=resource,
        )
    if after.config_revision_applied == FIRST_REVISION:
        return None
    title = f"Collector {after.name} applied {revision}"
    return Draft(kind="collector", action="config_applied", title=title, severity=Severity.INFO, resource=resource)
