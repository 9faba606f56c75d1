"""Which minute of the week a time is, in a time zone (contract lumetry 9.1)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from lumetry_core.metrics.model import Integers

MINUTES_PER_WEEK = 10_080
HOURS_PER_WEEK = 168
MINUTE_MS = 60_000
QUARTER_MS = 900_000
MINUTES_TO_EPOCH = 3 * 1440
"""The Unix epoch is a Thursday."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_QUARTER = int((datetime(1, 1, 3, tzinfo=UTC) - EPOCH) / timedelta(minutes=15))
LAST_QUARTER = int((datetime(9999, 12, 29, tzinfo=UTC) - EPOCH) / timedelta(minutes=15))
"""What the calendar knows, with room for any offset; beyond, the nearest offset is taken."""
DENSE_SPAN = 100_000
"""Quarter-hours (nearly three years) up to which distinct ones are found by marking instead of sorting."""


class WeekClock:
    """Tells local minutes of the week of one time zone."""

    def __init__(self, time_zone: str) -> None:
        """Fails with `ZoneInfoNotFoundError` for a name that is not in the database of time zones."""
        self.time_zone = time_zone
        self._zone = ZoneInfo(time_zone)
        self._offsets: dict[int, int] = {}

    def minutes_of_week(self, times_ms: Integers) -> Integers:
        """The minute of the week of each time: weekday (Monday 0) · 1440 + hour · 60 + minute.

        A local hour that occurs twice gives the same minutes twice.
        """
        if not len(times_ms):
            return np.zeros(0, np.int64)
        quarters = times_ms // QUARTER_MS
        first, last = int(quarters.min()), int(quarters.max())
        if first == last:
            offsets: Integers | int = self._offset(first)
        elif last - first < DENSE_SPAN:
            places = quarters - first
            is_present = np.zeros(last - first + 1, bool)
            is_present[places] = True
            present = np.flatnonzero(is_present)
            of_place = np.zeros(len(is_present), np.int64)
            of_place[present] = self._offsets_of(present + first)
            offsets = of_place[places]
        else:
            distinct, places = np.unique(quarters, return_inverse=True)
            offsets = self._offsets_of(distinct)[places]
        minutes: Integers = (times_ms // MINUTE_MS + offsets + MINUTES_TO_EPOCH) % MINUTES_PER_WEEK
        return minutes

    def is_ascending(self, start_ms: int, end_ms: int) -> bool:
        """Whether local time never steps back between two times, both included."""
        offsets = self._offsets_of(np.arange(start_ms // QUARTER_MS, end_ms // QUARTER_MS + 1))
        return not (np.diff(offsets) < 0).any()

    def _offsets_of(self, quarters: Integers) -> Integers:
        return np.fromiter(map(self._offset, quarters.tolist()), np.int64, len(quarters))

    def _offset(self, quarter: int) -> int:
        """The zone's offset from UTC at a quarter-hour in minutes; zones change their offset at whole quarters."""
        offset = self._offsets.get(quarter)
        if offset is None:
            moment = EPOCH + timedelta(minutes=15 * min(max(quarter, FIRST_QUARTER), LAST_QUARTER))
            shift = self._zone.utcoffset(moment.astimezone(self._zone))
            # before standard time, offsets had seconds
            offset = self._offsets[quarter] = 0 if shift is None else round(shift.total_seconds() / 60)
        return offset
