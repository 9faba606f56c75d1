"""Finds openings held as repetitions whose page does not stand for them any more (ADR 0013)."""

from collections.abc import Collection
from dataclasses import dataclass

from lumetry_core.incidents.model import SEVERITY_RANK
from lumetry_core.notifications.service.facts import read_pages
from lumetry_core.notifications.store import deliveries as store
from lumetry_core.runtime.database import Transaction

CANDIDATES = 20
"""Repetitions that are tried in a round until one of them is told."""


@dataclass(frozen=True, slots=True)
class Unheard:
    """Alerts of an incident, the worst and then the oldest first, of which one is to be told at an integration."""

    incident_id: int
    integration_id: int
    alert_ids: tuple[int, ...]


async def find_unheard(tx: Transaction, organization_id: int, incident_ids: Collection[int]) -> tuple[list[Unheard], set[int]]:
    """Where no page of an incident stands, or none as bad as what it stands for, and all incidents that have repetitions still."""
    repeated = await store.read_repeated(tx, organization_id, incident_ids)
    still = {incident_id for incident_id, _, _ in repeated}
    pages = await read_pages(tx, organization_id, still) if still else {}
    unheard = []
    for incident_id, integration_id, severity in repeated:
        told = pages.get(incident_id, {}).get(integration_id, {})
        if max((SEVERITY_RANK[page] for page in told.values()), default=0) < SEVERITY_RANK[severity]:
            candidates = await store.read_repetitions(tx, organization_id, incident_id, integration_id, CANDIDATES)
            unheard.append(Unheard(incident_id, integration_id, tuple(candidates)))
    return unheard, still
