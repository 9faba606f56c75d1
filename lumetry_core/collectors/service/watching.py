"""What streams have to know of their collectors, in as few questions as possible: a thousand of them are open at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from lumetry_core.access.service.credentials import find_collector_credential
from lumetry_core.collectors.model import Collector, Status
from lumetry_core.collectors.service.calling import read_own
from lumetry_core.collectors.service.working import kinds_of
from lumetry_core.collectors.store import collectors as store
from lumetry_core.collectors.store import work as work_store
from lumetry_core.collectors.streams import Glimpse, Stream
from lumetry_core.collectors.work import enabled_kinds
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction

Claims = set[tuple[str, bytes]]
"""Work that was given out, by id of the claim and digest of its token."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a stream sees of its collector. `held`: which of its claims still stand."""

    collector: Collector
    credential_time: datetime | None
    held: Claims
    has_work: bool


async def look(tx: Transaction, stream: Stream, given: Claims, max_outstanding: int, now: datetime) -> Sight:
    """Looks at a stream's collector. Fails with UNAUTHENTICATED once it is revoked."""
    caller = stream.caller
    collector = await read_own(tx, caller)
    credential_time = stream.credential_time
    if credential_time is None and not stream.is_told_to_rotate:
        credential_time = await find_credential_time(tx, caller, collector)
    held = await work_store.find_held(tx, caller.organization_id, given, now) if given else given  # completed ones make room
    kinds = kinds_of(collector) if collector.status is Status.ACTIVE else frozenset()
    has_work = False
    if stream.capabilities and kinds and len(held) < max_outstanding:
        has_work = await work_store.is_any_waiting(tx, caller.organization_id, collector.id, kinds, stream.capabilities, now)
    return Sight(collector, credential_time, held, has_work)


async def find_credential_time(tx: Transaction, caller: Caller, collector: Collector) -> datetime | None:
    """The issue of the caller's credential, which the collector mostly knows."""
    if caller.credential_id is None or caller.credential_id == collector.credential_id:
        return collector.credential_time
    return (await find_collector_credential(tx, caller.organization_id, caller.credential_id)).create_time


async def glimpse(tx: Transaction, organization_id: int, collector_ids: Collection[str], now: datetime) -> Mapping[str, Glimpse]:
    """Looks at many collectors at once, by id; those that serve no more are left out."""
    wanted = await store.list_wanted(tx, organization_id, collector_ids)
    waiting = await work_store.list_waiting(tx, organization_id, collector_ids, now)
    glimpses = {}
    for collector_id, status, revision, config in wanted:
        of_collector = waiting.get(collector_id, ()) if status is Status.ACTIVE else ()
        kinds = enabled_kinds(polling=config.polling.enabled, notifications=config.notifications.enabled) if of_collector else frozenset()
        glimpses[collector_id] = Glimpse(revision, frozenset(capability for kind, capability in of_collector if kind in kinds))
    return glimpses
