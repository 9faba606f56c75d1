"""Keeps, lists and dismisses hints for problem management (contract lumetry 12.2, 19.8)."""

from dataclasses import replace
from datetime import datetime

from lumetry_core.access.service.audit import record_audit
from lumetry_core.incidents.candidates import (
    NON_IMPACT,
    REPEATED_SPAN,
    CandidateFilter,
    CandidateStatus,
    CandidateType,
    ProblemCandidate,
    repeated_non_impact,
)
from lumetry_core.incidents.model import Incident
from lumetry_core.incidents.notes import check_note
from lumetry_core.incidents.store import candidates as store
from lumetry_core.rules.choices import find_choice
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.errors import Faults, not_found
from lumetry_core.runtime.events import hold_log
from lumetry_core.runtime.paging import read_limit

TYPE = "ProblemCandidate"


async def note_resolution(tx: Transaction, incident: Incident, now: datetime) -> None:
    """Keeps that an incident was resolved, and notes the hint when that was once too often without impact.

    Until the transaction ends no other resolution of the organization gets past here, so each counts all that came before it.
    """
    await hold_log(tx, incident.organization_id)
    await store.insert_resolution(tx, incident)
    if incident.resolution_classification not in NON_IMPACT or incident.correlation_key is None:
        return
    count = await store.count_non_impact(tx, incident.organization_id, incident.correlation_key, now - REPEATED_SPAN)
    occurrence = repeated_non_impact(incident, count)
    if occurrence is not None:
        await store.upsert_occurrences(tx, incident.organization_id, [occurrence], now)


async def list_candidates(tx: Transaction, caller: Caller, status: str, kind: str, limit: int) -> list[ProblemCandidate]:
    """The candidates seen last that match. Fails with VALIDATION_FAILED (`status`, `type`, `limit`).

    Args:
        status: Empty: all.
        kind: The type; empty: all.
        limit: 0: the default.
    """
    faults = Faults()
    wanted = CandidateFilter(
        find_choice(CandidateStatus, status, "status", faults),
        find_choice(CandidateType, kind, "type", faults),
        read_limit(limit, faults=faults),
    )
    faults.raise_if_any()
    return await store.list_candidates(tx, caller.organization_id, wanted)


async def get_candidate(tx: Transaction, caller: Caller, candidate_id: int, *, lock: bool = False) -> ProblemCandidate:
    """One candidate. Fails with NOT_FOUND.

    Args:
        lock: Keeps others from changing it until the transaction ends.
    """
    found = await store.find_candidate(tx, caller.organization_id, candidate_id, lock=lock)
    if found is None:
        raise not_found("Problem candidate", candidate_id)
    return found


async def dismiss(tx: Transaction, caller: Caller, candidate_id: int, note: str | None, now: datetime) -> ProblemCandidate:
    """Puts a candidate aside; a dismissed one stays as it is. Fails with NOT_FOUND, VALIDATION_FAILED (`note`)."""
    before = await get_candidate(tx, caller, candidate_id, lock=True)
    faults = Faults()
    check_note(note or "", faults)
    faults.raise_if_any()
    if before.status is CandidateStatus.DISMISSED:
        return before
    after = replace(
        before,
        status=CandidateStatus.DISMISSED,
        dismiss_time=now,
        dismissed_by_user_name=caller.user_name,
        dismiss_note=note,
    )
    await store.dismiss_candidate(tx, after)
    new = {"status": after.status} | ({"dismissNote": note} if note else {})
    await record_audit(tx, caller, "ProblemCandidate.Dismissed", TYPE, candidate_id, now, {"status": before.status}, new)
    return after
