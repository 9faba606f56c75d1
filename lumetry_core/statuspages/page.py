"""The page as the public sees it: display names, statuses and fixed texts, nothing else (contract monitoring 14.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lumetry_core.statuspages.derivation import MESSAGES, find_worst
from lumetry_core.statuspages.model import OTHER_GROUP, Standing, Status

MAINTENANCE_TITLE = "Scheduled maintenance"
UPCOMING = timedelta(days=7)
"""How long before its start maintenance is announced."""
LISTED = timedelta(hours=24)
"""How long incidents stay listed when they are over."""


class PublicSeverity(StrEnum):
    """How bad an incident is."""

    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


class PublicStatus(StrEnum):
    """How far an incident is."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class ShownComponent:
    """A visible component. `group` is the public name of its group."""

    id: int
    name: str
    status: Status
    group: str


@dataclass(frozen=True, slots=True)
class Update:
    """A step of an incident, with a fixed text."""

    status: PublicStatus
    message: str
    create_time: datetime


@dataclass(frozen=True, slots=True)
class ShownIncident:
    """A public incident. `component_ids` are all that it ever affected, `names` those that may be named now; updates are oldest first."""

    id: int
    title: str
    severity: PublicSeverity
    status: PublicStatus
    component_ids: tuple[int, ...]
    names: tuple[str, ...]
    start_time: datetime
    resolve_time: datetime | None
    updates: tuple[Update, ...]


@dataclass(frozen=True, slots=True)
class ShownMaintenance:
    """The occurrence of a maintenance window that lasts or comes next."""

    id: int
    start_time: datetime
    end_time: datetime
    names: tuple[str, ...]
    is_active: bool


@dataclass(frozen=True, slots=True)
class Page:
    """All that the public sees, but for uptime."""

    components: tuple[ShownComponent, ...] = ()
    incidents: tuple[ShownIncident, ...] = ()
    maintenance: tuple[ShownMaintenance, ...] = ()

    @property
    def global_status(self) -> Status:
        """How the whole is."""
        return find_worst(component.status for component in self.components)

    @property
    def global_message(self) -> str:
        """The same for people."""
        return MESSAGES[self.global_status]


def show(standings: Sequence[Standing]) -> tuple[ShownComponent, ...]:
    """What the public sees of components that are in their order."""
    return tuple(
        ShownComponent(
            standing.component.id,
            standing.component.display_name,
            standing.effective,
            standing.group_name if standing.component.group_id is not None else OTHER_GROUP,
        )
        for standing in standings
        if standing.component.is_visible
    )
