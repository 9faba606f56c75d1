"""What followers of the page must be told when it changes (contract monitoring 17.3)."""

from collections.abc import Iterator
from dataclasses import dataclass

from lumetry_core.statuspages.model import Status
from lumetry_core.statuspages.page import MAINTENANCE_TITLE, Page, PublicSeverity, PublicStatus, ShownIncident


@dataclass(frozen=True, slots=True)
class ComponentChanged:
    """A component is new, or has another name, status or group."""

    component_id: int
    name: str
    status: Status
    group: str


@dataclass(frozen=True, slots=True)
class GlobalChanged:
    """The whole has another status."""

    status: Status
    message: str


@dataclass(frozen=True, slots=True)
class IncidentCreated:
    """An incident became public."""

    id: int
    title: str
    severity: PublicSeverity
    status: PublicStatus
    components: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IncidentUpdated:
    """A public incident has news."""

    id: int
    status: PublicStatus
    message: str


@dataclass(frozen=True, slots=True)
class IncidentResolved:
    """A public incident is over, or not public any more."""

    id: int
    title: str


@dataclass(frozen=True, slots=True)
class MaintenanceStarted:
    """Maintenance of visible components began."""

    id: int
    title: str
    components: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MaintenanceEnded:
    """Maintenance of visible components is over."""

    id: int
    title: str
    components: tuple[str, ...]


Change = ComponentChanged | GlobalChanged | IncidentCreated | IncidentUpdated | IncidentResolved | MaintenanceStarted | MaintenanceEnded
KINDS: dict[str, type[Change]] = {
    "status.component_changed": ComponentChanged,
    "status.global_changed": GlobalChanged,
    "status.incident_created": IncidentCreated,
    "status.incident_updated": IncidentUpdated,
    "status.incident_resolved": IncidentResolved,
    "status.maintenance_started": MaintenanceStarted,
    "status.maintenance_ended": MaintenanceEnded,
}
NAMES = {kind: name for name, kind in KINDS.items()}


def find_changes(before: Page, after: Page) -> list[Change]:
    """The changes that lead from one page to another: first why, then what follows from it for the whole."""
    return [*maintenance_changes(before, after), *component_changes(before, after), *incident_changes(before, after)]


def component_changes(before: Page, after: Page) -> Iterator[Change]:
    """Components, then the whole. One that is shown no more is seen in the whole only."""
    known = {component.id: component for component in before.components}
    for component in after.components:
        if known.get(component.id) != component:
            yield ComponentChanged(component.id, component.name, component.status, component.group)
    if before.global_status is not after.global_status:
        yield GlobalChanged(after.global_status, after.global_message)


def incident_changes(before: Page, after: Page) -> Iterator[Change]:
    """Incidents by their number. One that is public no more ends for those who follow it."""
    known = {incident.id: incident for incident in before.incidents}
    shown = {incident.id: incident for incident in after.incidents}
    for number in sorted(known.keys() - shown.keys()):
        if known[number].status is not PublicStatus.RESOLVED:
            yield IncidentResolved(number, known[number].title)
    for number in sorted(shown):
        yield from steps_of(known.get(number), shown[number])


def steps_of(before: ShownIncident | None, after: ShownIncident) -> Iterator[Change]:
    """The news of one incident. One that came and went between two looks began all the same."""
    told = 0 if before is None else len(before.updates)
    if before is None:
        told = 1
        first = after.updates[0].status
        yield IncidentCreated(after.id, after.title, after.severity, first, after.names)
    for update in after.updates[told:]:
        if update.status is PublicStatus.RESOLVED:
            yield IncidentResolved(after.id, after.title)
        else:
            yield IncidentUpdated(after.id, update.status, update.message)


def maintenance_changes(before: Page, after: Page) -> Iterator[Change]:
    """Windows that began or ended, by their number. Of a window that recurs the next occurrence counts as another one."""
    known = {(window.id, window.start_time): window for window in before.maintenance if window.is_active}
    active = {(window.id, window.start_time): window for window in after.maintenance if window.is_active}
    for key in sorted(known.keys() - active.keys()):
        yield MaintenanceEnded(known[key].id, MAINTENANCE_TITLE, known[key].names)
    for key in sorted(active.keys() - known.keys()):
        yield MaintenanceStarted(active[key].id, MAINTENANCE_TITLE, active[key].names)
