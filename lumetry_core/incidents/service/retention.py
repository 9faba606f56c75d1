"""Lets go of incidents that ended long ago, with all that belongs to them (contract lumetry 20)."""

from datetime import datetime

from lumetry_core.incidents.store import candidates as candidate_store
from lumetry_core.incidents.store import incidents as incident_store
from lumetry_core.incidents.store import members as member_store
from lumetry_core.incidents.store import timeline as timeline_store
from lumetry_core.runtime.database import Transaction


async def drop_old(tx: Transaction, organization_id: int, before: datetime, limit: int) -> bool:
    """Deletes incidents that were resolved before a time and have no active member, at most so many; True when there may be more."""
    found = await incident_store.find_ended_ids(tx, organization_id, before, limit)
    # None of them can be reopened in between: those with active members, which a sweep may reopen, are not among them.
    await timeline_store.delete_entries(tx, organization_id, found)
    await member_store.delete_members(tx, organization_id, found)
    await candidate_store.delete_resolutions(tx, organization_id, found)
    await incident_store.delete_incidents(tx, organization_id, found)
    await candidate_store.delete_candidates(tx, organization_id, before)
    return len(found) == limit
