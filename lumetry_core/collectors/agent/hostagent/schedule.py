"""What is due when. Pure."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(slots=True)
class Entry:
    """One thing that recurs, in seconds."""

    interval: float
    due: float


class Schedule(Generic[Key]):
    """Things that recur. All of one interval are due together, and those of a multiple of it fall on the same moments."""

    def __init__(self, start: float, first_pause: float) -> None:
        """Counts from `start`; what is new is due after its interval, or after `first_pause` when that is less."""
        self._start = start
        self._first_pause = first_pause
        self._entries: dict[Key, Entry] = {}

    def plan(self, intervals: Mapping[Key, float], now: float) -> None:
        """Replaces the plan; what keeps its interval keeps its moments."""
        known = self._entries
        self._entries = {
            key: known[key] if key in known and known[key].interval == interval else Entry(interval, now + min(self._first_pause, interval))
            for key, interval in intervals.items()
        }

    @property
    def next_due(self) -> float | None:
        """When the next thing is due; None: never."""
        return min((entry.due for entry in self._entries.values()), default=None)

    def take_due(self, now: float) -> Sequence[Key]:
        """What is due, in the order of the plan. Moments that were missed are not made up for."""
        taken = [key for key, entry in self._entries.items() if entry.due <= now]
        for key in taken:
            entry = self._entries[key]
            passed = (now - self._start) // entry.interval
            entry.due = self._start + (passed + 1) * entry.interval
        return taken
