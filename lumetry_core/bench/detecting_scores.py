"""How well alerts meet labelled windows: recall, precision, delay and false alarms."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lumetry_core.bench.detecting_series import Window

WEEK_MS = 7 * 86_400_000
MINUTE_MS = 60_000


class Alarm(NamedTuple):
    """An alert: when it opened and when it closed, in ms since the Unix epoch."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Score:
    """What was found of what there was, in the scored part of series.

    Args:
        windows: Labelled windows.
        found: Those that an alert met.
        alerts: Alerts.
        false_alarms: Those that met no window.
        delays_ms: From the start of each found window to the first alert that met it; 0 when it was open before.
        scored_ms: Length of the scored part.
        stray_ms: Time in alert outside all windows.
    """

    windows: int
    found: int
    alerts: int
    false_alarms: int
    delays_ms: tuple[int, ...]
    scored_ms: int
    stray_ms: int

    @property
    def recall(self) -> float:
        """Share of windows that were found; NaN without windows."""
        return self.found / self.windows if self.windows else math.nan

    @property
    def precision(self) -> float:
        """Share of alerts that met a window; NaN without alerts."""
        return (self.alerts - self.false_alarms) / self.alerts if self.alerts else math.nan

    @property
    def false_alarms_per_week(self) -> float:
        """Of one series."""
        return self.false_alarms / (self.scored_ms / WEEK_MS) if self.scored_ms else math.nan

    @property
    def median_delay_minutes(self) -> float:
        """Of found windows; NaN without any."""
        return statistics.median(self.delays_ms) / MINUTE_MS if self.delays_ms else math.nan

    @property
    def longest_delay_minutes(self) -> float:
        """Of found windows; NaN without any."""
        return max(self.delays_ms) / MINUTE_MS if self.delays_ms else math.nan

    @property
    def stray_percent(self) -> float:
        """Share of the scored time in alert although nothing was wrong."""
        return self.stray_ms / self.scored_ms * 100 if self.scored_ms else math.nan


def score(windows: Sequence[Window], alarms: Iterable[Alarm], learned: int, end: int) -> Score:
    """Scores the alerts of one series.

    Args:
        learned: End of the learning period. Windows that end before it and alerts that open before it are left out.
        end: Time of the last point.
    """
    scored = [window for window in windows if window.end >= learned and window.start <= end]
    counted = [alarm for alarm in alarms if alarm.start >= learned]
    delays = []
    for window in scored:
        starts = [alarm.start for alarm in counted if meet(alarm, window)]
        if starts:
            delays.append(max(0, min(starts) - window.start))
    return Score(
        windows=len(scored),
        found=len(delays),
        alerts=len(counted),
        false_alarms=sum(not any(meet(alarm, window) for window in scored) for alarm in counted),
        delays_ms=tuple(delays),
        scored_ms=max(0, end - learned),
        stray_ms=sum(alarm.end - alarm.start for alarm in counted) - sum(shared(alarm, window) for alarm in counted for window in scored),
    )


def meet(alarm: Alarm, window: Window) -> bool:
    """Whether an alert was active at some time of a window."""
    return alarm.start <= window.end and alarm.end >= window.start


def shared(alarm: Alarm, window: Window) -> int:
    """Time of an alert within a window; windows do not overlap."""
    return max(0, min(alarm.end, window.end) - max(alarm.start, window.start))


def total(scores: Iterable[Score]) -> Score:
    """The score of several series together."""
    every = list(scores)
    return Score(
        windows=sum(one.windows for one in every),
        found=sum(one.found for one in every),
        alerts=sum(one.alerts for one in every),
        false_alarms=sum(one.false_alarms for one in every),
        delays_ms=tuple(delay for one in every for delay in one.delays_ms),
        scored_ms=sum(one.scored_ms for one in every),
        stray_ms=sum(one.stray_ms for one in every),
    )
