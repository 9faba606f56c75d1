"""Which maintenance windows cover which components, and which of them the public hears of (contract monitoring 14.2, 14.3)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lumetry_core.alerts.maintenance import MaintenanceWindow, ScopeType
from lumetry_core.statuspages.model import Standing
from lumetry_core.statuspages.page import UPCOMING, ShownMaintenance

NOTHING: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a monitor is in the topology, as its alerts are: what covers its service and its configuration item, themselves included."""

    services: Collection[int] = NOTHING
    cis: Collection[int] = NOTHING


NOWHERE = Place()


def covers(window: MaintenanceWindow, place: Place) -> bool:
    """Whether a window's scope holds a monitor. A window for a metric holds none."""
    match window.scope_type:
        case ScopeType.GLOBAL:
            return True
        case ScopeType.METRIC:
            return False
        case ScopeType.SERVICE:
            return window.scope_node_id in place.services
        case ScopeType.CI:
            return window.scope_node_id in place.cis


def is_covered(windows: Sequence[MaintenanceWindow], place: Place, now: datetime) -> bool:
    """Whether one of the windows covers a monitor at a time."""
    return any(window.is_active(now) and covers(window, place) for window in windows)


def announce_windows(
    windows: Sequence[MaintenanceWindow], standings: Sequence[Standing], places: Mapping[int, Place], now: datetime
) -> tuple[ShownMaintenance, ...]:
    """The windows that last or start within a week and cover something visible, by start.

    Args:
        windows: Advanced to a time.
        standings: The components.
        places: By topology node.
        now: That time.
    """
    shown = []
    for window in windows:
        if window.delete_time is not None or window.occurrence_end <= now or window.occurrence_start > now + UPCOMING:
            continue
        covered = [standing for standing in standings if standing.component.is_visible and covers(window, place_of(standing, places))]
        if covered:
            names = tuple(dict.fromkeys(standing.component.display_name for standing in covered))
            shown.append(ShownMaintenance(window.id, window.occurrence_start, window.occurrence_end, names, window.is_active(now)))
    return tuple(sorted(shown, key=lambda window: (window.start_time, window.id)))


def place_of(standing: Standing, places: Mapping[int, Place]) -> Place:
    """Where a component's monitor is."""
    return NOWHERE if standing.node_id is None else places.get(standing.node_id, NOWHERE)
