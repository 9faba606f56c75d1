"""Writes what happens to incidents: at this one place, into their timelines, the activity feed and inboxes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from lumetry_core.activity.model import SYSTEM, Actor
from lumetry_core.activity.service import record
from lumetry_core.alerts.service.reading import find_alerts
from lumetry_core.alerts.service.telling import find_projects
from lumetry_core.incidents.activity import ACTION_OF, alert_of, describe_entry
from lumetry_core.incidents.model import Entry, Incident
from lumetry_core.incidents.noticing import KIND_OF
from lumetry_core.incidents.service.noticing import tell_of_entries
from lumetry_core.incidents.store import members as member_store
from lumetry_core.incidents.store import timeline as store
from lumetry_core.projects.service.links import has_links
from lumetry_core.runtime.database import Transaction


async def write_entries(
    tx: Transaction,
    organization_id: int,
    entries: Sequence[tuple[int, Entry]],
    incidents: Iterable[Incident],
    now: datetime,
    actor: Actor = SYSTEM,
) -> None:
    """Appends entries to the timelines of incidents, given by id, in order.

    Args:
        incidents: Those of the entries, as they stand now, with their members.
        actor: Who caused the entries.
    """
    await store.insert_entries(tx, organization_id, entries, now)
    by_id = {incident.id: incident for incident in incidents}
    shown = [(by_id[number], entry) for number, entry in entries if entry.entry_type in ACTION_OF]
    projects = await find_projects_of(tx, organization_id, shown)
    drafts = [describe_entry(incident, entry, projects.get((incident.id, alert_of(entry)), ()), actor) for incident, entry in shown]
    await record(tx, organization_id, [draft for draft in drafts if draft is not None], now)
    told = [(incident, entry) for incident, entry in shown if entry.entry_type in KIND_OF]
    await tell_of_entries(tx, organization_id, told, [projects.get((incident.id, alert_of(entry)), ()) for incident, entry in told], now)


async def find_projects_of(
    tx: Transaction, organization_id: int, shown: Sequence[tuple[Incident, Entry]]
) -> Mapping[tuple[int, int | None], Sequence[str]]:
    """The projects of what entries tell, by incident and alert: those of the alert, or of all members where there is none."""
    if not shown or not await has_links(tx, organization_id):
        return {}
    of_entry: dict[tuple[int, int | None], set[int]] = {
        (incident.id, number): {number} for incident, entry in shown if (number := alert_of(entry)) is not None
    }
    for incident_id in {incident.id for incident, entry in shown if alert_of(entry) is None}:
        members = await member_store.list_members(tx, organization_id, incident_id)
        of_entry[incident_id, None] = {member.alert_id for member in members if member.leave_time is None}
    alerts = await find_alerts(tx, organization_id, {number for numbers in of_entry.values() for number in numbers})
    of_alert = await find_projects(tx, organization_id, alerts)
    return {
        key: tuple(dict.fromkeys(project_id for number in sorted(numbers) for project_id in of_alert.get(number, ())))
        for key, numbers in of_entry.items()
    }
