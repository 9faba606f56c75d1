"""Hears of incidents that sessions are about."""

from datetime import datetime

from lumetry_core.agents.service.settling import settle
from lumetry_core.feed.registry import INCIDENT_TYPES
from lumetry_core.feed.service import subscribe
from lumetry_core.runtime.database import Transaction
from lumetry_core.sessions.model import Session
from lumetry_core.sessions.store import sessions as store

QUEUE = "sessions"
"""Gets the events of incidents, of organizations that have had a session of one."""
SUBJECT = "incidents"


async def follow_incidents(tx: Transaction, session: Session, now: datetime) -> None:
    """Has the feed hand over the events of incidents from an organization's first session of one on."""
    if session.incident_id is None or await store.has_followers(tx, session.organization_id, session.id):
        return
    await settle(tx, session.organization_id, now)  # which also makes two that come first at the same time take turns
    await subscribe(tx, session.organization_id, QUEUE, SUBJECT, INCIDENT_TYPES)
