"""Tells followers of the public page what changes: page, events and public incidents are committed together."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from lumetry_core.alerts.model import Alert, AlertFilter, SourceKind
from lumetry_core.alerts.monitors import EntityType
from lumetry_core.alerts.service.monitors import find_active_monitored
from lumetry_core.alerts.service.reading import list_alerts
from lumetry_core.incidents.service.reading import find_incidents
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.events import publish, read_range, write_published
from lumetry_core.statuspages.announcements import announce
from lumetry_core.statuspages.changes import NAMES, find_changes
from lumetry_core.statuspages.model import TOPIC, MonitorKey, MonitorKind, Standing
from lumetry_core.statuspages.page import Page, ShownIncident, show
from lumetry_core.statuspages.service.standings import Situation, read_situation
from lumetry_core.statuspages.store import pages as store
from lumetry_core.statuspages.store.pages import Told

RECENT = timedelta(minutes=15)
"""Alerts that came and went between two looks are found so long after they began."""


async def find_news(tx: Transaction, organization_id: int, now: datetime) -> bool:
    """Whether there is anything to tell, or a component has lost its monitor."""
    told = await store.read_page(tx, organization_id)
    situation = await read_situation(tx, organization_id, now)
    return bool(situation.orphans) or await compose(tx, organization_id, told.page, situation, now) != told.page


async def tell_changes(tx: Transaction, organization_id: int, now: datetime) -> None:
    """Tells what changed since it was told last. The first time there is nobody to tell."""
    told = await store.lock_page(tx, organization_id, now)
    situation = await read_situation(tx, organization_id, now)
    page = await compose(tx, organization_id, told.page, situation, now)
    if page == told.page:
        return
    last_event_id = told.last_event_id
    changes = [] if told.page is None else find_changes(told.page, page)
    if changes:
        await publish(tx, organization_id, [(TOPIC, NAMES[type(change)], change) for change in changes], now)
        await write_published(tx)
        _, last_event_id = await read_range(tx, organization_id, [TOPIC])
    await store.write_page(tx, organization_id, Told(page, last_event_id), now)


async def compose(tx: Transaction, organization_id: int, before: Page | None, situation: Situation, now: datetime) -> Page:
    """The page as it is now."""
    known = () if before is None else before.incidents
    incidents = await find_public_incidents(tx, organization_id, known, situation.standings, now)
    return Page(show(situation.standings), incidents, situation.maintenance)


async def find_public_incidents(
    tx: Transaction, organization_id: int, before: Sequence[ShownIncident], standings: Sequence[Standing], now: datetime
) -> tuple[ShownIncident, ...]:
    """The incidents that contain an alert of a monitor whose visible component says that it is told."""
    names = name_announced(standings)
    if not names:
        return ()
    announced = {standing.component.key: standing.component.id for standing in standings if standing.component.id in names}
    affected: defaultdict[int, set[int]] = defaultdict(set)
    for alert in await find_alerts_of(tx, organization_id, announced, now):
        if alert.incident_id is not None:
            affected[alert.incident_id].add(announced[key_of(alert)])
    incidents = await find_incidents(tx, organization_id, {incident.id for incident in before} | affected.keys())
    return announce(before, incidents, affected, names, now)


def name_announced(standings: Sequence[Standing]) -> Mapping[int, str]:
    """The display names of the components whose incidents are public, by number."""
    shown = (standing.component for standing in standings)
    return {component.id: component.display_name for component in shown if component.is_visible and component.auto_incident}


async def find_alerts_of(tx: Transaction, organization_id: int, keys: Collection[MonitorKey], now: datetime) -> list[Alert]:
    """The active alerts of monitors, and those that began of late."""
    found: dict[int, Alert] = {}
    for kind in sorted({kind for kind, _ in keys}):
        numbers = {number for of_kind, number in keys if of_kind is kind}
        for alert in await find_active_monitored(tx, organization_id, EntityType(kind.value), numbers):
            found[alert.id] = alert
    recent = AlertFilter(source_kind=SourceKind.MONITOR, start_time=now - RECENT)
    for alert in await list_alerts(tx, organization_id, recent):
        if alert.entity_type is not None and key_of(alert) in keys:
            found[alert.id] = alert
    return list(found.values())


def key_of(alert: Alert) -> MonitorKey:
    """The monitor of an alert."""
    return MonitorKind(alert.entity_type or ""), alert.entity_id or 0
