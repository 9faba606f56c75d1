"""Takes in the heartbeats of collectors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lumetry_core.access.service.audit import storable
from lumetry_core.access.service.credentials import find_collector_credential
from lumetry_core.collectors.checks import MAX_COUNT, check_software, is_uuid
from lumetry_core.collectors.model import ApplyStatus, Collector, Heartbeat, Status, after_heartbeat
from lumetry_core.collectors.service.changes import Change, tell_changes
from lumetry_core.collectors.store import collectors as store
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults

MAX_APPLY_ERROR = 1000


@dataclass(frozen=True, slots=True)
class Arrival:
    """A heartbeat with who sent it and when it came."""

    caller: Caller
    heartbeat: Heartbeat
    time: datetime


def check_heartbeat(beat: Heartbeat, faults: Faults) -> Heartbeat:
    """The heartbeat as it may be stored; notes what is wrong with it."""
    faults.check(is_uuid(beat.instance_id), "instanceId", "must be a UUID")
    faults.check(0 <= beat.queue_depth <= MAX_COUNT, "queueDepth", "must not be negative")
    faults.check(0 <= beat.dropped_count <= MAX_COUNT, "droppedCount", "must not be negative")
    faults.check(0 <= beat.config_revision_applied <= MAX_COUNT, "configRevisionApplied", "must not be negative")
    known = ("", *ApplyStatus)
    faults.check(beat.config_apply_status in known, "configApplyStatus", "must be applied or rejected")
    faults.check(len(beat.config_apply_error) <= MAX_APPLY_ERROR, "configApplyError", f"must have at most {MAX_APPLY_ERROR} characters")
    check_software(faults, beat.version, beat.capabilities)
    return replace(beat, config_apply_error=storable(beat.config_apply_error, MAX_APPLY_ERROR)) if beat.config_apply_error else beat


async def record_heartbeats(tx: Transaction, arrivals: Sequence[Arrival], now: datetime) -> list[Collector | None]:
    """Notes that collectors live. Not audited, like everything that machines repeat.

    Returns:
        Each heartbeat's collector after it; None: its credential serves no more.
    """
    outcomes: list[Collector | None] = [None] * len(arrivals)
    organization_ids = sorted({arrival.caller.organization_id for arrival in arrivals})
    for organization_id in organization_ids:
        places = [place for place, arrival in enumerate(arrivals) if arrival.caller.organization_id == organization_id]
        found = await store.find_all_locked(tx, organization_id, {arrivals[place].caller.collector_id or "" for place in places})
        stored = dict(found)
        changes: list[Change] = []
        for place in places:
            arrival = arrivals[place]
            before = found.get(arrival.caller.collector_id or "")
            if before is None or before.status in (Status.PENDING, Status.REVOKED):
                continue
            after = await use_credential(tx, arrival.caller, after_heartbeat(before, arrival.heartbeat, arrival.time))
            found[after.id] = outcomes[place] = after
            changes.append((before, after))
        beaten = sorted({after.id for _, after in changes})
        await store.save_beats(tx, [(stored[collector_id], found[collector_id]) for collector_id in beaten])
        await tell_changes(tx, organization_id, changes, now)
    return outcomes


async def use_credential(tx: Transaction, caller: Caller, collector: Collector) -> Collector:
    """The collector with the credential that it used."""
    if caller.credential_id is None or caller.credential_id == collector.credential_id:
        return collector
    credential = await find_collector_credential(tx, caller.organization_id, caller.credential_id)
    return replace(collector, credential_id=credential.id, credential_time=credential.create_time)
