"""Maintenance windows and silences as a replay's time passes: which of today's last, and what they cover (contract lumetry 12.1, 19.7)."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Generic, TypeVar

from lumetry_core.alerts.maintenance import MaintenanceWindow, choose_window, covers
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.recurrence import find_occurrence

Thing = TypeVar("Thing")


class Periods(Generic[Thing]):
    """Things that last from a time to another, and which of them last at the time that was reached."""

    def __init__(self, periods: Iterable[tuple[datetime, datetime, int, Thing]]) -> None:
        """Nothing lasts at first.

        Args:
            periods: Start, end, number and thing. Those of one number do not overlap; that one ends when another starts is seen as well.
        """
        changes: list[tuple[datetime, bool, int, Thing]] = []
        for start, end, number, thing in periods:
            changes += [(start, True, number, thing), (end, False, number, thing)]
        self._changes = sorted(changes, key=lambda change: change[:3])
        self._done = 0
        self.lasting: dict[int, Thing] = {}
        """By number."""

    @property
    def next_change(self) -> datetime | None:
        """When something starts or ends next; None: never."""
        return self._changes[self._done][0] if self._done < len(self._changes) else None

    def advance(self, now: datetime) -> bool:
        """Lets time pass; answers whether anything started or ended."""
        before = self._done
        while self._done < len(self._changes) and self._changes[self._done][0] <= now:
            _, starts, number, thing = self._changes[self._done]
            if starts:
                self.lasting[number] = thing
            else:
                del self.lasting[number]
            self._done += 1
        return self._done > before


class Maintenance:
    """The windows that are active at the time that a replay has reached, and what they cover."""

    def __init__(
        self, windows: Sequence[MaintenanceWindow], covering: Mapping[int, Collection[int]], start: datetime, end: datetime
    ) -> None:
        """Nothing is active before `start`.

        Args:
            covering: By service and configuration item: itself and all nodes whose maintenance is its own.
        """
        occurrences = [occurrence for window in windows for occurrence in occurrences_of(window, start, end)]
        self.periods = Periods((one.occurrence_start, one.occurrence_end, one.id, one) for one in occurrences)
        self._windows = windows
        self._covering = covering
        self._of_scope: dict[tuple[int | None, int | None, str | None], list[int]] = {}

    def find(self, alert: Alert) -> MaintenanceWindow | None:
        """The window that covers an alert now."""
        lasting = self.periods.lasting
        if not lasting:
            return None
        scope = (alert.related_service_id, alert.related_ci_id, alert.metric_key)
        if scope not in self._of_scope:
            self._of_scope[scope] = [window.id for window in self._windows if covers(window, alert, self._covering)]
        return choose_window([lasting[number] for number in self._of_scope[scope] if number in lasting], alert, self._covering)


def occurrences_of(window: MaintenanceWindow, start: datetime, end: datetime) -> Iterator[MaintenanceWindow]:
    """A window with each of its occurrences that last between two times, ascending."""
    recurrence = window.recurrence
    if recurrence is None:
        if window.start_time <= end and window.end_time > start:
            yield replace(window, occurrence_start=window.start_time, occurrence_end=window.end_time)
        return
    found = find_occurrence(recurrence, start)
    while found is not None and found[0] <= end:
        yield replace(window, occurrence_start=found[0], occurrence_end=found[1])
        found = find_occurrence(recurrence, found[1])
