from dataclasses import replace

from lumetry_core.statuspages.changes import (
    ComponentChanged,
    GlobalChanged,
    IncidentCreated,
    IncidentResolved,
    IncidentUpdated,
    MaintenanceEnded,
    MaintenanceStarted,
    find_changes,
)
from lumetry_core.statuspages.model import Status
from lumetry_core.statuspages.page import (
    Page,
    PublicSeverity,
    PublicStatus,
    ShownComponent,
    ShownIncident,
    ShownMaintenance,
    Update,
)
from tests.core.statuspages.building import NOW

SHOP = ShownComponent(1, "Shop", Status.OPERATIONAL, "Web")
MAIL = ShownComponent(2, "Mail", Status.OPERATIONAL, "Other")
BEGUN = Update(PublicStatus.INVESTIGATING, "begun", NOW)
FOUND = Update(PublicStatus.IDENTIFIED, "found", NOW)
OVER = Update(PublicStatus.RESOLVED, "over", NOW)
INCIDENT = ShownIncident(9, "Issue affecting Shop", PublicSeverity.MAJOR, PublicStatus.INVESTIGATING, (1,), ("Shop",), NOW, None, (BEGUN,))
WINDOW = ShownMaintenance(4, NOW, NOW, ("Shop",), is_active=True)


def test_find_changes_of_components() -> None:
    """A new name, status, group or component is told, and the whole only when it changes."""
    before = Page((SHOP, MAIL))
    down = replace(SHOP, status=Status.MAJOR_OUTAGE)
    assert find_changes(before, Page((down, MAIL))) == [
        ComponentChanged(1, "Shop", Status.MAJOR_OUTAGE, "Web"),
        GlobalChanged(Status.MAJOR_OUTAGE, "Major System Outage"),
    ]
    assert find_changes(before, Page((replace(SHOP, name="Store"), MAIL))) == [ComponentChanged(1, "Store", Status.OPERATIONAL, "Web")]
    assert find_changes(Page((SHOP,)), before) == [ComponentChanged(2, "Mail", Status.OPERATIONAL, "Other")]
    assert find_changes(Page((down, MAIL)), Page((MAIL,))) == [GlobalChanged(Status.OPERATIONAL, "All Systems Operational")]
    assert find_changes(before, Page((MAIL, SHOP))) == []


def test_find_changes_of_incidents() -> None:
    """Each step of an incident is told once; all of them for one that came and went between two looks."""
    found = replace(INCIDENT, status=PublicStatus.IDENTIFIED, updates=(BEGUN, FOUND))
    over = replace(INCIDENT, status=PublicStatus.RESOLVED, updates=(BEGUN, FOUND, OVER))
    created = IncidentCreated(9, "Issue affecting Shop", PublicSeverity.MAJOR, PublicStatus.INVESTIGATING, ("Shop",))
    updated = IncidentUpdated(9, PublicStatus.IDENTIFIED, "found")
    resolved = IncidentResolved(9, "Issue affecting Shop")
    assert find_changes(Page(), Page(incidents=(INCIDENT,))) == [created]
    assert find_changes(Page(incidents=(INCIDENT,)), Page(incidents=(found,))) == [updated]
    assert find_changes(Page(incidents=(found,)), Page(incidents=(over,))) == [resolved]
    assert find_changes(Page(), Page(incidents=(over,))) == [created, updated, resolved]
    assert find_changes(Page(incidents=(over,)), Page()) == []
    assert find_changes(Page(incidents=(found,)), Page()) == [resolved]


def test_find_changes_of_maintenance() -> None:
    """The start and the end of windows are told, not their announcement; an occurrence that follows another counts by itself."""
    planned = replace(WINDOW, is_active=False)
    started = MaintenanceStarted(4, "Scheduled maintenance", ("Shop",))
    ended = MaintenanceEnded(4, "Scheduled maintenance", ("Shop",))
    assert find_changes(Page(), Page(maintenance=(planned,))) == []
    assert find_changes(Page(maintenance=(planned,)), Page(maintenance=(WINDOW,))) == [started]
    assert find_changes(Page(maintenance=(WINDOW,)), Page()) == [ended]
    later = replace(WINDOW, start_time=NOW.replace(hour=20))
    assert find_changes(Page(maintenance=(WINDOW,)), Page(maintenance=(later,))) == [ended, started]
