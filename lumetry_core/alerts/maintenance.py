"""Maintenance windows: which alerts they cover and when (contract lumetry 12.1, 19.6)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.recurrence import Recurrence, find_occurrence, next_start
from lumetry_core.alerts.recurrence_rule import parse_rule

SETTLE = timedelta(seconds=10)
"""Alerts are judged once more so long after a change: one whose transaction began before it may be committed after it."""
NOTHING: frozenset[int] = frozenset()


class ScopeType(StrEnum):
    """What a window covers."""

    GLOBAL = "Global"
    METRIC = "Metric"
    SERVICE = "Service"
    CI = "Ci"


NODE_SCOPES = frozenset({ScopeType.SERVICE, ScopeType.CI})


@dataclass(frozen=True, slots=True)
class MaintenanceWindow:
    """A period in which covered alerts lead neither to incidents nor to notifications.

    Args:
        start_time: Of the first occurrence, as `end_time` is.
        rrule: None: it occurs once.
        occurrence_start: Of the occurrence that lasts or comes next, or of the last one when all are over; as `occurrence_end` is.
        delete_time: When it was removed; None: it was not. A removed one covers nothing.
    """

    id: int
    organization_id: int
    scope_type: ScopeType
    scope_node_id: int | None
    metric_key: str | None
    start_time: datetime
    end_time: datetime
    reason: str
    rrule: str | None
    time_zone: str | None
    occurrence_start: datetime
    occurrence_end: datetime
    create_time: datetime
    created_by: int | None
    delete_time: datetime | None = None

    def is_active(self, now: datetime) -> bool:
        """Whether the stored occurrence lasts at a time."""
        return self.delete_time is None and self.occurrence_start <= now < self.occurrence_end

    @property
    def recurrence(self) -> Recurrence | None:
        """How it occurs; None: once."""
        if self.rrule is None or self.time_zone is None:
            return None
        return Recurrence(parse_rule(self.rrule), self.start_time, self.end_time - self.start_time, ZoneInfo(self.time_zone))


def advance(window: MaintenanceWindow, now: datetime) -> MaintenanceWindow:
    """The window with the occurrence that lasts at a time or comes next; as it is when there is none."""
    return window if now < window.occurrence_end else locate(window, now)


def locate(window: MaintenanceWindow, now: datetime) -> MaintenanceWindow:
    """As `advance`, whatever occurrence the window has; it may lead back as well."""
    found = None if window.recurrence is None else find_occurrence(window.recurrence, now)
    return window if found is None else replace(window, occurrence_start=found[0], occurrence_end=found[1])


def find_next_start(window: MaintenanceWindow, now: datetime) -> datetime | None:
    """When the next occurrence after a time starts; None when none does, or the window occurs once."""
    return None if window.recurrence is None else next_start(window.recurrence, now)


def next_change(window: MaintenanceWindow, now: datetime, *, changed: bool) -> datetime | None:
    """When alerts must be judged again because of an advanced window; None: never.

    Args:
        changed: It starts, ends, is made or removed now; alerts are judged once more SETTLE after that.
    """
    changes = [now + SETTLE] if changed else []
    if window.delete_time is None:
        changes += [change for change in (window.occurrence_start, window.occurrence_end) if change > now]
    return min(changes, default=None)


def has_changed(window: MaintenanceWindow, due: datetime, now: datetime) -> bool:
    """Whether a window, not yet advanced, started or ended from the time when it was due until now."""
    return window.delete_time is None and any(due <= change <= now for change in (window.occurrence_start, window.occurrence_end))


def covers(window: MaintenanceWindow, alert: Alert, covering: Mapping[int, Collection[int]]) -> bool:
    """Whether a window's scope holds an alert.

    Args:
        covering: By service and configuration item: itself and all nodes whose maintenance is its own.
    """
    match window.scope_type:
        case ScopeType.GLOBAL:
            return True
        case ScopeType.METRIC:
            return alert.metric_key == window.metric_key
        case ScopeType.SERVICE:
            related = alert.related_service_id
        case ScopeType.CI:
            related = alert.related_ci_id
    return related is not None and (related == window.scope_node_id or window.scope_node_id in covering.get(related, NOTHING))


def choose_window(
    windows: Collection[MaintenanceWindow], alert: Alert, covering: Mapping[int, Collection[int]]
) -> MaintenanceWindow | None:
    """Of several windows that cover an alert the one that ends last, then the one with the lowest number."""
    found = [window for window in windows if covers(window, alert, covering)]
    return min(found, key=lambda window: (-window.occurrence_end.timestamp(), window.id), default=None)


@dataclass(frozen=True, slots=True)
class WindowEvent:
    """A window as calendars show it, with the name of the node that it is for."""

    window: MaintenanceWindow
    scope_node_name: str | None
