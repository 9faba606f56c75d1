"""Tells inboxes of incidents, and of alerts that none carries (contract workspace 9)."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from lumetry_core.access.service.holders import find_holders
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.service.reading import find_alerts
from lumetry_core.alerts.service.telling import find_projects
from lumetry_core.incidents.model import Entry, EntryType, Incident
from lumetry_core.incidents.noticing import describe_alert, describe_incident, find_openers, first_shared
from lumetry_core.notices.model import NoticeDraft
from lumetry_core.notices.service import notify
from lumetry_core.projects.service.links import list_hidden_projects
from lumetry_core.runtime.caller import Permission
from lumetry_core.runtime.database import Transaction


async def tell_of_entries(
    tx: Transaction,
    organization_id: int,
    told: Sequence[tuple[Incident, Entry]],
    projects: Sequence[Sequence[str]],
    now: datetime,
) -> None:
    """Tells of incidents that opened, went on or ended, each once. One that opened around muted alerts alone is not told.

    Args:
        told: Incidents as they stand now, with new entries of their timelines that inboxes are told of.
        projects: Of each entry.
    """
    if not told:
        return
    openers = find_openers(told)
    opening = await find_alerts(tx, organization_id, set().union(*openers.values())) if openers else []
    loud = {alert.id for alert in opening if not alert.is_silenced}
    private = await find_private(tx, organization_id, projects)
    drafts: dict[tuple[int, EntryType], NoticeDraft] = {}
    for (incident, entry), project_ids in zip(told, projects, strict=True):
        if entry.entry_type is not EntryType.INCIDENT_OPENED or openers[incident.id] & loud:
            draft = describe_incident(incident, entry, first_shared(project_ids, private))
            drafts.setdefault((incident.id, entry.entry_type), draft)
    await tell_viewers(tx, organization_id, list(drafts.values()), now)


async def tell_alone(tx: Transaction, organization_id: int, alerts: Sequence[Alert], now: datetime) -> None:
    """Tells of alerts that no incident carries."""
    if alerts:
        projects = await find_projects(tx, organization_id, alerts)
        private = await find_private(tx, organization_id, projects.values())
        drafts = [describe_alert(alert, first_shared(projects.get(alert.id, ()), private)) for alert in alerts]
        await tell_viewers(tx, organization_id, drafts, now)


async def tell_viewers(tx: Transaction, organization_id: int, drafts: Sequence[NoticeDraft], now: datetime) -> None:
    """Writes notices for all who see alerts."""
    if drafts:
        await notify(tx, organization_id, await find_holders(tx, organization_id, Permission.VIEW_ALERTS), drafts, now)


async def find_private(tx: Transaction, organization_id: int, projects: Iterable[Sequence[str]]) -> frozenset[str]:
    """The private projects of the organization, when any project is named."""
    return await list_hidden_projects(tx, organization_id, None) if any(projects) else frozenset()
