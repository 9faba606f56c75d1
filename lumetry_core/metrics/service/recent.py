"""What this process appended last, handed to its evaluator without a way through the store.

It is a shortcut only: whatever is not here is read from the inbox. Entries come here after their commit, so they are what the inbox holds.
"""

from collections import deque
from collections.abc import Sequence

from lumetry_core.metrics.model import Entry

KEPT_POINTS = 200_000
"""Of each partition; the oldest go first."""


class RecentEntries:
    """The newest entries of each partition, consecutive by offset."""

    def __init__(self) -> None:
        self._entries: dict[int, deque[Entry]] = {}
        self._points: dict[int, int] = {}

    def publish(self, entries: Sequence[Entry]) -> None:
        """Adds committed entries, each partition's in order of offset."""
        for entry in entries:
            kept = self._entries.setdefault(entry.partition, deque())
            if kept and kept[-1].end_offset != entry.first_offset:  # another process appended in between
                kept.clear()
                self._points[entry.partition] = 0
            kept.append(entry)
            self._points[entry.partition] = self._points.get(entry.partition, 0) + len(entry.values)
            while self._points[entry.partition] > KEPT_POINTS and len(kept) > 1:
                self._points[entry.partition] -= len(kept.popleft().values)

    def take(self, partition: int, from_offset: int, max_points: int) -> list[Entry]:
        """Takes entries from exactly this offset on, at least one if it is here, then as many as hold at most `max_points` together."""
        kept = self._entries.get(partition)
        while kept and kept[0].first_offset < from_offset:
            self._points[partition] -= len(kept.popleft().values)
        taken: list[Entry] = []
        points = 0
        while kept and kept[0].first_offset == from_offset and (not taken or points + len(kept[0].values) <= max_points):
            entry = kept.popleft()
            taken.append(entry)
            points += len(entry.values)
            from_offset = entry.end_offset
        self._points[partition] = self._points.get(partition, 0) - points
        return taken

    def reaches_beyond(self, partition: int, offset: int) -> bool:
        """Whether something at or after an offset is here."""
        kept = self._entries.get(partition)
        return kept is not None and len(kept) > 0 and kept[-1].end_offset > offset
