"""Figures of alerts, for what is seen from above."""

from collections.abc import Collection
from datetime import datetime

from lumetry_core.alerts.figures import FiredCount, Mark, Subject
from lumetry_core.alerts.store import figures as store
from lumetry_core.runtime.database import Transaction


async def list_active_marks(tx: Transaction, organization_id: int) -> list[Mark]:
    """Every active alert, by number."""
    return await store.list_active_marks(tx, organization_id)


async def count_fired(tx: Transaction, organization_id: int, since: datetime) -> list[tuple[datetime, int]]:
    """How many alerts started since a time, by UTC hour; hours without any are left out."""
    return await store.count_fired(tx, organization_id, since)


async def list_fired(tx: Transaction, organization_id: int, since: datetime) -> list[FiredCount]:
    """How many alerts started since a time, by UTC hour and by what they are about."""
    return await store.list_fired(tx, organization_id, since)


async def list_incident_subjects(tx: Transaction, organization_id: int, incident_ids: Collection[int]) -> dict[int, set[Subject]]:
    """What the alerts of incidents are about, by incident; incidents without any are left out."""
    return await store.list_incident_subjects(tx, organization_id, incident_ids)
