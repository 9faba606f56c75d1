"""Tells people of collectors that come and go."""

from collections.abc import Sequence
from datetime import datetime

from lumetry_core.access.service.holders import find_holders
from lumetry_core.activity.model import Draft, Resource, Severity
from lumetry_core.activity.service import record
from lumetry_core.collectors.model import Collector, is_overdue
from lumetry_core.collectors.service.troubles import raise_offline
from lumetry_core.collectors.store import collectors as store
from lumetry_core.notices.model import NoticeDraft, NoticeKind, NoticeSeverity
from lumetry_core.notices.service import notify
from lumetry_core.runtime.caller import Permission
from lumetry_core.runtime.clock import spell_time
from lumetry_core.runtime.database import Transaction


async def find_overdue(tx: Transaction, organization_id: int, watch_time: datetime, now: datetime) -> list[Collector]:
    """Collectors that went silent and of which nobody was told; see `is_overdue`."""
    return [collector for collector in await store.list_silent(tx, organization_id, now) if is_overdue(collector, watch_time, now)]


async def tell_offline(tx: Transaction, organization_id: int, overdue: Sequence[Collector], now: datetime) -> None:
    """Tells, once per outage, those who manage the infrastructure of collectors that went silent."""
    silent = [collector for collector in overdue if await store.mark_offline(tx, collector, now)]
    if not silent:
        return
    await record(tx, organization_id, [describe_presence(collector, "offline", Severity.WARNING) for collector in silent], now)
    for collector in silent:
        await raise_offline(tx, collector, now)
    holders = await find_holders(tx, organization_id, Permission.MANAGE_INFRASTRUCTURE)
    await notify(tx, organization_id, holders, [describe_silence(collector) for collector in silent], now)


def describe_presence(collector: Collector, action: str, severity: Severity) -> Draft:
    """What the activity feed says of a collector that comes or goes."""
    title, resource = f"Collector {collector.name} is {action}", Resource("collector", collector.id)
    return Draft(kind="collector", action=action, title=title, severity=severity, resource=resource)


def describe_silence(collector: Collector) -> NoticeDraft:
    """What inboxes are told of a collector that went silent."""
    seen = "" if collector.last_seen_time is None else f"Its last heartbeat came at {spell_time(collector.last_seen_time)}."
    return NoticeDraft(
        kind=NoticeKind.COLLECTOR_OFFLINE,
        severity=NoticeSeverity.WARNING,
        title=f"Collector {collector.name} is offline",
        body=seen,
        resource_type="collector",
        resource_id=collector.id,
        link="/collectors",
    )
